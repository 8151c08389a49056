//! Copying sparse files.

use std::fs::File;
use std::io::{self, Read, Seek, SeekFrom};

use kdev_volumes_spec::Bytes;
use nix::errno::Errno;
use nix::unistd::{Whence, lseek};

/// Writes to a file or device what is in another file, without what that has no blocks for, in whose place stays what
/// was there. Where the filesystem can, the kernel has both share their blocks (`copy_file_range`), and it costs nothing.
pub(crate) fn copy(mut from: &File, mut to: &File, size: Bytes) -> io::Result<()> {
    let mut at = 0;
    while let Some(data) = seek(from, at, Whence::SeekData)?.filter(|&data| data < size.get()) {
        // The end of the file is a hole too.
        let end = seek(from, data, Whence::SeekHole)?.unwrap_or(size.get());
        let end = end.min(size.get());
        from.seek(SeekFrom::Start(data))?;
        to.seek(SeekFrom::Start(data))?;
        let copied = io::copy(&mut Read::by_ref(&mut from).take(end - data), &mut to)?;
        if copied < end - data {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        at = end;
    }
    Ok(())
}

/// `None` if there is nothing of that kind any more.
fn seek(file: &File, from: u64, whence: Whence) -> io::Result<Option<u64>> {
    let from = i64::try_from(from).map_err(io::Error::other)?;
    match lseek(file, from, whence) {
        Ok(at) => Ok(u64::try_from(at).ok()),
        Err(Errno::ENXIO) => Ok(None),
        Err(err) => Err(err.into()),
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::{FileExt, MetadataExt};

    use rstest::rstest;

    use super::*;

    const M: u64 = 1 << 20;

    #[rstest]
    #[case::empty(&[])]
    #[case::at_the_beginning(&[(0, 5000)])]
    #[case::at_the_end(&[(8 * M - 100, 100)])]
    #[case::between(&[(M, 4096), (3 * M + 7, 9000), (7 * M, 1)])]
    #[case::all_of_it(&[(0, 8 * M)])]
    fn a_copy_is_what_the_file_is_and_has_its_holes(#[case] written: &[(u64, u64)]) {
        let (from, to) = (tempfile::tempfile().unwrap(), tempfile::tempfile().unwrap());
        from.set_len(8 * M).unwrap();
        for &(at, length) in written {
            let bytes = vec![7; usize::try_from(length).unwrap()];
            from.write_all_at(&bytes, at).unwrap();
        }
        to.set_len(8 * M).unwrap();
        copy(&from, &to, Bytes::new(8 * M)).unwrap();
        let read = |file: &File| {
            let mut bytes = vec![0; usize::try_from(8 * M).unwrap()];
            file.read_exact_at(&mut bytes, 0).unwrap();
            bytes
        };
        assert_eq!(to.metadata().unwrap().len(), 8 * M);
        assert!(read(&from) == read(&to));
        let data: u64 = written.iter().map(|(_, length)| length + (64 << 10)).sum();
        assert!(to.metadata().unwrap().blocks() * 512 <= data.min(8 * M) + (64 << 10));
    }
    #[test]
    fn where_the_file_has_a_hole_what_was_there_stays() {
        let (from, to) = (tempfile::tempfile().unwrap(), tempfile::tempfile().unwrap());
        from.set_len(8 * M).unwrap();
        from.write_all_at(&[1; 4096], 3 * M).unwrap();
        to.write_all_at(&vec![7; usize::try_from(8 * M).unwrap()], 0)
            .unwrap();
        copy(&from, &to, Bytes::new(8 * M)).unwrap();
        let bytes = [0, 3 * M, 3 * M + 4095, 7 * M].map(|at| {
            let mut byte = [0];
            to.read_exact_at(&mut byte, at).unwrap();
            byte[0]
        });
        assert_eq!(bytes, [7, 1, 1, 7]);
        assert_eq!(to.metadata().unwrap().len(), 8 * M);
    }
}
