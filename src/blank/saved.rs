//! What will be overwritten on a device, taken down before it is.

use std::fs::File;
use std::io;

use kdev_volumes_spec::Bytes;
use serde::{Deserialize, Serialize};

use crate::blank::ranges::{BLOCK, Range, ends, is_zero, overwritten, read};

/// What some ranges of a device held. The bytes themselves are kept apart.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Saved {
    /// The device's size, in bytes.
    size: u64,
    ranges: Vec<Range>,
    /// What of these was not zero, in the order of the bytes that are kept.
    runs: Vec<Range>,
}

impl Saved {
    /// Reads what will be overwritten where these signatures are, where a PV will be, and in `other`.
    pub(super) fn take(
        device: &mut File,
        size: Bytes,
        signatures: &[u64],
        other: Option<Range>,
    ) -> io::Result<(Self, Vec<u8>)> {
        let ranges = overwritten(size, signatures, other);
        let (mut runs, mut kept) = (Vec::<Range>::new(), Vec::new());
        for &range in &ranges {
            let bytes = read(device, range)?;
            for (at, block) in (range.0..)
                .step_by(BLOCK as usize)
                .zip(bytes.chunks(BLOCK as usize))
            {
                if is_zero(block) {
                    continue;
                }
                let end = at + block.len() as u64;
                match runs.last_mut() {
                    Some(last) if last.1 == at => last.1 = end,
                    _ => runs.push((at, end)),
                }
                kept.extend_from_slice(block);
            }
        }
        let size = size.get();
        Ok((Self { size, ranges, runs }, kept))
    }

    /// What a blank device holds that is a pool's now.
    pub(super) fn blank(size: Bytes) -> Self {
        Self {
            size: size.get(),
            ranges: ends(size)
                .into_iter()
                .filter(|(start, end)| start < end)
                .collect(),
            runs: Vec::new(),
        }
    }

    pub(crate) fn size(&self) -> Bytes {
        Bytes::new(self.size)
    }

    /// How many bytes are kept of it.
    pub(crate) fn kept(&self) -> u64 {
        self.runs
            .iter()
            .map(|(start, end)| end.saturating_sub(*start))
            .sum()
    }

    pub(super) fn ranges(&self) -> &[Range] {
        &self.ranges
    }

    /// Puts together what a part of one of the ranges held.
    pub(super) fn content(&self, kept: &[u8], (start, end): Range) -> Vec<u8> {
        let mut content = vec![0; usize::try_from(end - start).expect("a range fits in memory")];
        let mut skipped = 0;
        for &(from, to) in &self.runs {
            let (first, last) = (from.max(start), to.min(end));
            if first < last {
                let at = |offset: u64| usize::try_from(offset).expect("it is within a range");
                let bytes = &kept[at(skipped + first - from)..at(skipped + last - from)];
                content[at(first - start)..at(last - start)].copy_from_slice(bytes);
            }
            skipped += to - from;
        }
        content
    }

    /// Tells whether what was read of a file is what this says of itself: a file can be damaged.
    pub(crate) fn is_sound(&self, kept: &[u8]) -> bool {
        let in_order = |ranges: &[Range]| {
            ranges.iter().all(|(start, end)| start < end && *end <= self.size)
                && ranges.windows(2).all(|pair| pair[0].1 <= pair[1].0)
        };
        in_order(&self.ranges) && in_order(&self.runs) && self.kept() == kept.len() as u64
    }
}

#[cfg(test)]
mod tests {
    use std::io::{Seek, SeekFrom, Write};

    use rstest::rstest;

    use super::*;

    const M: u64 = 1 << 20;

    #[rstest]
    #[case::blank(&[], 0)]
    #[case::one_block(&[(0, 1)], 1)]
    #[case::two_that_touch(&[(4095, 2)], 2)]
    #[case::ends_and_between(&[(512, 8), (9 * M, 4), (64 * M - 512, 512)], 3)]
    fn what_was_taken_down_is_what_was_there(#[case] written: &[(u64, usize)], #[case] blocks: u64) {
        let mut device = tempfile::tempfile().unwrap();
        device.set_len(64 * M).unwrap();
        for &(at, length) in written {
            device.seek(SeekFrom::Start(at)).unwrap();
            device.write_all(&vec![7; length]).unwrap();
        }
        let at: Vec<u64> = written.iter().map(|(at, _)| *at).collect();
        let (saved, kept) = Saved::take(&mut device, Bytes::new(64 * M), &at, None).unwrap();
        assert_eq!(
            (saved.kept(), kept.len() as u64),
            (blocks * BLOCK, blocks * BLOCK)
        );
        assert!(saved.is_sound(&kept) && !saved.is_sound(b"x"));
        for &range in saved.ranges() {
            assert_eq!(saved.content(&kept, range), read(&mut device, range).unwrap());
        }
        let part = (256, 9000);
        assert_eq!(saved.content(&kept, part), read(&mut device, part).unwrap());
    }

    #[rstest]
    #[case(vec![(0, 8)], vec![(8, 4)])]
    #[case(vec![(0, 1 << 40)], vec![])]
    #[case(vec![(8, 16), (0, 8)], vec![])]
    fn a_damaged_description_is_not_believed(#[case] ranges: Vec<Range>, #[case] runs: Vec<Range>) {
        let saved = Saved {
            size: 1 << 20,
            ranges,
            runs,
        };
        assert!(!saved.is_sound(b""));
    }
}
