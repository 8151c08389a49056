//! Writing back what a device held, as long as nobody has used it since.

use std::collections::BTreeSet;
use std::fs::File;
use std::io::{Seek, SeekFrom};
use std::path::Path;

use kdev_volumes_spec::Bytes;

use crate::blank::look::open_alone;
use crate::blank::ranges::{BLOCK, Range, is_zero, read};
use crate::blank::saved::Saved;
use crate::blank::signatures::{PV, signatures};
use crate::blank::wipe::{reread, write};
use crate::error::{Error, Result};
use crate::fault;
use crate::lvm;

/// Where the label of a PV is, and the header of its metadata, without which LVM complains.
const LABEL: u64 = 8 << 10;

/// Makes a device again what it was, on which there is by now what was there, zeros, or our own PV, in no VG
/// any more. `None`: it was blank.
///
/// The PV's label goes last: as long as it is there, whoever finds the work half done can tell that
/// nobody has used the device since.
///
/// # Errors
///
/// [`Error::Refused`] if somebody has used it all the same.
pub(crate) fn restore(device: &Path, before: Option<(&Saved, &[u8])>) -> Result<()> {
    let failed = |err| Error::io("restore", device, err);
    let mut file = open_alone(device).map_err(failed)?;
    let size = Bytes::new(file.seek(SeekFrom::End(0)).map_err(failed)?);
    let blank = Saved::blank(size);
    let (saved, kept) = before.unwrap_or((&blank, &[]));
    if saved.size() != size {
        return refused(device, format!("it has {size} now, and had {}", saved.size()));
    }
    if let Some(why) = used_since(device, &mut file, saved, kept)? {
        return refused(device, why);
    }
    let (last, first): (Vec<Range>, Vec<Range>) = saved
        .ranges()
        .iter()
        .flat_map(|&range| apart(range))
        .partition(|(_, end)| *end <= LABEL);
    for ranges in [first, last] {
        for range in ranges {
            let content = saved.content(kept, range);
            // Where all is as it was, nothing has to be written.
            if read(&mut file, range).map_err(failed)? != content {
                write(&mut file, range, &content).map_err(failed)?;
            }
        }
        fault::point("restored");
    }
    // What cannot be read anew now is when the disk is plugged in again; it is on the disk in any case.
    if let Err(err) = reread(&file, device) {
        eprintln!(
            "kdev: could not have the kernel read the partitions of {} anew: {err}",
            device.display()
        );
    }
    Ok(())
}

/// Tells whether a file or device has been used by nobody: nothing is on it at all.
pub(crate) fn is_untouched(file: &mut File) -> std::io::Result<bool> {
    let size = Bytes::new(file.seek(SeekFrom::End(0))?);
    Ok(strange(file, &Saved::blank(size), &[])?.is_empty())
}

/// Tells whether a file or device has the label of a PV, in one of its first sectors.
pub(crate) fn has_label(file: &mut File) -> std::io::Result<bool> {
    let head = read(file, (0, BLOCK))?;
    Ok(head
        .chunks(512)
        .take(4)
        .any(|sector| sector.starts_with(b"LABELONE")))
}

fn refused(device: &Path, why: String) -> Result<()> {
    Err(Error::Refused {
        device: device.to_owned(),
        findings: vec![why],
    })
}

/// The range that holds the PV's label is written apart from the rest.
fn apart((start, end): Range) -> Vec<Range> {
    match start < LABEL && end > LABEL {
        true => vec![(start, LABEL), (LABEL, end)],
        false => vec![(start, end)],
    }
}

/// Returns what shows that somebody has used the device since.
fn used_since(device: &Path, file: &mut File, saved: &Saved, kept: &[u8]) -> Result<Option<String>> {
    let strange = strange(file, saved, kept).map_err(|err| Error::io("read", device, err))?;
    if strange.is_empty() {
        return Ok(None);
    }
    let found = signatures(&[device])?;
    let others: Vec<String> = found
        .iter()
        .filter(|found| found.kind != PV && strange.contains(&(found.at / BLOCK * BLOCK)))
        .map(|found| format!("a {} signature", found.kind))
        .collect();
    if !others.is_empty() {
        return Ok(Some(format!("it holds {} by now", others.join(" and "))));
    }
    Ok(match lvm::physical_at(device)? {
        Some(physical) if physical.vg_name.is_empty() => None,
        Some(physical) => Some(format!("it is a PV of VG `{}` by now", physical.vg_name)),
        None => Some("it holds nothing that is ours by now".to_owned()),
    })
}

/// Lists the blocks that are neither what they were nor zeros.
fn strange(file: &mut File, saved: &Saved, kept: &[u8]) -> std::io::Result<BTreeSet<u64>> {
    let mut found = BTreeSet::new();
    for &range in saved.ranges() {
        let (is, was) = (read(file, range)?, saved.content(kept, range));
        let blocks = is.chunks(BLOCK as usize).zip(was.chunks(BLOCK as usize));
        for (at, (is, was)) in (range.0..).step_by(BLOCK as usize).zip(blocks) {
            if is != was && !is_zero(is) {
                found.insert(at);
            }
        }
    }
    Ok(found)
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use rstest::rstest;

    use super::*;

    #[rstest]
    #[case::as_it_was(&[(0, 7), (5000, 7)], &[])]
    #[case::wiped(&[], &[])]
    #[case::half_wiped(&[(5000, 7)], &[])]
    #[case::changed(&[(0, 7), (5000, 8)], &[4096])]
    #[case::used(&[(100_000, 1)], &[98304])]
    fn a_block_is_strange_that_is_neither_as_it_was_nor_zero(
        #[case] now: &[(u64, u8)],
        #[case] expected: &[u64],
    ) {
        let disk = |bytes: &[(u64, u8)]| {
            let mut disk = tempfile::tempfile().unwrap();
            disk.set_len(64 << 20).unwrap();
            for &(at, byte) in bytes {
                disk.seek(SeekFrom::Start(at)).unwrap();
                disk.write_all(&[byte]).unwrap();
            }
            disk
        };
        let size = Bytes::new(64 << 20);
        let (saved, kept) = Saved::take(&mut disk(&[(0, 7), (5000, 7)]), size, &[], None).unwrap();
        let found = strange(&mut disk(now), &saved, &kept).unwrap();
        assert_eq!(found.into_iter().collect::<Vec<u64>>(), expected);
    }

    #[rstest]
    #[case((0, 4 << 20), &[(0, 8192), (8192, 4 << 20)])]
    #[case((63 << 20, 64 << 20), &[(63 << 20, 64 << 20)])]
    fn the_label_is_apart(#[case] range: Range, #[case] expected: &[Range]) {
        assert_eq!(apart(range), expected);
    }
}
