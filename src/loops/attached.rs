//! The loop devices that are attached, ours or not, as the kernel shows them.

use std::fs::{self, File};
use std::path::{Path, PathBuf};

use kdev_volumes_spec::Bytes;

use crate::error::{Error, Result};
use crate::loops::ioctl::{self, LO_FLAGS_AUTOCLEAR, LoopInfo};

/// A loop device to which a file is attached.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Attached {
    pub(crate) path: PathBuf,
    /// The name under which it was attached.
    pub(crate) name: String,
    pub(crate) size: Bytes,
    /// Whether it goes when nobody has it open. One that was kept does not.
    pub(crate) is_autoclear: bool,
}

/// Lists the attached loop devices that have a name.
pub(crate) fn attached() -> Vec<Attached> {
    all()
        .filter_map(|(path, info)| {
            let name = String::from_utf8(info.name().to_vec()).ok()?;
            let sectors = fs::read_to_string(sysfs(&path)?.join("size")).ok()?;
            let bytes = sectors.trim().parse::<u64>().ok()?.checked_mul(512)?;
            Some(Attached {
                name,
                size: Bytes::new(bytes),
                is_autoclear: info.lo_flags & LO_FLAGS_AUTOCLEAR != 0,
                path,
            })
        })
        .collect()
}

/// Lists the loop devices over this device, or over files in the file system on it.
pub(crate) fn over(device: u64) -> impl Iterator<Item = PathBuf> {
    all()
        .filter(move |(_, info)| info.is_over(device))
        .map(|(path, _)| path)
}

/// Detaches a loop device if it is still over that device and nobody has it open.
pub(crate) fn detach_over(path: &Path, device: u64) -> Result<()> {
    let failed = |err| Error::io("detach", path, err);
    let file = File::open(path).map_err(failed)?;
    match ioctl::status(&file).map_err(failed)? {
        Some(info) if info.is_over(device) => ioctl::clear(&file).map_err(failed),
        _ => Ok(()),
    }
}

/// Only those to which something is attached are opened: opening others would make them come and go.
fn all() -> impl Iterator<Item = (PathBuf, LoopInfo)> {
    let entries = fs::read_dir("/sys/block").into_iter().flatten().flatten();
    entries
        .filter(|entry| entry.path().join("loop/backing_file").exists())
        .filter_map(|entry| {
            let path = Path::new("/dev").join(entry.file_name());
            // One that was detached meanwhile, or that this user may not open, tells nothing.
            let info = ioctl::status(&File::open(&path).ok()?).ok()??;
            Some((path, info))
        })
}

fn sysfs(path: &Path) -> Option<PathBuf> {
    Some(Path::new("/sys/block").join(path.file_name()?))
}
