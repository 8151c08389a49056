//! What the running system itself stands on, through whatever lies between.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

use crate::mounts::{block_device, numbers_at, text_of};
use crate::stacked::{names_in, swaps};

/// Where a system keeps itself.
const POINTS: [&str; 5] = ["/", "/boot", "/boot/efi", "/usr", "/var"];

/// Lists what of the system stands on these devices: mount points, and `swap`.
pub(super) fn system_on(devices: &BTreeSet<u64>) -> Vec<String> {
    let mounts = POINTS.iter().map(|point| (*point, numbers_at(Path::new(point))));
    let swap = swaps().filter_map(|path| block_device(&path)).collect();
    mounts
        .chain([("swap", swap)])
        .filter(|(_, numbers)| {
            numbers
                .iter()
                .any(|&number| !all_below(number).is_disjoint(devices))
        })
        .map(|(what, _)| what.to_owned())
        .collect()
}

/// Walks down through LVM, RAID, encryption and loop devices to all that a device stands on, itself included.
fn all_below(device: u64) -> BTreeSet<u64> {
    let mut found = BTreeSet::new();
    let mut next = vec![device];
    while let Some(device) = next.pop() {
        if found.insert(device) {
            next.extend(below(device));
        }
    }
    found
}

fn below(device: u64) -> Vec<u64> {
    let dir = Path::new("/sys/dev/block").join(text_of(device));
    let slaves = dir.join("slaves");
    let slaves = names_in(&slaves).filter_map(|name| number_in(&slaves.join(name)));
    let backing = fs::read_to_string(dir.join("loop/backing_file"));
    let file = backing.ok().map(|path| PathBuf::from(path.trim_end()));
    let under_file = file.and_then(|file| {
        use std::os::unix::fs::MetadataExt;
        Some(block_device(&file).unwrap_or(fs::metadata(&file).ok()?.dev()))
    });
    slaves.chain(under_file).collect()
}

/// Reads the number of a device from its directory in sysfs.
pub(super) fn number_in(dir: &Path) -> Option<u64> {
    let text = fs::read_to_string(dir.join("dev")).ok()?;
    let (major, minor) = text.trim().split_once(':')?;
    Some(nix::sys::stat::makedev(major.parse().ok()?, minor.parse().ok()?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_system_stands_on_the_disk_of_its_root_and_on_no_other() {
        let root = numbers_at(Path::new("/"));
        // Where the root is no disk's, as in a container, nothing can be told of it.
        for number in &root {
            assert!(system_on(&all_below(*number)).contains(&"/".to_owned()));
        }
        assert_eq!(
            system_on(&BTreeSet::from([nix::sys::stat::makedev(4095, 77)])),
            Vec::<String>::new()
        );
    }
}
