//! `kdev volume`: what is done to single volumes.

use std::process::ExitCode;

use clap::Subcommand;
use kdev_volumes::pools::Pools;
use kdev_volumes::{Bytes, Error};

#[derive(Debug, Subcommand)]
pub(crate) enum VolumeCommand {
    /// Make a volume larger or smaller
    ///
    /// What is on it is left alone: make a filesystem larger after this, and smaller before. What is beyond a smaller
    /// size is lost; a volume that is mounted is not made smaller. Of loop devices only their own test can do it.
    Resize {
        /// A kept volume, or one of the test that runs this: its name, as `kdev pool status` shows it, or its path
        volume: String,
        /// The size, such as 20G; it is rounded up as when a volume is made
        size: Bytes,
    },
    /// Make a volume that is what another one is now
    ///
    /// It is of the same session, and kept if that volume is kept. In a thin pool it costs next to nothing; in
    /// another one it takes as much room as that volume, and goes with it. Of an image it is a copy.
    Snapshot {
        /// A kept volume, or one of the test that runs this: its name, as `kdev pool status` shows it, or its path
        volume: String,
        /// The snapshot's own name, such as `before`
        name: String,
    },
    /// Remove volumes that are kept, or that dead processes left
    ///
    /// All of them, or none if one is held by a process that runs, or is not known to be dead, or is another user's, or
    /// is not ours.
    Rm {
        /// Their names, as `kdev pool status` shows them, or their paths
        #[arg(required = true, value_name = "VOLUME")]
        volumes: Vec<String>,
    },
}

/// Does it, and writes what standard output is to say.
pub(crate) fn run(command: VolumeCommand, out: &mut Vec<u8>) -> Result<ExitCode, Error> {
    let pools = Pools::from_env()?;
    let (text, code) = match command {
        VolumeCommand::Resize { volume, size } => {
            let size = pools.resize_volume(&volume, size)?;
            (format!("`{volume}` is of {size} now\n"), ExitCode::SUCCESS)
        }
        VolumeCommand::Snapshot { volume, name } => {
            let made = pools.snapshot_volume(&volume, &name)?;
            let text = format!(
                "made {} of {}, {}\n",
                made.lv_name,
                made.size,
                made.path.display()
            );
            (text, ExitCode::SUCCESS)
        }
        VolumeCommand::Rm { volumes } => remove(&pools, &volumes)?,
    };
    out.extend_from_slice(text.as_bytes());
    Ok(code)
}

fn remove(pools: &Pools, volumes: &[String]) -> Result<(String, ExitCode), Error> {
    let cleaned = pools.remove_volumes(volumes)?;
    let gone = cleaned.removed.iter().chain(&cleaned.forgotten);
    let text = gone.map(|name| format!("removed {name}\n")).collect();
    for stuck in &cleaned.stuck {
        eprintln!("kdev: could not remove {}: {}", stuck.lv_name, stuck.why);
    }
    for failure in &cleaned.failures {
        eprintln!("kdev: {failure}");
    }
    let is_done = cleaned.stuck.is_empty() && cleaned.failures.is_empty();
    let code = if is_done {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    };
    Ok((text, code))
}
