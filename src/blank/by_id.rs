//! The name by which a device is found again when the kernel numbers its disks anew.

use std::fs;
use std::path::{Path, PathBuf};

use crate::mounts::block_device;

/// Where udev keeps names that are made of a disk's model and serial number.
const BY_ID: &str = "/dev/disk/by-id";

/// Returns the path below `/dev/disk/by-id` of a device, if it has one that says nothing of its content.
pub(crate) fn stable_name(device: &Path) -> Option<PathBuf> {
    let number = block_device(device)?;
    let entries = fs::read_dir(BY_ID).into_iter().flatten().flatten();
    let names: Vec<String> = entries
        .filter(|entry| block_device(&entry.path()) == Some(number))
        .filter_map(|entry| entry.file_name().into_string().ok())
        .collect();
    Some(Path::new(BY_ID).join(best(&names)?))
}

/// What stands on a device has names of its content, which go with it: those are none of the disk's.
const OF_CONTENT: [&str; 3] = ["lvm-pv-uuid-", "dm-", "md-"];

/// Numbers that say nothing to people. One is as good as another for finding the disk.
const OF_NUMBERS: [&str; 3] = ["wwn-", "nvme-eui.", "nvme-nvme."];

fn best(names: &[String]) -> Option<&String> {
    let begins = |name: &str, with: &[&str]| with.iter().any(|with| name.starts_with(with));
    names
        .iter()
        .filter(|name| !begins(name, &OF_CONTENT))
        .min_by_key(|name| (begins(name, &OF_NUMBERS), name.as_str()))
}

#[cfg(test)]
mod tests {
    use rstest::rstest;

    use super::*;

    #[rstest]
    #[case::none(&[], None)]
    #[case::only_its_content(&["lvm-pv-uuid-x", "md-uuid-y"], None)]
    #[case::one_for_people(&["nvme-eui.002538", "nvme-Samsung_980_S64"], Some("nvme-Samsung_980_S64"))]
    #[case::numbers_are_better_than_nothing(&["wwn-0x5000", "lvm-pv-uuid-x"], Some("wwn-0x5000"))]
    #[case::always_the_same_one(&["scsi-1ATA_x", "ata-x"], Some("ata-x"))]
    fn the_name_is_the_disks_own(#[case] names: &[&str], #[case] expected: Option<&str>) {
        let names: Vec<String> = names.iter().map(ToString::to_string).collect();
        assert_eq!(best(&names).map(String::as_str), expected);
    }
}
