use std::process::ExitCode;
use std::time::Duration;

use kdev_volumes::Error;
use kdev_volumes::pools::{Cleaned, Kept, Pools, StuckVolume};

use crate::progress::Teller;

/// Remove what dead processes left behind
///
/// What they left mounted, swapped to or stacked on their volumes, and on nothing else, is taken away
/// first, unless a process uses it. Lost records are written anew, and a setup or teardown that was
/// interrupted is finished. Volumes of live owners, of unknown ones, and LVs that are not ours stay
/// in any case.
#[derive(Debug, clap::Args)]
pub(crate) struct CleanupArgs {
    /// Only this pool; `embedded` for loop devices, `images` for image files
    #[arg(long)]
    pool: Option<String>,
    /// Remove kept volumes too
    #[arg(long)]
    kept: bool,
    /// With --kept: of the kept volumes only those at least that old, such as 12h or 2d
    #[arg(long, value_name = "AGE", requires = "kept", conflicts_with = "names", value_parser = humantime::parse_duration)]
    older_than: Option<Duration>,
    /// With --kept: only these kept volumes, by name, and nothing else
    #[arg(value_name = "VOLUME", requires = "kept")]
    names: Vec<String>,
}

pub(super) fn run(pools: &Pools, args: &CleanupArgs, out: &mut Vec<u8>) -> Result<ExitCode, Error> {
    let which = match (args.kept, args.older_than) {
        (false, _) => Kept::Stay,
        (true, Some(age)) => Kept::GoOlderThan(age),
        (true, None) if args.names.is_empty() => Kept::Go,
        (true, None) => Kept::GoNamed(args.names.clone()),
    };
    let mut teller = Teller::new();
    let cleaned = pools.cleanup_with(args.pool.as_deref(), &which, &mut |progress| {
        teller.tell(&progress);
    });
    drop(teller);
    let cleaned = cleaned?;
    let missed: Vec<&String> = args.names.iter().filter(|name| !found(&cleaned, name)).collect();
    for name in &missed {
        eprintln!("kdev: `{name}` was not removed: no kept volume has that name (see `kdev pool status`)");
    }
    for StuckVolume {
        lv_name, path, why, ..
    } in &cleaned.stuck
    {
        eprintln!(
            "kdev: could not remove `{lv_name}` ({}): {why}; it stays on record",
            path.display()
        );
    }
    for pool in &cleaned.not_started {
        eprintln!("kdev: pool `{pool}` is not started and was passed over (`kdev pool start --pool={pool}`)");
    }
    for failure in &cleaned.failures {
        eprintln!("kdev: {failure}");
    }
    out.extend_from_slice(said_of(&cleaned).as_bytes());
    let failed = !cleaned.stuck.is_empty() || !cleaned.failures.is_empty() || !missed.is_empty();
    Ok(match failed {
        true => ExitCode::FAILURE,
        false => ExitCode::SUCCESS,
    })
}

fn found(cleaned: &Cleaned, name: &str) -> bool {
    let Cleaned {
        removed,
        forgotten,
        stuck,
        ..
    } = cleaned;
    removed.iter().chain(forgotten).any(|done| done == name)
        || stuck.iter().any(|stuck| stuck.lv_name == name)
}

fn said_of(cleaned: &Cleaned) -> String {
    let mut text = String::new();
    for name in &cleaned.removed {
        text.push_str(&format!("removed {name}\n"));
    }
    for name in &cleaned.forgotten {
        text.push_str(&format!("dropped the record of {name}, which is gone\n"));
    }
    let is_nothing = text.is_empty() && cleaned.stuck.is_empty() && cleaned.failures.is_empty();
    match is_nothing {
        true => "nothing to clean up\n".to_owned(),
        false => text,
    }
}
