//! `kdev pool`: each of its commands is a file.

mod bar;
mod cleanup;
mod json;
mod list;
mod setup;
mod start;
mod status;
mod teardown;
mod timer;
mod watch;

use std::process::ExitCode;

use clap::Subcommand;
use kdev_volumes::Error;
use kdev_volumes::pools::Pools;

use cleanup::CleanupArgs;
use setup::SetupArgs;
use start::StartArgs;
use status::StatusArgs;
use teardown::TeardownArgs;
use timer::TimerArgs;

#[derive(Debug, Subcommand)]
pub(crate) enum PoolCommand {
    Setup(SetupArgs),
    Start(StartArgs),
    /// List the pools that are set up
    List,
    Status(StatusArgs),
    Cleanup(CleanupArgs),
    Teardown(TeardownArgs),
    Timer(TimerArgs),
}

/// Does it, and writes what standard output is to say.
pub(crate) fn run(command: PoolCommand, out: &mut Vec<u8>) -> Result<ExitCode, Error> {
    let pools = Pools::from_env()?;
    match command {
        PoolCommand::Setup(args) => setup::run(&pools, args, out),
        PoolCommand::Start(args) => start::run(&pools, &args, out),
        PoolCommand::List => list::run(&pools, out),
        PoolCommand::Status(args) => status::run(&pools, &args, out),
        PoolCommand::Cleanup(args) => cleanup::run(&pools, &args, out),
        PoolCommand::Teardown(args) => teardown::run(&pools, &args, out),
        PoolCommand::Timer(args) => timer::run(args, out),
    }
}
