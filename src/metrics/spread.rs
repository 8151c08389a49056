use std::time::Duration;

/// How long something took, of many times.
///
/// ```no_run
/// # use kdev_volumes::metrics::{Metrics, Scope};
/// if let Some(held) = Metrics::read(&Scope::default())?.all().held {
///     println!("{} times, mostly {:?}, at most {:?}", held.count, held.median, held.longest);
/// }
/// # Ok::<(), kdev_volumes::Error>(())
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Spread {
    /// How many times.
    pub count: usize,
    /// Half of them took no longer.
    pub median: Duration,
    /// Of a hundred, 99 took no longer.
    pub p99: Duration,
    /// None took longer.
    pub longest: Duration,
}

impl Spread {
    /// Counts; `None` if there is nothing to count.
    pub(super) fn of(times: impl IntoIterator<Item = Duration>) -> Option<Self> {
        let mut times: Vec<Duration> = times.into_iter().collect();
        times.sort_unstable();
        let longest = *times.last()?;
        // Of the nearest rank: a time that was measured, not one between two.
        let rank = |percent: usize| times[(times.len() * percent).div_ceil(100) - 1];
        Some(Self {
            count: times.len(),
            median: rank(50),
            p99: rank(99),
            longest,
        })
    }
}

#[cfg(test)]
mod tests {
    use rstest::rstest;

    use super::*;

    #[rstest]
    #[case::one(1, (1, 1, 1))]
    #[case::two(2, (1, 2, 2))]
    #[case::three(3, (2, 3, 3))]
    #[case::a_hundred(100, (50, 99, 100))]
    #[case::a_hundred_and_one(101, (51, 100, 101))]
    #[case::a_thousand(1000, (500, 990, 1000))]
    fn ranks_are_the_nearest(#[case] count: u64, #[case] (median, p99, longest): (u64, u64, u64)) {
        let seconds = Duration::from_secs;
        // In no order.
        let spread = Spread::of((1..=count).rev().map(seconds)).unwrap();
        let found = (spread.median, spread.p99, spread.longest);
        assert_eq!(found, (seconds(median), seconds(p99), seconds(longest)));
        assert_eq!(spread.count as u64, count);
    }

    #[test]
    fn of_nothing_there_is_no_median() {
        assert_eq!(Spread::of([]), None);
    }
}
