use std::process::ExitCode;

use kdev_volumes::Error;
use kdev_volumes::pools::{Pools, Teardown};

use crate::progress::Teller;

/// Take a pool down and leave its device blank; a file is removed
///
/// Refuses while anything but dead processes' volumes is in it, and names it.
#[derive(Debug, clap::Args)]
pub(crate) struct TeardownArgs {
    /// The pool's name
    #[arg(long)]
    pool: String,
    /// Remove kept volumes first, unless something else is in the way
    #[arg(long)]
    force_kept: bool,
    /// Overwrite all of the device with zeros, which may take hours; without, both its ends
    #[arg(long)]
    zero: bool,
}

pub(super) fn run(pools: &Pools, args: &TeardownArgs, out: &mut Vec<u8>) -> Result<ExitCode, Error> {
    let how = Teardown {
        force_kept: args.force_kept,
        zero: args.zero,
    };
    let mut teller = Teller::new();
    let gone = pools.teardown_with(&args.pool, &how, &mut |progress| teller.tell(&progress));
    drop(teller);
    let gone = gone?;
    let device = gone.device.display();
    let left = match (gone.device.starts_with("/dev"), args.zero) {
        (false, _) => format!("its file {device} is removed"),
        (true, false) => format!("{device} is blank"),
        (true, true) => format!("{device} is all zeros"),
    };
    out.extend_from_slice(format!("pool `{}` is gone, and {left}\n", gone.name).as_bytes());
    Ok(ExitCode::SUCCESS)
}
