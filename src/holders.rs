//! Who keeps a block device from being removed, told for people.

use std::collections::BTreeSet;
use std::fmt;
use std::fs::{self, OpenOptions};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use nix::libc;

use crate::loops;
use crate::mounts::{Mount, block_device, mounts_of, pids, points_within};
use crate::stacked::{Layer, names_in, stacked_on, swap_on};

/// Tells who holds a device: mounts in any mount namespace, devices stacked on it, open files.
///
/// Empty if nobody was found, or nobody that this user may see.
pub(crate) fn holders(device: &Path) -> Vec<String> {
    let Some(number) = block_device(device) else {
        return holders_of_file(device);
    };
    let mounts = mounts_of(&BTreeSet::from([number]));
    let mut found = in_the_way(&mounts, number);
    for pid in pids() {
        let name = || {
            let name = fs::read_to_string(format!("/proc/{pid}/comm")).unwrap_or_default();
            name.trim().to_owned()
        };
        let links = links_of(pid);
        // What does not lie in /dev is not opened or asked: it may be on a disk that does not answer.
        let opens = |link: &PathBuf| link.starts_with("/dev") && block_device(link) == Some(number);
        if links.iter().any(opens) {
            found.push(format!("open in {} (pid {pid})", name()));
        }
        if let Some(mount) = mounts
            .iter()
            .find(|mount| links.iter().any(|link| link.starts_with(&mount.point)))
        {
            found.push(format!(
                "{} is in use by {} (pid {pid})",
                mount.point.display(),
                name()
            ));
        }
    }
    found
}

/// A process that has a device open.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Opener {
    /// The device, as the process has it.
    pub(crate) device: PathBuf,
    pid: u32,
    name: String,
}

impl Opener {
    /// Lists the other processes that have one of these devices open.
    pub(crate) fn of(devices: &BTreeSet<u64>) -> Vec<Self> {
        let others = pids().filter(|&pid| pid != std::process::id());
        let opened = others.filter_map(|pid| {
            let device = opened_by(pid, devices)?;
            let name = fs::read_to_string(format!("/proc/{pid}/comm")).unwrap_or_default();
            let name = name.trim().to_owned();
            Some(Self { device, pid, name })
        });
        opened.collect()
    }

    /// Tells whether it is a worker of udev's, by its name.
    pub(crate) fn is_udev(&self) -> bool {
        ["(udev-worker)", "systemd-udevd", "udevd"].contains(&self.name.as_str())
    }

    /// Tells whether the process still has one of these devices open.
    pub(crate) fn is_still_there(&self, devices: &BTreeSet<u64>) -> bool {
        opened_by(self.pid, devices).is_some()
    }
}

impl fmt::Display for Opener {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} (pid {})", self.name, self.pid)
    }
}

fn opened_by(pid: u32, devices: &BTreeSet<u64>) -> Option<PathBuf> {
    links_of(pid).into_iter().find(|link| {
        // What does not lie in /dev is not asked: it may be on a disk that does not answer.
        let number = link.starts_with("/dev").then(|| block_device(link)).flatten();
        number.is_some_and(|number| devices.contains(&number))
    })
}

/// A file can be removed whoever has it open. Only what the kernel has made of it counts: loop devices, and
/// what is on these.
fn holders_of_file(file: &Path) -> Vec<String> {
    let over = loops::over_file(file).into_iter();
    over.flat_map(|over| {
        let mut found = holders(&over.path);
        found.push(format!("used by {}", over.path.display()));
        found
    })
    .collect()
}

/// Tells who uses the filesystem that is mounted there of a device.
pub(crate) fn users_of_mount(point: &Path, device: &Path) -> String {
    let itself = format!("mounted on {}", point.display());
    let within = points_within(point)
        .into_iter()
        .map(|inner| format!("something is mounted on {}", inner.display()));
    let users: Vec<String> = holders(device)
        .into_iter()
        .filter(|holder| *holder != itself)
        .chain(within)
        .collect();
    match users.is_empty() {
        true => "it is in use, by nobody who can be seen".to_owned(),
        false => users.join(", "),
    }
}

/// Asks the kernel whether something stands on a device: a mount in any namespace, swap, RAID, another
/// device of device-mapper. All these have it open exclusively, but not a loop device.
pub(crate) fn is_claimed(device: &Path) -> bool {
    let alone = OpenOptions::new()
        .read(true)
        .custom_flags(libc::O_EXCL | libc::O_NONBLOCK)
        .open(device);
    alone.is_err_and(|err| err.raw_os_error() == Some(libc::EBUSY))
}

/// Tells of each device, or image, what stands on it, and will not go away by itself as an open file does.
pub(crate) fn standing_on(devices: &[&Path]) -> Vec<Vec<String>> {
    let numbers: Vec<Option<u64>> = devices.iter().map(|device| block_device(device)).collect();
    let mounts = mounts_of(&numbers.iter().flatten().copied().collect());
    let standing = |(device, number): (&&Path, Option<u64>)| match number {
        Some(number) => {
            let of_it = BTreeSet::from([number]);
            let mounts: Vec<Mount> = mounts
                .iter()
                .filter(|mount| mount.is_of(&of_it))
                .cloned()
                .collect();
            in_the_way(&mounts, number)
        }
        None => standing_on_file(device),
    };
    devices.iter().zip(numbers).map(standing).collect()
}

/// A loop device that goes when nobody has it open, and on which nothing is, goes by itself.
fn standing_on_file(file: &Path) -> Vec<String> {
    let over = loops::over_file(file).into_iter();
    over.flat_map(|over| {
        let itself = format!("used by {}", over.path.display());
        let on_it = standing_on(&[&over.path]).remove(0);
        let is_going = over.is_autoclear && on_it.is_empty();
        on_it.into_iter().chain((!is_going).then_some(itself))
    })
    .collect()
}

fn in_the_way(mounts: &[Mount], number: u64) -> Vec<String> {
    let mounted: BTreeSet<&Path> = mounts.iter().map(|mount| mount.point.as_path()).collect();
    let mounted = mounted
        .into_iter()
        .map(|point| format!("mounted on {}", point.display()));
    let stacked = stacked_on(&BTreeSet::from([number]))
        .into_iter()
        .filter(|stacked| stacked.kind != Layer::Lvm)
        .map(|stacked| format!("used by {}", stacked.path.display()));
    let swap = swap_on(number).map(|_| "in use as swap".to_owned());
    mounted.chain(stacked).chain(swap).collect()
}

/// Where a process is, what it runs and what it has open.
fn links_of(pid: u32) -> Vec<PathBuf> {
    let dir = PathBuf::from(format!("/proc/{pid}"));
    let descriptors = names_in(&dir.join("fd")).map(|name| dir.join("fd").join(name));
    // Processes end while we look at them; what is gone holds nothing.
    [dir.join("cwd"), dir.join("root"), dir.join("exe")]
        .into_iter()
        .chain(descriptors)
        .filter_map(|link| fs::read_link(link).ok())
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_no_device_has_no_holders() {
        assert!(holders(Path::new("/nonexistent")).is_empty());
        assert!(holders(Path::new("/")).is_empty());
        assert_eq!(standing_on(&[Path::new("/")]), [Vec::<String>::new()]);
    }
}
