//! Whether a device is blank and nobody's, so that nothing is lost if it becomes a pool.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::os::unix::fs::{FileTypeExt, MetadataExt, OpenOptionsExt};
use std::path::Path;

use kdev_volumes_spec::Bytes;
use nix::errno::Errno;
use nix::libc;
use nix::sys::stat::{major, minor};

use crate::command::Invocation;
use crate::error::{Error, Result};
use crate::fault;
use crate::holders::holders;

/// What is looked at, and zeroed again when a pool is taken down: the beginning, where LVM's own
/// metadata are written too, and the end, where RAID and GPT keep theirs.
const HEAD: u64 = 4 << 20;
const TAIL: u64 = 1 << 20;

/// Where the label of a PV is, and the header of its metadata, without which LVM complains.
const LABEL: u64 = 8 << 10;

/// What libblkid finds on a PV.
const OUR_SIGNATURE: &str = "a LVM2_member signature";

/// LVM's metadata area and some room.
const LEAST: Bytes = Bytes::new(64 << 20);

/// Looks at a device without writing to it.
///
/// # Errors
///
/// [`Error::Refused`] with all that speaks against it.
pub(crate) fn check(device: &Path) -> Result<()> {
    let findings = match fs::metadata(device) {
        Err(err) => vec![format!("it cannot be found: {err}")],
        Ok(meta) if !meta.file_type().is_block_device() => {
            vec![
                "it is not a block device (for a file, attach it first: `losetup --find --show FILE`)"
                    .to_owned(),
            ]
        }
        Ok(meta) => findings(device, meta.rdev())?,
    };
    match findings.is_empty() {
        true => Ok(()),
        false => Err(Error::Refused {
            device: device.to_owned(),
            findings,
        }),
    }
}

fn findings(device: &Path, number: u64) -> Result<Vec<String>> {
    let mut findings: Vec<String> = partitions(number).into_iter().collect();
    let mut file = match open_alone(device) {
        Ok(file) => file,
        Err(err) => {
            findings.push(why_not_alone(device, &err));
            return Ok(findings);
        }
    };
    let read = |err| Error::io("read", device, err);
    let size = Bytes::new(file.seek(SeekFrom::End(0)).map_err(read)?);
    if size < LEAST {
        findings.push(format!("it has {size}, and a pool needs at least {LEAST}"));
    }
    let signatures = signatures(device)?;
    if signatures.is_empty() {
        if let Some(at) = first_nonzero(&mut file, size).map_err(read)? {
            findings.push(format!(
                "it is not blank: there is something at byte {at} that no tool here knows (if nothing on it is needed: `blkdiscard --zeroout {0}`)",
                device.display()
            ));
        }
    } else {
        findings.push(format!(
            "it holds {} (if nothing on it is needed: `wipefs --all {1}` and `blkdiscard --zeroout {1}`)",
            signatures.join(" and "),
            device.display()
        ));
    }
    Ok(findings)
}

/// The kernel's own word: nobody has the device mounted, in a RAID, under LVM, as swap.
fn open_alone(device: &Path) -> io::Result<File> {
    OpenOptions::new()
        .read(true)
        .write(true)
        .custom_flags(libc::O_EXCL)
        .open(device)
}

fn why_not_alone(device: &Path, err: &io::Error) -> String {
    if err.raw_os_error() != Some(Errno::EBUSY as i32) {
        return format!("it cannot be opened for writing: {err}");
    }
    let holders = holders(device);
    let by = if holders.is_empty() {
        "by a mount, RAID, LVM or swap".to_owned()
    } else {
        holders.join(", ")
    };
    format!("it is in use: {by} (see `lsblk {}`)", device.display())
}

fn partitions(number: u64) -> Option<String> {
    let dir = format!("/sys/dev/block/{}:{}", major(number), minor(number));
    let entries = fs::read_dir(dir).into_iter().flatten().flatten();
    let mut names: Vec<String> = entries
        .filter(|entry| entry.path().join("partition").exists())
        .filter_map(|entry| entry.file_name().into_string().ok())
        .collect();
    names.sort();
    (!names.is_empty()).then(|| {
        format!(
            "it has the partitions {} (name one of them, or another disk)",
            names.join(", ")
        )
    })
}

/// Asks libblkid what it recognises, by content only, not from its cache (blkid(8), low-level probing).
fn signatures(device: &Path) -> Result<Vec<String>> {
    let probe = Invocation::new("blkid", "util-linux")?
        .args(["--probe", "--output", "export"])
        .arg(device)
        .finish()?;
    match probe.status.code() {
        Some(0) => {}
        // Nothing found.
        Some(2) => return Ok(Vec::new()),
        // Several contradict each other.
        Some(8) => return Ok(vec!["signatures of several kinds".to_owned()]),
        _ => return Err(probe.error()),
    }
    let text = String::from_utf8_lossy(&probe.stdout);
    let value = |key: &str| {
        text.lines()
            .find_map(|line| line.strip_prefix(key)?.strip_prefix('='))
    };
    let label = value("LABEL")
        .map(|label| format!(" labelled `{label}`"))
        .unwrap_or_default();
    let known = [
        ("TYPE", format!("signature{label}")),
        ("PTTYPE", "partition table".to_owned()),
    ];
    let found: Vec<String> = known
        .iter()
        .filter_map(|(key, what)| Some(format!("a {} {what}", value(key)?)))
        .collect();
    Ok(if found.is_empty() {
        vec!["a signature".to_owned()]
    } else {
        found
    })
}

/// Returns the offset of the first byte of the head or tail that is not zero.
fn first_nonzero(file: &mut File, size: Bytes) -> io::Result<Option<u64>> {
    for (start, end) in ends(size) {
        file.seek(SeekFrom::Start(start))?;
        let mut bytes = Vec::new();
        Read::by_ref(file).take(end - start).read_to_end(&mut bytes)?;
        if let Some(at) = bytes.iter().position(|&byte| byte != 0) {
            return Ok(Some(start + at as u64));
        }
    }
    Ok(None)
}

/// Makes a device blank again that was found blank, and on which our own PV is, in no VG any more.
///
/// The PV's label goes last: as long as it is there, whoever finds the work half done can tell that
/// nobody has used the device since.
///
/// # Errors
///
/// [`Error::Refused`] if somebody has used it all the same.
pub(crate) fn restore(device: &Path) -> Result<()> {
    let failed = |err| Error::io("zero both ends of", device, err);
    let mut file = open_alone(device).map_err(failed)?;
    let signatures = signatures(device)?;
    if signatures != [OUR_SIGNATURE] {
        let found = if signatures.is_empty() {
            "nothing that is ours".to_owned()
        } else {
            signatures.join(" and ")
        };
        let findings = vec![format!("it holds {found} by now")];
        return Err(Error::Refused {
            device: device.to_owned(),
            findings,
        });
    }
    let size = Bytes::new(file.seek(SeekFrom::End(0)).map_err(failed)?);
    let [(_, head), tail] = ends(size);
    for ranges in [&[tail, (LABEL, head)][..], &[(0, LABEL.min(head))][..]] {
        for &(start, end) in ranges {
            file.seek(SeekFrom::Start(start)).map_err(failed)?;
            io::copy(&mut io::repeat(0).take(end.saturating_sub(start)), &mut file).map_err(failed)?;
        }
        file.flush().and_then(|()| file.sync_all()).map_err(failed)?;
        fault::point("zeroed");
    }
    Ok(())
}

/// The two ranges, as first byte and byte after the last; they do not overlap.
fn ends(size: Bytes) -> [(u64, u64); 2] {
    let size = size.get();
    let head = HEAD.min(size);
    [(0, head), (size.saturating_sub(TAIL).max(head), size)]
}

#[cfg(test)]
mod tests {
    use rstest::rstest;

    use super::*;

    #[rstest]
    #[case(64 << 20, [(0, 4 << 20), (63 << 20, 64 << 20)])]
    #[case(4 << 20, [(0, 4 << 20), (4 << 20, 4 << 20)])]
    #[case((4 << 20) + 512, [(0, 4 << 20), (4 << 20, (4 << 20) + 512)])]
    #[case(0, [(0, 0), (0, 0)])]
    fn both_ends_are_looked_at_once(#[case] size: u64, #[case] expected: [(u64, u64); 2]) {
        assert_eq!(ends(Bytes::new(size)), expected);
    }

    #[rstest]
    #[case(0)]
    #[case(3 << 20)]
    #[case((64 << 20) - 1)]
    fn a_byte_at_either_end_is_found(#[case] at: u64) {
        let size = Bytes::new(64 << 20);
        let mut file = tempfile::tempfile().unwrap();
        file.set_len(size.get()).unwrap();
        assert_eq!(first_nonzero(&mut file, size).unwrap(), None);
        file.seek(SeekFrom::Start(at)).unwrap();
        file.write_all(b"x").unwrap();
        assert_eq!(first_nonzero(&mut file, size).unwrap(), Some(at));
    }

    #[rstest]
    #[case("/dev/kdev-no-such-device", "cannot be found")]
    #[case("/etc/passwd", "not a block device")]
    #[case("/dev/null", "not a block device")]
    fn what_is_no_disk_is_refused(#[case] path: &str, #[case] finding: &str) {
        let message = check(Path::new(path)).unwrap_err().to_string();
        assert!(message.contains(finding), "{message}");
    }
}
