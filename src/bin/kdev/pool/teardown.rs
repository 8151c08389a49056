use std::process::ExitCode;

use kdev_volumes::Error;
use kdev_volumes::pools::Pools;

/// Take a pool down and leave its device blank
///
/// Refuses while anything but dead processes' volumes is in it, and names it.
#[derive(Debug, clap::Args)]
pub(crate) struct TeardownArgs {
    /// The pool's name
    #[arg(long)]
    pool: String,
}

pub(super) fn run(pools: &Pools, args: &TeardownArgs, out: &mut Vec<u8>) -> Result<ExitCode, Error> {
    let gone = pools.teardown(&args.pool)?;
    let text = format!(
        "pool `{}` is gone, and {} is blank\n",
        gone.name,
        gone.device.display()
    );
    out.extend_from_slice(text.as_bytes());
    Ok(ExitCode::SUCCESS)
}
