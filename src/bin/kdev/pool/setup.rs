use std::path::PathBuf;
use std::process::ExitCode;

use kdev_volumes::Error;
use kdev_volumes::pools::{Clean, NewPool, Pools};

/// Make a pool of a blank disk or partition
///
/// Writes a PV and a VG to the device. A device that is in use, or on which anything is found, is
/// refused and not written to; the message lists all that was found and what to do.
#[derive(Debug, clap::Args)]
pub(crate) struct SetupArgs {
    /// The disk or partition; all of it becomes the pool's
    #[arg(long)]
    device: PathBuf,
    /// The pool's name; `embedded`, `images` and `auto` are no names for one
    #[arg(long, default_value = "default")]
    pool: String,
    /// The VG's name [default: kerneldev-POOL-vg]
    #[arg(long)]
    vg_name: Option<String>,
    /// What the names of its volumes begin with [default: kdev]
    #[arg(long)]
    lv_prefix: Option<String>,
    /// What new volumes may show of the data of those before
    #[arg(long, value_enum, default_value_t)]
    clean: CleanArg,
}

#[derive(Clone, Copy, Debug, Default, clap::ValueEnum)]
enum CleanArg {
    /// No signatures: enough where a filesystem is made first
    #[default]
    Signatures,
    /// Nothing, all reads as zeros: for tests of fsck and repair. Costs the writing of each volume's
    /// size, where the disk does not zero by itself
    Zero,
    /// No signatures, and the disk is told that the rest is not needed
    Discard,
}

impl From<CleanArg> for Clean {
    fn from(arg: CleanArg) -> Self {
        match arg {
            CleanArg::Signatures => Self::Signatures,
            CleanArg::Zero => Self::Zero,
            CleanArg::Discard => Self::Discard,
        }
    }
}

pub(super) fn run(pools: &Pools, args: SetupArgs, out: &mut Vec<u8>) -> Result<ExitCode, Error> {
    let made = pools.setup(&NewPool {
        name: args.pool,
        device: args.device,
        vg_name: args.vg_name,
        lv_prefix: args.lv_prefix,
        clean: args.clean.into(),
    })?;
    let text = format!(
        "pool `{}` is set up: VG `{}` on {}\nuse it with `export KERNELDEV_DEVICE_POOL={}`\n",
        made.name,
        made.vg_name,
        made.device.display(),
        made.name
    );
    out.extend_from_slice(text.as_bytes());
    Ok(ExitCode::SUCCESS)
}
