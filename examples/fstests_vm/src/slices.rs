//! Several disks as slices of one volume: how large that is, and where each begins.

use kdev_volumes::Bytes;

use crate::error::Error;

/// What slices begin at multiples of, as partitions do.
///
/// So no sector of a disk (512 or 4096 bytes), no page and no block of an image's filesystem is in two of them: QEMU would
/// have to read, change and write what holds the end of one disk and the beginning of another. A thin pool's chunk may be
/// larger: one that two slices share is not given back by a discard of either, as it is of a part.
const UNIT: Bytes = Bytes::new(1 << 20);

/// The largest file or device that Linux has (`loff_t`).
const MOST: u64 = i64::MAX as u64;

/// Slices of one volume, of one size, one behind the other.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Slices {
    /// The size of each.
    pub(crate) each: Bytes,
    /// The size of the volume.
    pub(crate) whole: Bytes,
}

impl Slices {
    /// Lays out so many slices of at least this size.
    ///
    /// # Errors
    ///
    /// [`Error::Usage`] if no volume can be as large as all of them.
    pub(crate) fn of(count: usize, size: Bytes) -> Result<Self, Error> {
        let laid = || {
            let each = size.round_up(UNIT)?;
            let whole = each.get().checked_mul(u64::try_from(count).ok()?)?;
            (whole <= MOST).then_some(Self {
                each,
                whole: Bytes::new(whole),
            })
        };
        laid().ok_or_else(|| Error::Usage {
            what: format!(
                "{count} disks of {size} cannot be slices of one volume: together they have more than 8 EiB, the largest \
                 size a device can have; give a smaller --size"
            ),
        })
    }

    /// Returns where each begins.
    pub(crate) fn offsets(self) -> impl Iterator<Item = Bytes> {
        // Those in the volume are counted without overflow, as the volume's own size was.
        (0..self.whole.get() / self.each.get()).map(move |at| Bytes::new(at * self.each.get()))
    }
}

#[cfg(test)]
mod tests {
    use rstest::rstest;

    use super::*;

    const MIB: u64 = 1 << 20;

    #[rstest]
    #[case::whole_units(2, 2 * MIB, 2 * MIB, &[0, 2 * MIB])]
    #[case::one_byte_more(2, 2 * MIB + 1, 3 * MIB, &[0, 3 * MIB])]
    #[case::one_byte_less(2, 2 * MIB - 1, 2 * MIB, &[0, 2 * MIB])]
    #[case::less_than_a_unit(3, 512, MIB, &[0, MIB, 2 * MIB])]
    #[case::one(1, 5 * MIB, 5 * MIB, &[0])]
    #[case::the_seven(7, 10 << 30, 10 << 30, &[0, 10 << 30, 20 << 30, 30 << 30, 40 << 30, 50 << 30, 60 << 30])]
    #[case::as_large_as_can_be(2, 1 << 61, 1 << 61, &[0, 1 << 61])]
    fn slices_lie_one_behind_the_other_and_begin_at_whole_units(
        #[case] count: usize,
        #[case] size: u64,
        #[case] each: u64,
        #[case] offsets: &[u64],
    ) {
        let slices = Slices::of(count, Bytes::new(size)).unwrap();
        assert_eq!(
            (slices.each.get(), slices.whole.get()),
            (each, each * count as u64)
        );
        let got: Vec<u64> = slices.offsets().map(Bytes::get).collect();
        assert_eq!(got, offsets);
    }

    #[rstest]
    #[case::no_file_is_so_large(2, 1 << 62)]
    #[case::not_even_a_number(7, 4 << 60)]
    #[case::rounded_up_out_of_range(1, u64::MAX)]
    #[case::rounded_up_too_far(1, i64::MAX as u64)]
    fn more_than_a_volume_can_have_is_refused(#[case] count: usize, #[case] size: u64) {
        let size = Bytes::new(size);
        let error = Slices::of(count, size).unwrap_err();
        assert_eq!(error.exit_code(), 2);
        let text = error.to_string();
        assert!(
            text.starts_with(&format!("{count} disks of {size} ")) && text.contains("8 EiB"),
            "{text}"
        );
    }
}
