//! Looking at a device, without writing to it.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Seek, SeekFrom};
use std::os::unix::fs::{FileTypeExt, MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use kdev_volumes_spec::Bytes;
use nix::libc;

use crate::blank::ranges::first_nonzero;
use crate::blank::seen::{InGroup, Seen};
use crate::blank::signatures::{PV, Signature, signatures};
use crate::blank::system::number_in;
use crate::blank::tables::{self, Line, Means};
use crate::blank::users::see_users;
use crate::command::Invocation;
use crate::error::{Error, Result};
use crate::lvm;
use crate::mounts::{block_device, text_of};
use crate::stacked::names_in;

/// Looks at a device and its partitions, at all of them and at all that is there.
///
/// # Errors
///
/// [`Error::Refused`] if it is no block device.
pub(crate) fn look(device: &Path) -> Result<Seen> {
    let refused = |finding: String| {
        Err(Error::Refused {
            device: device.to_owned(),
            findings: vec![finding],
        })
    };
    let number = match fs::metadata(device) {
        Err(err) => return refused(format!("it cannot be found: {err} (see `lsblk`)")),
        Ok(meta) if !meta.file_type().is_block_device() => {
            return refused(
                "it is not a block device (`lsblk` lists them; without a spare disk, `kdev pool setup --file=FILE --size=SIZE` makes a pool of a new file)".to_owned(),
            );
        }
        Ok(meta) => meta.rdev(),
    };
    let mut all = vec![(device.to_owned(), number)];
    all.extend(partitions(number));
    let mut seen = Seen {
        device: device.to_owned(),
        partitions: all[1..].iter().map(|(path, _)| path.clone()).collect(),
        is_read_only: sysfs_flag(number, "ro"),
        ..Seen::default()
    };
    see_content(&mut seen, &all)?;
    see_users(&mut seen, &all);
    Ok(seen)
}

/// The kernel's own word: nobody has the device mounted, in a RAID, under LVM, as swap.
pub(super) fn open_alone(device: &Path) -> io::Result<File> {
    OpenOptions::new()
        .read(true)
        .write(true)
        .custom_flags(libc::O_EXCL)
        .open(device)
}

/// Reads what is on it, whoever uses it.
fn see_content(seen: &mut Seen, all: &[(PathBuf, u64)]) -> Result<()> {
    let mut file = match File::open(&seen.device) {
        Ok(file) => file,
        Err(err) => {
            seen.denied = Some(err.to_string());
            return Ok(());
        }
    };
    let failed = |err| Error::io("read", &seen.device, err);
    seen.size = Bytes::new(file.seek(SeekFrom::End(0)).map_err(failed)?);
    seen.stray = first_nonzero(&mut file, seen.size).map_err(failed)?;
    drop(file);
    let paths: Vec<&Path> = all.iter().map(|(path, _)| path.as_path()).collect();
    seen.signatures = signatures(&paths)?;
    seen.lines = lines_of(all, &seen.signatures);
    seen.physicals = physicals(all, &seen.signatures)?;
    Ok(())
}

fn physicals(all: &[(PathBuf, u64)], signatures: &[Signature]) -> Result<Vec<(PathBuf, InGroup)>> {
    let is_pv = |path: &Path| {
        signatures
            .iter()
            .any(|found| found.kind == PV && found.device == path)
    };
    let mut found = Vec::new();
    for (path, _) in all.iter().filter(|(path, _)| is_pv(path)) {
        let group = match lvm::physical_at(path)? {
            None => InGroup::NotKnown,
            Some(physical) if physical.vg_name.is_empty() => InGroup::No,
            Some(physical) => InGroup::Yes(physical.vg_name),
        };
        found.push((path.clone(), group));
    }
    Ok(found)
}

/// Picks the lines of the system's tables that name one of these devices, whether udev knows it by that name or
/// only its content does.
fn lines_of(all: &[(PathBuf, u64)], signatures: &[Signature]) -> Vec<Line> {
    let mut lines = tables::read();
    if lines.is_empty() {
        return lines;
    }
    let tags = partition_tags(&lines, all);
    lines.retain(|line| {
        line.means().is_some_and(|means| {
            let number = block_device(&means.path());
            let is_path = number.is_some_and(|number| all.iter().any(|(_, of)| *of == number));
            is_path
                || match &means {
                    Means::Path(_) => false,
                    Means::Tag("uuid", uuid) => {
                        signatures.iter().any(|found| found.uuid.as_ref() == Some(uuid))
                    }
                    Means::Tag("label", label) => {
                        signatures.iter().any(|found| found.label.as_ref() == Some(label))
                    }
                    means => tags.contains(means),
                }
        })
    });
    lines
}

/// The UUIDs and names that a partition table gives, if a line asks for such (blkid(8), low-level probing).
fn partition_tags(lines: &[Line], all: &[(PathBuf, u64)]) -> Vec<Means> {
    let asked = |line: &Line| matches!(line.means(), Some(Means::Tag("partuuid" | "partlabel", _)));
    if !lines.iter().any(asked) {
        return Vec::new();
    }
    let mut tags = Vec::new();
    for (path, _) in all.iter().filter(|(_, number)| is_partition(*number)) {
        // One without a filesystem is told of too, with exit status 0; one that cannot be read has no tags.
        let probed = Invocation::new("blkid", "util-linux")
            .and_then(|blkid| blkid.args(["--probe", "--output", "export"]).arg(path).finish());
        let text = probed.map(|probed| probed.stdout).unwrap_or_default();
        for line in String::from_utf8_lossy(&text).lines() {
            match line.split_once('=') {
                Some(("PART_ENTRY_UUID", uuid)) => tags.push(Means::Tag("partuuid", uuid.to_owned())),
                Some(("PART_ENTRY_NAME", name)) => tags.push(Means::Tag("partlabel", name.to_owned())),
                _ => {}
            }
        }
    }
    tags
}

fn sysfs(number: u64) -> PathBuf {
    Path::new("/sys/dev/block").join(text_of(number))
}

fn sysfs_flag(number: u64, name: &str) -> bool {
    fs::read_to_string(sysfs(number).join(name)).is_ok_and(|text| text.trim() == "1")
}

pub(super) fn is_partition(number: u64) -> bool {
    sysfs(number).join("partition").exists()
}

/// Lists the partitions that the kernel knows of a disk, with their numbers.
pub(super) fn partitions(number: u64) -> Vec<(PathBuf, u64)> {
    let disk = sysfs(number);
    let mut found: Vec<(PathBuf, u64)> = names_in(&disk)
        .filter(|name| disk.join(name).join("partition").exists())
        .filter_map(|name| Some((path_in_dev(&name), number_in(&disk.join(&name))?)))
        .collect();
    found.sort();
    found
}

/// sysfs has an exclamation mark where a name has a slash.
fn path_in_dev(name: &str) -> PathBuf {
    Path::new("/dev").join(name.replace('!', "/"))
}

#[cfg(test)]
mod tests {
    use rstest::rstest;

    use super::*;

    #[rstest]
    #[case("/dev/kdev-no-such-device", "cannot be found")]
    #[case("/etc/passwd", "not a block device")]
    #[case("/dev/null", "not a block device")]
    fn what_is_no_disk_is_refused(#[case] path: &str, #[case] finding: &str) {
        let message = look(Path::new(path)).unwrap_err().to_string();
        assert!(message.contains(finding), "{message}");
    }
}
