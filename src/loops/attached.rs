//! The loop devices that are attached, ours or not, as the kernel shows them.

use std::collections::BTreeSet;
use std::fs::{self, File};
use std::io;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use kdev_volumes_spec::Bytes;

use crate::device_lock::UdevWait;
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

/// Lists the loop devices over these devices, or over files in the file systems on them, each with what it is over.
pub(crate) fn over(devices: &BTreeSet<u64>) -> impl Iterator<Item = (PathBuf, u64)> {
    all().flat_map(|(path, info)| {
        let below = devices.iter().filter(move |&&device| info.is_over(device));
        below.map(move |&device| (path.clone(), device))
    })
}

/// A loop device over a file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct OverFile {
    pub(crate) path: PathBuf,
    /// Whether it goes when nobody has it open.
    pub(crate) is_autoclear: bool,
}

/// Lists the loop devices over this file; none for what is no regular file.
///
/// Only root may ask a device what it is over. To others the kernel tells the path of the file.
pub(crate) fn over_file(file: &Path) -> Vec<OverFile> {
    let Ok(meta) = fs::metadata(file) else {
        return Vec::new();
    };
    let name = fs::canonicalize(file).unwrap_or_default();
    let is_over = |path: &Path, sysfs: &Path| match File::open(path) {
        Ok(device) => {
            let info = ioctl::status(&device).ok().flatten();
            info.is_some_and(|info| info.is_over_file((meta.dev(), meta.ino())))
        }
        Err(_) => {
            let backing = fs::read(sysfs.join("loop/backing_file")).unwrap_or_default();
            backing.strip_suffix(b"\n") == Some(name.as_os_str().as_bytes())
        }
    };
    let devices = with_files().filter(|(path, sysfs)| meta.is_file() && is_over(path, sysfs));
    devices
        .map(|(path, sysfs)| OverFile {
            is_autoclear: fs::read(sysfs.join("loop/autoclear")).is_ok_and(|text| text == b"1\n"),
            path,
        })
        .collect()
}

/// Holds the loop devices over a file open that is held open itself, and tells their numbers.
pub(crate) fn pin_over_file(file: &File) -> Vec<(u64, PinnedLoop)> {
    let Ok(meta) = file.metadata() else {
        return Vec::new();
    };
    let pin = |path: PathBuf| {
        let device = File::open(&path).ok()?;
        let is_over = ioctl::status(&device)
            .ok()??
            .is_over_file((meta.dev(), meta.ino()));
        let number = device.metadata().ok()?.rdev();
        is_over.then_some((number, PinnedLoop { path, device }))
    };
    with_files().filter_map(|(path, _)| pin(path)).collect()
}

/// A loop device that is held open, so that it stays over what it is over.
#[derive(Debug)]
pub(crate) struct PinnedLoop {
    path: PathBuf,
    device: File,
}

/// Holds a loop device open, if it is still over that device.
pub(crate) fn pin_over(path: &Path, device: u64) -> Option<PinnedLoop> {
    let pinned = PinnedLoop {
        path: path.to_owned(),
        device: File::open(path).ok()?,
    };
    let is_over = ioctl::status(&pinned.device).ok()??.is_over(device);
    is_over.then_some(pinned)
}

impl PinnedLoop {
    /// Detaches it, unless another process has it open. A udev worker that has is waited for.
    pub(crate) fn detach(self) -> io::Result<()> {
        UdevWait::new().lock(&self.device, &self.path);
        ioctl::clear(&self.device)
    }
}

fn all() -> impl Iterator<Item = (PathBuf, LoopInfo)> {
    with_files().filter_map(|(path, _)| {
        // One that was detached meanwhile, or that this user may not open, tells nothing.
        let info = ioctl::status(&File::open(&path).ok()?).ok()??;
        Some((path, info))
    })
}

/// The loop devices to which something is attached, and their directories in sysfs. Only these are opened:
/// opening others would make them come and go.
fn with_files() -> impl Iterator<Item = (PathBuf, PathBuf)> {
    let entries = fs::read_dir("/sys/block").into_iter().flatten().flatten();
    entries
        .filter(|entry| entry.file_name().as_bytes().starts_with(b"loop"))
        .filter(|entry| entry.path().join("loop/backing_file").exists())
        .map(|entry| (Path::new("/dev").join(entry.file_name()), entry.path()))
}

fn sysfs(path: &Path) -> Option<PathBuf> {
    Some(Path::new("/sys/block").join(path.file_name()?))
}
