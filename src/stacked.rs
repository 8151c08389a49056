//! What stands on a block device: swap, device-mapper's devices, loop devices.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

use crate::loops;
use crate::mounts::{block_device, text_of};

/// A device that stands on others.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Stacked {
    pub(crate) kind: Layer,
    pub(crate) path: PathBuf,
    pub(crate) device: u64,
    /// All that it stands on.
    pub(crate) below: BTreeSet<u64>,
}

/// How a device came to stand on others.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Layer {
    /// A loop device over the device, or over a file in the file system on it.
    Loop,
    /// A device of device-mapper, by its name there.
    Mapper(String),
    /// An LV's inner part or its snapshot; LVM takes care of these itself.
    Lvm,
    /// RAID and whatever else the kernel stacks.
    Other,
}

/// Lists what stands directly on devices.
pub(crate) fn stacked_on(devices: &BTreeSet<u64>) -> Vec<Stacked> {
    let holders = devices
        .iter()
        .flat_map(|&device| names_in(&sysfs(device).join("holders")));
    // One that stands on several of them is one.
    let holders: BTreeSet<String> = holders.collect();
    let loops = loops::over(devices).map(|(path, device)| Stacked {
        kind: Layer::Loop,
        device: block_device(&path).unwrap_or_default(),
        path,
        below: BTreeSet::from([device]),
    });
    holders
        .iter()
        .filter_map(|name| held(name))
        .chain(loops)
        .collect()
}

/// Returns the path under which the kernel swaps to a device; `None` if it does not.
pub(crate) fn swap_on(device: u64) -> Option<PathBuf> {
    swaps().find(|path| block_device(path) == Some(device))
}

/// Lists what the kernel swaps to, devices and files.
pub(crate) fn swaps() -> impl Iterator<Item = PathBuf> {
    let swaps = fs::read_to_string("/proc/swaps").unwrap_or_default();
    let paths: Vec<PathBuf> = swaps
        .lines()
        .skip(1)
        .filter_map(|line| Some(PathBuf::from(line.split_ascii_whitespace().next()?)))
        .collect();
    paths.into_iter()
}

fn sysfs(device: u64) -> PathBuf {
    Path::new("/sys/dev/block").join(text_of(device))
}

fn held(name: &str) -> Option<Stacked> {
    let dir = Path::new("/sys/block").join(name);
    let path = Path::new("/dev").join(name);
    let text = |file: &str| Some(fs::read_to_string(dir.join(file)).ok()?.trim_end().to_owned());
    let kind = match (text("dm/name"), text("dm/uuid")) {
        (Some(_), Some(uuid)) if uuid.starts_with("LVM-") => Layer::Lvm,
        (Some(name), _) => Layer::Mapper(name),
        (None, _) => Layer::Other,
    };
    let numbers =
        names_in(&dir.join("slaves")).filter_map(|name| block_device(&Path::new("/dev").join(name)));
    Some(Stacked {
        kind,
        device: block_device(&path)?,
        path,
        below: numbers.collect(),
    })
}

/// Lists a directory; one that is not there is empty.
pub(crate) fn names_in(dir: &Path) -> impl Iterator<Item = String> + use<> {
    let entries = fs::read_dir(dir).into_iter().flatten();
    entries.filter_map(|entry| entry.ok()?.file_name().into_string().ok())
}
