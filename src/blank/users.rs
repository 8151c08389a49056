//! Who uses a device, or its partitions.

use std::collections::BTreeSet;
use std::fs::OpenOptions;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::thread;
use std::time::Duration;

use nix::errno::Errno;
use nix::libc;

use crate::blank::seen::Seen;
use crate::blank::system::system_on;
use crate::device_lock::lock_disk_of;
use crate::holders::Opener;
use crate::mounts::{block_device, mounts_of};
use crate::stacked::{stacked_on, swap_on};

/// How often a device is looked at that another process has open: LVM opens all disks for a moment. udev, which may take
/// longer, is waited for before.
const LOOKS: u32 = 10;
const PAUSE: Duration = Duration::from_millis(100);

/// Lists where it is mounted, what else stands on it, and who has it open.
pub(super) fn see_users(seen: &mut Seen, all: &[(PathBuf, u64)]) {
    let numbers: BTreeSet<u64> = all.iter().map(|(_, number)| *number).collect();
    for (path, number) in all {
        let points: BTreeSet<PathBuf> = mounts_of(&BTreeSet::from([*number]))
            .into_iter()
            .map(|mount| mount.point)
            .collect();
        seen.mounts
            .extend(points.into_iter().map(|point| (path.clone(), point)));
        seen.swaps.extend(swap_on(*number).map(|_| path.clone()));
        let on_it = stacked_on(&BTreeSet::from([*number])).into_iter();
        seen.stacked
            .extend(on_it.map(|stacked| (path.clone(), stacked.path)));
    }
    seen.system = system_on(&numbers);
    let is_told = !seen.mounts.is_empty() || !seen.swaps.is_empty() || !seen.stacked.is_empty();
    // udev's worker is waited for, and until the looks are over udev does not look.
    let locked = match (is_told, all.first()) {
        (false, Some((path, number))) => lock_disk_of(path, *number),
        _ => None,
    };
    let (is_busy, openers) = users_that_stay(&seen.device, &numbers, is_told);
    drop(locked);
    seen.is_busy = is_busy;
    seen.open = openers
        .into_iter()
        .map(|opener| (path_of(all, &opener.device), opener.to_string()))
        .collect();
}

/// Tells whether the kernel says that the device is in use, and lists who has it open at every look. If it
/// is `told` already why it is in use, that is not waited out.
fn users_that_stay(device: &Path, numbers: &BTreeSet<u64>, told: bool) -> (bool, Vec<Opener>) {
    let (mut busy, mut openers) = (is_busy(device), Opener::of(numbers));
    for _ in 1..LOOKS {
        if openers.is_empty() && (told || !busy) {
            break;
        }
        thread::sleep(PAUSE);
        busy = is_busy(device);
        openers.retain(|opener| opener.is_still_there(numbers));
    }
    (busy, openers)
}

/// For reading only: udev looks at each device anew that somebody closes who could have written to it.
fn is_busy(device: &Path) -> bool {
    let alone = OpenOptions::new()
        .read(true)
        .custom_flags(libc::O_EXCL)
        .open(device);
    alone.is_err_and(|err| err.raw_os_error() == Some(Errno::EBUSY as i32))
}

/// The path by which we know the device that a process has open by another.
fn path_of(all: &[(PathBuf, u64)], link: &Path) -> PathBuf {
    let number = block_device(link);
    let found = all.iter().find(|(_, of)| Some(*of) == number);
    found.map_or_else(|| link.to_owned(), |(path, _)| path.clone())
}
