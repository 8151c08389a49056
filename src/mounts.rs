//! What is mounted where, in every mount namespace that a process of ours or another's lives in.

use std::cmp::Reverse;
use std::collections::{BTreeMap, BTreeSet};
use std::ffi::OsString;
use std::fs;
use std::os::fd::AsRawFd;
use std::os::unix::ffi::OsStringExt;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use nix::sys::stat::{major, makedev, minor};

/// A mount, as a process that sees it has it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Mount {
    /// Its number; later mounts have larger ones, also those that lie within it.
    pub(crate) id: u64,
    pub(crate) point: PathBuf,
    /// The device number, `major:minor`. Some file systems, such as btrfs, have one of their own.
    number: String,
    /// What was mounted: for those, the device, or several with colons between.
    source: PathBuf,
    /// A process in whose mount namespace, and below whose root, this is the path.
    pub(crate) seen_by: u32,
}

impl Mount {
    /// Tells whether the mount is of one of these devices.
    pub(crate) fn is_of(&self, devices: &BTreeSet<u64>) -> bool {
        devices.iter().any(|&device| self.number == text_of(device))
            || (self.number.starts_with("0:") && self.sources().any(|source| devices.contains(&source)))
    }

    /// Finds out which mount of ours an open file or directory lies in.
    pub(crate) fn of_descriptor(descriptor: &impl AsRawFd) -> Option<Self> {
        let info = fs::read_to_string(format!("/proc/self/fdinfo/{}", descriptor.as_raw_fd())).ok()?;
        let id = id_in(&info)?;
        let text = fs::read("/proc/self/mountinfo").ok()?;
        parse(&text, std::process::id())
            .into_iter()
            .find(|mount| mount.id == id)
    }

    fn devices(&self) -> Vec<u64> {
        let number = self.number.split_once(':').and_then(|(major, minor)| {
            let major: u64 = major.parse().ok().filter(|&major| major != 0)?;
            Some(makedev(major, minor.parse().ok()?))
        });
        number.map_or_else(|| self.sources().collect(), |number| vec![number])
    }

    fn sources(&self) -> impl Iterator<Item = u64> {
        let text = self.source.to_string_lossy().into_owned();
        let paths: Vec<PathBuf> = text
            .split(':')
            // Who mounts by FUSE may call it what he likes, and have us look where nobody answers.
            .filter(|part| part.starts_with("/dev/") && !part.contains("/../"))
            .map(PathBuf::from)
            .collect();
        paths.into_iter().filter_map(|path| block_device(&path))
    }
}

/// Reads in which mount an open file or directory lies, see proc_pid_fdinfo(5).
pub(crate) fn id_in(fdinfo: &str) -> Option<u64> {
    let id = fdinfo.lines().find_map(|line| line.strip_prefix("mnt_id:"))?;
    id.trim().parse().ok()
}

/// Returns the number of a block device; `None` for anything else.
pub(crate) fn block_device(path: &Path) -> Option<u64> {
    use std::os::unix::fs::FileTypeExt;
    let meta = fs::metadata(path).ok()?;
    meta.file_type().is_block_device().then(|| meta.rdev())
}

/// Writes a device number as sysfs and mountinfo do.
pub(crate) fn text_of(device: u64) -> String {
    format!("{}:{}", major(device), minor(device))
}

/// Lists the mounts of these devices, those first that lie within others.
///
/// A mount that several namespaces share is listed for each of them.
pub(crate) fn mounts_of(devices: &BTreeSet<u64>) -> Vec<Mount> {
    let mut mounts: Vec<Mount> = viewers()
        .into_iter()
        .flat_map(|pid| {
            // A process that has ended meanwhile sees nothing.
            let text = fs::read(format!("/proc/{pid}/mountinfo")).unwrap_or_default();
            parse(&text, pid)
        })
        .filter(|mount| mount.is_of(devices))
        .collect();
    mounts.sort_by_key(|mount| Reverse(mount.id));
    mounts
}

/// Lists the mounts of a device at this path, one for each namespace that has it there.
pub(crate) fn mounts_at(point: &Path, device: u64) -> Vec<Mount> {
    let mut mounts = mounts_of(&BTreeSet::from([device]));
    mounts.retain(|mount| mount.point == point);
    mounts
}

/// Lists where a device is mounted by what this process sees, those first that lie within others.
pub(crate) fn points_of(device: u64) -> Vec<PathBuf> {
    let text = fs::read("/proc/self/mountinfo").unwrap_or_default();
    let devices = BTreeSet::from([device]);
    let mut mounts = parse(&text, std::process::id());
    mounts.retain(|mount| mount.is_of(&devices));
    mounts.sort_by_key(|mount| Reverse(mount.id));
    mounts.into_iter().map(|mount| mount.point).collect()
}

/// Tells whether anything is mounted at this path, in any namespace.
pub(crate) fn is_mount_point(point: &Path) -> bool {
    viewers().into_iter().any(|pid| {
        let text = fs::read(format!("/proc/{pid}/mountinfo")).unwrap_or_default();
        parse(&text, pid).iter().any(|mount| mount.point == point)
    })
}

/// Returns what is mounted at this path, by what this process sees.
pub(crate) fn source_of(point: &Path) -> Option<PathBuf> {
    let text = fs::read("/proc/self/mountinfo").unwrap_or_default();
    let mut mounts = parse(&text, std::process::id()).into_iter();
    // The last one hides those before it.
    mounts
        .rfind(|mount| mount.point == point)
        .map(|mount| mount.source)
}

/// Lists where something is mounted below this path, by what this process sees.
pub(crate) fn points_within(point: &Path) -> Vec<PathBuf> {
    let text = fs::read("/proc/self/mountinfo").unwrap_or_default();
    parse(&text, std::process::id())
        .into_iter()
        .map(|mount| mount.point)
        .filter(|inner| inner != point && inner.starts_with(point))
        .collect()
}

/// Picks a process for each mount namespace and each root directory that there is; for ours, us.
fn viewers() -> Vec<u32> {
    let mut viewers = BTreeMap::new();
    let me = std::process::id();
    for pid in std::iter::once(me).chain(pids()) {
        if let Some(view) = view_of(pid) {
            viewers.entry(view).or_insert(pid);
        }
    }
    viewers.into_values().collect()
}

/// Lists the processes that there are.
pub(crate) fn pids() -> impl Iterator<Item = u32> {
    let entries = fs::read_dir("/proc").into_iter().flatten();
    entries.filter_map(|entry| entry.ok()?.file_name().to_str()?.parse().ok())
}

/// Tells by what two processes see the same: mount namespace and root directory.
pub(crate) fn view_of(pid: u32) -> Option<(u64, u64, u64)> {
    let namespace = fs::metadata(format!("/proc/{pid}/ns/mnt")).ok()?.ino();
    let root = fs::metadata(format!("/proc/{pid}/root")).ok()?;
    Some((namespace, root.dev(), root.ino()))
}

/// Reads proc_pid_mountinfo(5): number, parent, device, root, mount point, options, optional fields, a
/// hyphen, type, source.
fn parse(mountinfo: &[u8], seen_by: u32) -> Vec<Mount> {
    let lines = mountinfo.split(|&byte| byte == b'\n');
    lines
        .filter_map(|line| {
            let fields: Vec<&[u8]> = line.split(|&byte| byte == b' ').collect();
            let hyphen = fields.iter().skip(6).position(|field| *field == b"-")? + 6;
            Some(Mount {
                id: std::str::from_utf8(fields[0]).ok()?.parse().ok()?,
                number: String::from_utf8(fields[2].to_vec()).ok()?,
                point: unescaped(fields[4]),
                source: unescaped(fields.get(hyphen + 2)?),
                seen_by,
            })
        })
        .collect()
}

/// Blanks and backslashes in paths are written as a backslash and three octal digits.
pub(crate) fn unescaped(field: &[u8]) -> PathBuf {
    let mut bytes = Vec::with_capacity(field.len());
    let mut rest = field;
    while let [first, after @ ..] = rest {
        let octal = match rest {
            [b'\\', digits @ ..] if digits.len() >= 3 => std::str::from_utf8(&digits[..3])
                .ok()
                .and_then(|digits| u8::from_str_radix(digits, 8).ok()),
            _ => None,
        };
        bytes.push(octal.unwrap_or(*first));
        rest = if octal.is_some() { &rest[4..] } else { after };
    }
    OsString::from_vec(bytes).into()
}

/// Lists the devices that the file system at this path is on, as this process and the first one see it.
pub(crate) fn numbers_at(point: &Path) -> BTreeSet<u64> {
    let mut numbers = BTreeSet::new();
    for pid in [std::process::id(), 1] {
        let text = fs::read(format!("/proc/{pid}/mountinfo")).unwrap_or_default();
        // The last one hides those before it.
        if let Some(mount) = parse(&text, pid).into_iter().rfind(|mount| mount.point == point) {
            numbers.extend(mount.devices());
        }
    }
    numbers
}

#[cfg(test)]
mod tests {
    use super::*;

    const MOUNTINFO: &str = "36 35 254:3 / /mnt/a\\040b rw,noatime master:1 - ext4 /dev/mapper/x rw\n\
                             37 36 254:3 /sub /mnt/a\\040b/sub rw shared:2 master:1 - ext4 /dev/mapper/x rw\n\
                             38 35 254:33 / /mnt/other rw - xfs /dev/mapper/y rw\n\
                             39 35 0:40 / /mnt/btrfs rw - btrfs /dev/null rw\n\
                             nonsense\n40 35 254:3\n";

    #[test]
    fn a_mount_is_found_by_its_device_number_and_the_inner_one_comes_first() {
        let mounts = parse(MOUNTINFO.as_bytes(), 1);
        assert_eq!(mounts.len(), 4);
        assert_eq!(mounts[0].point, Path::new("/mnt/a b"));
        assert_eq!(mounts[1].point, Path::new("/mnt/a b/sub"));
        assert_eq!(mounts[2].source, Path::new("/dev/mapper/y"));
        let device = makedev(254, 3);
        let of_it: Vec<u64> = mounts
            .iter()
            .filter(|mount| mount.is_of(&BTreeSet::from([device])))
            .map(|mount| mount.id)
            .collect();
        assert_eq!(of_it, [36, 37]);
    }

    #[test]
    fn what_is_written_in_octal_is_read_back_and_the_rest_stays() {
        for (field, path) in [
            ("/plain", "/plain"),
            (r"/a\040b\134c", r"/a b\c"),
            (r"/end\04", r"/end\04"),
            (r"/odd\9zz", r"/odd\9zz"),
        ] {
            assert_eq!(unescaped(field.as_bytes()), Path::new(path));
        }
    }

    #[test]
    fn this_process_sees_its_own_mounts() {
        assert!(viewers().contains(&std::process::id()));
    }
}
