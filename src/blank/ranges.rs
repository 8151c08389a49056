//! The parts of a device that tell what it is.

use std::fs::File;
use std::io::{self, Read, Seek, SeekFrom};

use kdev_volumes_spec::Bytes;

/// What is looked at, and zeroed again when a pool is taken down: the beginning, where LVM's own
/// metadata are written too, and the end, where RAID and GPT keep theirs.
const HEAD: u64 = 4 << 20;
const TAIL: u64 = 1 << 20;

/// What is compared, saved and written back as one.
pub(super) const BLOCK: u64 = 4096;

/// Tells whether a block, or what there is of one, is all zeros.
pub(super) fn is_zero(block: &[u8]) -> bool {
    const ZEROS: [u8; BLOCK as usize] = [0; BLOCK as usize];
    ZEROS.starts_with(block)
}

/// The first byte, and the byte after the last.
pub(super) type Range = (u64, u64);

/// The two ranges at the ends; they do not overlap.
pub(super) fn ends(size: Bytes) -> [Range; 2] {
    let size = size.get();
    let head = HEAD.min(size);
    [(0, head), (size.saturating_sub(TAIL).max(head), size)]
}

/// The ranges that are overwritten where these signatures are: both ends, and what lies between, in
/// order and apart from each other. `other` is overwritten too.
pub(super) fn overwritten(size: Bytes, signatures: &[u64], other: Option<Range>) -> Vec<Range> {
    let [head, tail] = ends(size);
    let mut ranges = vec![head];
    // A signature may go on in the next block.
    let signatures = signatures.iter().map(|at| at / BLOCK * BLOCK);
    let signatures = signatures.map(|at| (at, at + 2 * BLOCK));
    let mut between: Vec<Range> = signatures
        .chain(other)
        .filter(|range| range.0 >= head.1 && range.0 < tail.0)
        .collect();
    between.sort_unstable();
    for (at, end) in between {
        let end = end.min(tail.0);
        match ranges.last_mut() {
            Some(last) if last.1 >= at => last.1 = last.1.max(end),
            _ => ranges.push((at, end)),
        }
    }
    ranges.push(tail);
    ranges.retain(|(start, end)| start < end);
    ranges
}

pub(super) fn read(file: &mut File, (start, end): Range) -> io::Result<Vec<u8>> {
    file.seek(SeekFrom::Start(start))?;
    let mut bytes = Vec::new();
    let read = Read::by_ref(file).take(end - start).read_to_end(&mut bytes)?;
    match read as u64 == end - start {
        true => Ok(bytes),
        false => Err(io::ErrorKind::UnexpectedEof.into()),
    }
}

/// Returns the offset of the first byte of the head or tail that is not zero.
pub(super) fn first_nonzero(file: &mut File, size: Bytes) -> io::Result<Option<u64>> {
    for range in ends(size) {
        let bytes = read(file, range)?;
        for (start, block) in (range.0..)
            .step_by(BLOCK as usize)
            .zip(bytes.chunks(BLOCK as usize))
        {
            if !is_zero(block) {
                let at = block.iter().take_while(|&&byte| byte == 0).count();
                return Ok(Some(start + at as u64));
            }
        }
    }
    Ok(None)
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use rstest::rstest;

    use super::*;

    const M: u64 = 1 << 20;

    #[rstest]
    #[case(64 * M, [(0, 4 * M), (63 * M, 64 * M)])]
    #[case(4 * M, [(0, 4 * M), (4 * M, 4 * M)])]
    #[case(4 * M + 512, [(0, 4 * M), (4 * M, 4 * M + 512)])]
    #[case(0, [(0, 0), (0, 0)])]
    fn both_ends_are_looked_at_once(#[case] size: u64, #[case] expected: [Range; 2]) {
        assert_eq!(ends(Bytes::new(size)), expected);
    }

    #[rstest]
    #[case::at_both_ends(&[1080, 64 * M - 512], &[(0, 4 * M), (63 * M, 64 * M)])]
    #[case::between(&[8 * M + 16], &[(0, 4 * M), (8 * M, 8 * M + 8192), (63 * M, 64 * M)])]
    #[case::two_that_touch(&[8 * M + 4096, 8 * M], &[(0, 4 * M), (8 * M, 8 * M + 12288), (63 * M, 64 * M)])]
    #[case::right_after_the_head(&[4 * M], &[(0, 4 * M + 8192), (63 * M, 64 * M)])]
    #[case::right_before_the_tail(&[63 * M - 512], &[(0, 4 * M), (63 * M - 4096, 63 * M), (63 * M, 64 * M)])]
    fn what_is_overwritten_has_all_signatures(#[case] signatures: &[u64], #[case] expected: &[Range]) {
        assert_eq!(overwritten(Bytes::new(64 * M), signatures, None), expected);
    }

    #[rstest]
    #[case::alone(&[], (17 * M, 25 * M), &[(0, 4 * M), (17 * M, 25 * M), (63 * M, 64 * M)])]
    #[case::with_signatures_in_it(&[17 * M + 9, 25 * M - 1], (17 * M, 25 * M), &[(0, 4 * M), (17 * M, 25 * M + 4096), (63 * M, 64 * M)])]
    #[case::at_the_end(&[], (60 * M, 70 * M), &[(0, 4 * M), (60 * M, 63 * M), (63 * M, 64 * M)])]
    fn what_else_is_overwritten_is_a_range_too(
        #[case] signatures: &[u64],
        #[case] other: Range,
        #[case] expected: &[Range],
    ) {
        assert_eq!(overwritten(Bytes::new(64 * M), signatures, Some(other)), expected);
    }

    #[rstest]
    #[case(0)]
    #[case(3 * M)]
    #[case(64 * M - 1)]
    fn a_byte_at_either_end_is_found(#[case] at: u64) {
        let size = Bytes::new(64 * M);
        let mut file = tempfile::tempfile().unwrap();
        file.set_len(size.get()).unwrap();
        assert_eq!(first_nonzero(&mut file, size).unwrap(), None);
        file.seek(SeekFrom::Start(at)).unwrap();
        file.write_all(b"x").unwrap();
        assert_eq!(first_nonzero(&mut file, size).unwrap(), Some(at));
    }
}
