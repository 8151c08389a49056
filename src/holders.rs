//! Who keeps a block device from being removed.

use std::collections::BTreeSet;
use std::fs;
use std::os::unix::fs::{FileTypeExt, MetadataExt};
use std::path::Path;

use nix::sys::stat::{major, minor};

/// Tells who holds a device: mounts in any mount namespace, devices stacked on it, open files.
///
/// Empty if nobody was found, or nobody that this user may see.
pub(crate) fn holders(device: &Path) -> Vec<String> {
    let Ok(meta) = fs::metadata(device) else {
        return Vec::new();
    };
    if !meta.file_type().is_block_device() {
        return Vec::new();
    }
    let number = format!("{}:{}", major(meta.rdev()), minor(meta.rdev()));
    let mut found = BTreeSet::new();
    for stacked in names_in(&format!("/sys/dev/block/{number}/holders")) {
        found.insert(format!("used by /dev/{stacked}"));
    }
    for pid in names_in("/proc").filter(|name| name.bytes().all(|b| b.is_ascii_digit())) {
        // Processes end while we look at them; what is gone holds nothing.
        let mounts = fs::read_to_string(format!("/proc/{pid}/mountinfo")).unwrap_or_default();
        found.extend(mount_points(&mounts, &number).map(|point| format!("mounted on {point}")));
        if names_in(&format!("/proc/{pid}/fd"))
            .any(|fd| is_open_on(&format!("/proc/{pid}/fd/{fd}"), meta.rdev()))
        {
            let name = fs::read_to_string(format!("/proc/{pid}/comm")).unwrap_or_default();
            found.insert(format!("open in {} (pid {pid})", name.trim()));
        }
    }
    found.into_iter().collect()
}

fn names_in(dir: &str) -> impl Iterator<Item = String> + use<> {
    let entries = fs::read_dir(dir).into_iter().flatten();
    entries.filter_map(|entry| entry.ok()?.file_name().into_string().ok())
}

fn is_open_on(fd: &str, device: u64) -> bool {
    fs::metadata(fd).is_ok_and(|meta| meta.file_type().is_block_device() && meta.rdev() == device)
}

/// The third field of a line of mountinfo is the device, the fifth the mount point (proc_pid_mountinfo(5)).
fn mount_points<'a>(mountinfo: &'a str, number: &'a str) -> impl Iterator<Item = &'a str> {
    mountinfo.lines().filter_map(move |line| {
        let mut fields = line.split(' ');
        (fields.nth(2)? == number).then(|| fields.nth(1))?
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_mount_is_found_by_its_device_number() {
        let mountinfo = "36 35 254:3 / /mnt/test rw,noatime master:1 - ext4 /dev/mapper/x rw\n\
                         37 35 254:33 / /mnt/other rw - xfs /dev/mapper/y rw\nnonsense\n";
        assert_eq!(
            mount_points(mountinfo, "254:3").collect::<Vec<_>>(),
            ["/mnt/test"]
        );
        assert_eq!(mount_points(mountinfo, "254:4").count(), 0);
    }

    #[test]
    fn what_is_no_device_has_no_holders() {
        assert!(holders(Path::new("/nonexistent")).is_empty());
        assert!(holders(Path::new("/")).is_empty());
    }
}
