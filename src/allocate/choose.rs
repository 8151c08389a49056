//! Which of several pools a session is made in. Decides, and touches nothing.

use kdev_volumes_spec::Bytes;

/// What is known of a pool when a session looks for room.
#[derive(Clone, Copy, Debug)]
pub(super) struct Candidate {
    /// `None` if only making the volumes tells.
    pub(super) free: Option<Bytes>,
    /// What the session needs there, in whole extents of that pool.
    pub(super) want: Bytes,
    /// How many wait for room in it who came earlier.
    pub(super) before: usize,
}

/// Returns those that may be tried, by their places in the list: the one with the most room first, and of
/// equal ones the one that is named first.
///
/// The room of a pool for which others wait is theirs, also what would be left of it: who wants much must not
/// wait for good because those who want little go before.
pub(super) fn order(candidates: &[Candidate]) -> Vec<usize> {
    let may_have = |candidate: &Candidate| {
        let fits = candidate.free.is_none_or(|free| candidate.want <= free);
        fits && candidate.before == 0
    };
    let mut order: Vec<usize> = (0..candidates.len())
        .filter(|&at| may_have(&candidates[at]))
        .collect();
    // A stable sort.
    order.sort_by_key(|&at| std::cmp::Reverse(candidates[at].free));
    order
}

#[cfg(test)]
mod tests {
    use rstest::rstest;

    use super::*;

    /// Of a pool: what is free, what is wanted, and how many wait before.
    type Row = (u64, u64, usize);

    #[rstest]
    #[case::none(&[], &[])]
    #[case::one(&[(10, 10, 0)], &[0])]
    #[case::one_that_is_full(&[(10, 11, 0)], &[])]
    #[case::one_for_which_others_wait(&[(10, 1, 1)], &[])]
    #[case::the_most_room_first(&[(10, 5, 0), (30, 5, 0), (20, 5, 0)], &[1, 2, 0])]
    #[case::of_equal_ones_the_first(&[(10, 5, 0), (10, 5, 0)], &[0, 1])]
    #[case::a_full_one_is_passed_over(&[(4, 5, 0), (6, 5, 0)], &[1])]
    #[case::so_is_the_largest_if_others_wait_for_it(&[(90, 5, 2), (6, 5, 0)], &[1])]
    #[case::larger_extents_may_not_fit(&[(10, 12, 0), (9, 9, 0)], &[1])]
    #[case::all_are_full(&[(1, 5, 0), (2, 5, 0)], &[])]
    fn a_session_goes_where_the_most_room_is(#[case] pools: &[Row], #[case] expected: &[usize]) {
        let candidates: Vec<Candidate> = pools
            .iter()
            .map(|&(free, want, before)| Candidate {
                free: Some(Bytes::new(free)),
                want: Bytes::new(want),
                before,
            })
            .collect();
        assert_eq!(order(&candidates), expected);
    }

    #[test]
    fn what_has_no_bound_always_fits() {
        let candidate = Candidate {
            free: None,
            want: Bytes::new(u64::MAX),
            before: 0,
        };
        assert_eq!(order(&[candidate]), [0]);
    }
}
