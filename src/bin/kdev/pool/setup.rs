use std::io::{self, IsTerminal};
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use kdev_volumes::pools::{Clean, Medium, NewPool, Overcommit, Pools, Preview};
use kdev_volumes::{Bytes, Error};

/// Make a pool of a disk or partition that nobody uses, or of a new file
///
/// Writes a PV and a VG to the device. One that is in use, of the system's, named in /etc/fstab, read-only or
/// too small is refused and not written to, whatever the options. One on which anything is found, a partition
/// table or signatures of whatever kind, is refused too, unless --wipe says that it may go. The message lists all
/// that was found and what to do. What is overwritten is saved before, and written back if anything fails.
#[derive(Debug, clap::Args)]
#[command(group = clap::ArgGroup::new("medium").required(true).args(["device", "file"]))]
pub(crate) struct SetupArgs {
    /// The disk or partition; all of it becomes the pool's
    #[arg(long)]
    device: Option<PathBuf>,
    /// A file to make, for those without a spare disk; after each boot, `kdev pool start` attaches it
    #[arg(long, requires = "size")]
    file: Option<PathBuf>,
    /// With --file: the most that it can hold, such as 20G; it takes only what is written to it
    #[arg(long, requires = "file")]
    size: Option<Bytes>,
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
    /// Have thin volumes, which take of the pool only what is written to them, and are all zeros. When the pool is
    /// full, writes fail; with 80% of it written it gives nothing more out
    #[arg(long, conflicts_with = "clean")]
    thin: bool,
    /// With --thin: how much more than it has the pool gives out, from 1 to 100 [default: 4]
    #[arg(long, value_name = "TIMES", requires = "thin")]
    overcommit: Option<Overcommit>,
    /// With --device: overwrite what is on it, once the device's name is typed on the terminal
    #[arg(long, conflicts_with = "file")]
    wipe: bool,
    /// Overwrite what is on it without asking; names the same device as --device
    #[arg(long, value_name = "DEVICE", conflicts_with = "file")]
    yes_wipe: Option<PathBuf>,
    /// Check everything, say what would be done, and write nothing at all
    #[arg(long)]
    dry_run: bool,
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
    let dry_run = args.dry_run;
    let asks = args.wipe && args.yes_wipe.is_none() && !dry_run;
    let mut new = new_pool(args);
    if dry_run {
        out.extend_from_slice(preview(&new.name, &pools.preview(&new)?).as_bytes());
        return Ok(ExitCode::SUCCESS);
    }
    if let (Medium::Device { path, wipe }, true) = (&new.medium, asks) {
        let (path, named) = (path.clone(), wipe.clone());
        let found = pools.preview(&new)?.overwritten;
        // Nothing to ask for where nothing is lost.
        let wipe = if found.is_empty() {
            named
        } else {
            ask(&path, &found)
        };
        let Some(wipe) = wipe else {
            return Ok(ExitCode::FAILURE);
        };
        new.medium = Medium::Device {
            path,
            wipe: Some(wipe),
        };
    }
    let made = pools.setup(&new)?;
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

fn new_pool(args: SetupArgs) -> NewPool {
    let medium = match (args.device, args.file, args.size) {
        (None, Some(path), Some(size)) => Medium::File { path, size },
        (device, ..) => {
            let path = device.expect("the arguments have a device or a file with its size");
            let wipe = args.yes_wipe.or_else(|| args.wipe.then(|| path.clone()));
            Medium::Device { path, wipe }
        }
    };
    NewPool {
        name: args.pool,
        medium,
        vg_name: args.vg_name,
        lv_prefix: args.lv_prefix,
        clean: args.clean.into(),
        thin: args.thin.then(|| args.overcommit.unwrap_or_default()),
    }
}

/// Has what will be lost confirmed, by the device's name typed once more.
fn ask(device: &Path, found: &[String]) -> Option<PathBuf> {
    let device = device.display();
    for finding in found {
        eprintln!("kdev: {finding}");
    }
    if !io::stdin().is_terminal() {
        eprintln!(
            "kdev: `--wipe` has this confirmed on a terminal, and there is none: nothing was written (`--yes-wipe={device}` does without)"
        );
        return None;
    }
    eprintln!("kdev: all that is on {device} will be lost; to go on, type its name:");
    let mut typed = String::new();
    // What cannot be read is not the name.
    let _ = io::stdin().read_line(&mut typed);
    if typed.trim() == device.to_string() {
        return Some(typed.trim().into());
    }
    eprintln!("kdev: that is not `{device}`: nothing was written");
    None
}

fn preview(pool: &str, preview: &Preview) -> String {
    let Preview {
        device,
        size,
        overwritten,
        steps,
        ..
    } = preview;
    let mut text = format!(
        "pool `{pool}` would be set up on {}, of {size}:\n",
        device.display()
    );
    for lost in overwritten {
        text.push_str(&format!("  lost: {lost}\n"));
    }
    for (number, step) in (1..).zip(steps) {
        text.push_str(&format!("  {number}. {step}\n"));
    }
    text + "nothing was written\n"
}
