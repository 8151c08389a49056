//! How much tests need, and how many fit at once. Decides, and touches nothing.

use kdev_volumes_spec::Bytes;

/// Adds sizes up. What is more than a `u64` of bytes fits nowhere, so that the largest one will do.
pub(super) fn sum(sizes: impl Iterator<Item = Bytes>) -> Bytes {
    Bytes::new(sizes.fold(0, |sum: u64, size| sum.saturating_add(size.get())))
}

/// Returns the room that volumes of these sizes take together, each rounded up to a whole number of `unit`s.
pub(super) fn footprint(sizes: impl Iterator<Item = Bytes>, unit: Bytes) -> Bytes {
    sum(sizes.map(|size| size.round_up(unit).unwrap_or(Bytes::new(u64::MAX))))
}

/// Returns how many tests fit into `room` at once, whichever they are: the most for which those that need
/// most do.
pub(super) fn at_once(needs: impl Iterator<Item = Bytes>, room: Bytes) -> usize {
    let mut needs: Vec<Bytes> = needs.collect();
    needs.sort_unstable_by(|a, b| b.cmp(a));
    let mut left = room;
    let fits = |size: &Bytes| {
        let rest = left.get().checked_sub(size.get());
        left = Bytes::new(rest.unwrap_or(0));
        rest.is_some()
    };
    needs.iter().copied().take_while(fits).count()
}

#[cfg(test)]
mod tests {
    use rstest::rstest;

    use super::*;

    const MIB: u64 = 1 << 20;

    fn sizes(mib: &[u64]) -> impl Iterator<Item = Bytes> {
        mib.iter().map(|&mib| Bytes::new(mib * MIB))
    }

    #[rstest]
    #[case::whole(&[32], 4, 32)]
    #[case::each_is_rounded_up(&[33, 33], 4, 72)]
    #[case::smaller_units(&[33, 33], 1, 66)]
    #[case::none(&[], 4, 0)]
    fn a_footprint_is_the_sum_of_what_each_volume_takes(
        #[case] mib: &[u64],
        #[case] unit: u64,
        #[case] expected: u64,
    ) {
        let unit = Bytes::new(unit * MIB);
        assert_eq!(footprint(sizes(mib), unit), Bytes::new(expected * MIB));
    }

    #[rstest]
    #[case::cannot_be_rounded_up(&[u64::MAX])]
    #[case::cannot_be_added(&[i64::MAX as u64, i64::MAX as u64, i64::MAX as u64])]
    fn what_no_number_can_tell_is_larger_than_any_pool(#[case] bytes: &[u64]) {
        let sizes = bytes.iter().map(|&bytes| Bytes::new(bytes));
        assert_eq!(footprint(sizes, Bytes::new(4 * MIB)), Bytes::new(u64::MAX));
    }

    #[rstest]
    #[case::all(&[10, 20, 30], 60, 3)]
    #[case::to_the_byte(&[10, 20, 30], 59, 2)]
    #[case::the_largest_count_whatever_their_place(&[1, 1, 1, 30, 30], 60, 2)]
    #[case::one(&[30, 30], 59, 1)]
    #[case::no_room(&[30], 29, 0)]
    #[case::nobody(&[], 10, 0)]
    #[case::a_small_one_does_not_follow_a_large_one_that_does_not_fit(&[40, 30, 1], 60, 1)]
    fn as_many_fit_as_of_the_largest(#[case] mib: &[u64], #[case] room: u64, #[case] expected: usize) {
        assert_eq!(at_once(sizes(mib), Bytes::new(room * MIB)), expected);
    }

    /// The claim that the answer makes, tried on every choice of so many tests.
    #[test]
    fn any_so_many_fit_and_some_choice_of_one_more_does_not() {
        let mut random = fastrand::Rng::with_seed(1);
        for _ in 0..200 {
            let needs: Vec<u64> = (0..random.usize(1..8)).map(|_| random.u64(1..50)).collect();
            let room = random.u64(1..200);
            let count = at_once(needs.iter().map(|&size| Bytes::new(size)), Bytes::new(room));
            for choice in 0u32..1 << needs.len() {
                let is_chosen = |at: &usize| choice >> at & 1 == 1;
                let sum: u64 = (0..needs.len()).filter(is_chosen).map(|at| needs[at]).sum();
                let fits = sum <= room;
                assert!(
                    fits || choice.count_ones() as usize > count,
                    "{needs:?} in {room}: {count}"
                );
            }
            let mut largest = needs.clone();
            largest.sort_unstable_by(|a, b| b.cmp(a));
            let more: u64 = largest.iter().take(count + 1).sum();
            assert!(
                count == needs.len() || more > room,
                "{needs:?} in {room}: {count}"
            );
        }
    }
}
