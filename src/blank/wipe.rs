//! Making blank what is not, by consent.

use std::fs::File;
use std::io::{self, Seek, SeekFrom, Write};
use std::os::unix::fs::MetadataExt;
use std::path::Path;
use std::thread;
use std::time::Duration;

use nix::errno::Errno;

use crate::blank::ioctl;
use crate::blank::look::{is_partition, open_alone, partitions};
use crate::blank::ranges::Range;
use crate::blank::saved::Saved;
use crate::blank::seen::Seen;
use crate::blank::signatures::signatures;
use crate::device_lock::UdevWait;
use crate::error::{Error, Result};
use crate::fault;

impl Saved {
    /// Takes down what a pool on this device will overwrite, and what has to be overwritten for it; `other` is
    /// a range besides both ends.
    pub(crate) fn of(seen: &Seen, other: Option<(u64, u64)>) -> Result<(Self, Vec<u8>)> {
        let at: Vec<u64> = seen
            .signatures
            .iter()
            .filter(|found| found.device == seen.device)
            .map(|found| found.at)
            .collect();
        let failed = |err| Error::io("read", &seen.device, err);
        let mut file = File::open(&seen.device).map_err(failed)?;
        Self::take(&mut file, seen.size, &at, other).map_err(failed)
    }
}

/// Overwrites with zeros what was taken down, and has the kernel forget the partitions.
///
/// The device is ours alone meanwhile.
///
/// # Errors
///
/// [`Error::Refused`] if something is recognised on it all the same.
pub(crate) fn wipe(device: &Path, saved: &Saved) -> Result<()> {
    let failed = |err| Error::io("wipe", device, err);
    let mut file = open_alone(device).map_err(failed)?;
    for &range in saved.ranges() {
        write(&mut file, range, &vec![0; length(range)]).map_err(failed)?;
        fault::step("a range wiped").map_err(failed)?;
    }
    reread(&file, device)
        .and_then(|()| fault::step("partitions forgotten"))
        .map_err(|err| Error::io("have the kernel forget the partitions of", device, err))?;
    match signatures(&[device])?.as_slice() {
        [] => Ok(()),
        left => Err(Error::Refused {
            device: device.to_owned(),
            findings: left
                .iter()
                .map(|left| {
                    let device = device.display();
                    format!(
                        "it holds a {} signature at byte {} still (`wipefs --all {device}`)",
                        left.kind, left.at
                    )
                })
                .collect(),
        }),
    }
}

pub(super) fn length((start, end): Range) -> usize {
    usize::try_from(end - start).expect("a range fits in memory")
}

/// Writes, and waits until it is on the disk.
pub(super) fn write(file: &mut File, range: Range, bytes: &[u8]) -> io::Result<()> {
    file.seek(SeekFrom::Start(range.0))?;
    file.write_all(bytes)?;
    file.sync_all()
}

/// Has the kernel read the partition table anew; nothing to do for what can have none.
///
/// A partition that another process has open is waited for: udev by its lock on the disk, which is held here until `file`
/// is closed, and any other for four seconds.
pub(super) fn reread(file: &File, device: &Path) -> io::Result<()> {
    let number = file.metadata()?.rdev();
    UdevWait::new().lock(file, device);
    for pause in [0, 10, 50, 200, 500, 1000, 2000] {
        thread::sleep(Duration::from_millis(pause));
        match ioctl::reread_partitions(file) {
            Err(err) if err.raw_os_error() == Some(Errno::EBUSY as i32) => {}
            // A partition, or a loop device without any.
            Err(err) if err.raw_os_error() == Some(Errno::EINVAL as i32) => {
                return match is_partition(number) || partitions(number).is_empty() {
                    true => Ok(()),
                    false => Err(err),
                };
            }
            done => return done,
        }
    }
    Err(Errno::EBUSY.into())
}
