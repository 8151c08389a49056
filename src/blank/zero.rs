//! Overwriting all of a device.

use std::io::{Seek, SeekFrom};
use std::path::Path;

use kdev_volumes_spec::Bytes;

use crate::blank::ioctl;
use crate::blank::look::open_alone;
use crate::error::{Error, Result};
use crate::fault;

/// How much is overwritten by one call, which nothing can interrupt.
const STEP: u64 = 64 << 20;

/// The beginning, where our PV's label is, goes when all the rest has: see `restore`.
const BEGIN: u64 = 1 << 20;

/// Overwrites all of a device with zeros but for its first MiB, and tells how far it is: what was done, and
/// of how much.
///
/// The caller has made sure that the device holds nothing but our own PV.
pub(crate) fn zero(device: &Path, tell: &mut dyn FnMut(Bytes, Bytes)) -> Result<()> {
    let failed = |err| Error::io("overwrite", device, err);
    let mut file = open_alone(device).map_err(failed)?;
    let size = file.seek(SeekFrom::End(0)).map_err(failed)?;
    tell(Bytes::new(0), Bytes::new(size));
    for (start, length) in steps(size) {
        ioctl::zero_out(&file, start, length).map_err(failed)?;
        fault::point("a part overwritten");
        tell(Bytes::new(start + length), Bytes::new(size));
    }
    file.sync_all().map_err(failed)
}

fn steps(size: u64) -> impl Iterator<Item = (u64, u64)> {
    let starts = (BEGIN.min(size)..size).step_by(STEP as usize);
    starts.map(move |start| (start, STEP.min(size - start)))
}

#[cfg(test)]
mod tests {
    use rstest::rstest;

    use super::*;

    #[rstest]
    #[case(1 << 20, 0)]
    #[case((1 << 20) + 512, 1)]
    #[case(65 << 20, 1)]
    #[case(200 << 20, 4)]
    fn the_steps_are_all_of_it_but_the_beginning(#[case] size: u64, #[case] count: usize) {
        let steps: Vec<(u64, u64)> = steps(size).collect();
        assert_eq!(steps.len(), count);
        let end = steps.iter().fold(BEGIN, |at, &(start, length)| {
            assert_eq!(start, at);
            start + length
        });
        assert_eq!(end, size);
    }
}
