use std::process::ExitCode;

use kdev_volumes::Error;
use kdev_volumes::pools::Pools;

/// Attach the files of pools on files, as is needed after each boot
///
/// A file that does not hold the pool's PV, or to which others than root may write, is refused. What is
/// attached already stays so; pools on disks need no start.
#[derive(Debug, clap::Args)]
pub(crate) struct StartArgs {
    /// Only this pool
    #[arg(long)]
    pool: Option<String>,
}

pub(super) fn run(pools: &Pools, args: &StartArgs, out: &mut Vec<u8>) -> Result<ExitCode, Error> {
    let started = pools.start(args.pool.as_deref())?;
    let mut text = String::new();
    for pool in &started {
        let how = if pool.was_started {
            "was started already"
        } else {
            "is started"
        };
        text.push_str(&format!(
            "pool `{}` {how}: {} on {}\n",
            pool.name,
            pool.file.display(),
            pool.device.display()
        ));
    }
    if started.is_empty() {
        text.push_str("nothing to start: only pools on files are (see `kdev pool list`)\n");
    }
    out.extend_from_slice(text.as_bytes());
    Ok(ExitCode::SUCCESS)
}
