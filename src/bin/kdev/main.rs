//! The command `kdev`: sets device pools up, shows them, cleans them, takes them down; changes volumes; plans who fits,
//! and tells what has happened.

mod amounts;
mod args;
mod completions;
mod look;
mod man;
mod metrics;
mod paint;
mod plan;
mod pool;
mod progress;
mod setup_sudo;
mod table;
mod volume;

use std::io::{self, ErrorKind, Write};
use std::process::ExitCode;

use clap::Parser;
use kdev_volumes::Error;

use args::{Args, Command};

/// `EX_UNAVAILABLE` of sysexits(3): this host lacks what is needed.
const HOST_CANNOT: u8 = 69;

fn main() -> ExitCode {
    let Args { command } = Args::parse();
    let mut out = Vec::new();
    let done = match command {
        Command::Pool { command } => pool::run(command, &mut out),
        Command::Volume { command } => volume::run(command, &mut out),
        Command::Plan(args) => plan::run(args, &mut out),
        Command::Metrics(args) => metrics::run(&args, &mut out),
        Command::SetupSudo(args) => setup_sudo::run(&args, &mut out),
        Command::Completions(args) => {
            completions::run(&args, &mut out);
            Ok(ExitCode::SUCCESS)
        }
        Command::Man(args) => man::run(&args, &mut out),
    };
    let code = match done {
        Ok(code) => code,
        Err(err) => {
            eprintln!("kdev: {}", err.chain());
            exit_code(&err)
        }
    };
    match io::stdout().write_all(&out) {
        Ok(()) => code,
        // Whoever reads has read enough.
        Err(err) if err.kind() == ErrorKind::BrokenPipe => code,
        Err(err) => {
            eprintln!("kdev: could not write to standard output: {err}");
            ExitCode::FAILURE
        }
    }
}

fn exit_code(err: &Error) -> ExitCode {
    match err {
        Error::NotRoot { .. }
        | Error::NotInstalled { .. }
        | Error::NoSudo { .. }
        | Error::NoNextest
        | Error::NoDeviceMapper
        | Error::NoUdev
        | Error::NoThinPools
        | Error::NoSystemd
        | Error::NoLoop { .. } => ExitCode::from(HOST_CANNOT),
        _ => ExitCode::FAILURE,
    }
}
