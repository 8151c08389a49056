//! How long a test may take, and how long the rest will.

use std::time::Duration;

use super::test_name::TestName;

/// How many times its last time a test may take.
const TIMES_THE_LAST: f64 = 10.0;

/// How long a test may take, on a machine of speed 1, and how much slower this one is.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Limits {
    /// The least limit: a test of no time at all may wait for a busy host.
    pub(crate) floor: Duration,
    /// The greatest limit, and that of a test that was never seen.
    pub(crate) default: Duration,
    /// How many times slower the accelerator is: 1 for KVM, more for TCG.
    pub(crate) scale: f64,
}

/// Returns the limit of a test that last took `last` seconds, on any machine.
///
/// Ten times that, at least the floor, at most the default, which also is the limit of an unknown one; all times
/// the scale. A time that is no time (negative, not finite) is unknown.
pub(crate) fn limit(last: Option<f64>, limits: &Limits) -> Duration {
    let default = limits.default.as_secs_f64();
    let known = last.filter(|seconds| seconds.is_finite() && *seconds >= 0.0);
    let base = known.map_or(default, |seconds| {
        // Not `clamp`: a floor above the default is the caller's, and no panic.
        (seconds * TIMES_THE_LAST)
            .max(limits.floor.as_secs_f64())
            .min(default)
    });
    let scale = if limits.scale.is_finite() {
        limits.scale.max(0.0)
    } else {
        1.0
    };
    Duration::try_from_secs_f64(base * scale).unwrap_or(limits.default)
}

/// Estimates how long these tests will take one after another; unknown ones count as the median of the known.
///
/// `None` if no time is known, or nothing is left.
pub(crate) fn remaining(left: &[TestName], seconds: &dyn Fn(&TestName) -> Option<f64>) -> Option<Duration> {
    let known: Vec<f64> = left.iter().filter_map(seconds).collect();
    let unknown = left.len() - known.len();
    let total = known.iter().sum::<f64>() + median(&known)? * unknown as f64;
    Duration::try_from_secs_f64(total).ok()
}

/// Returns the middle one of these times, `None` of nothing.
pub(crate) fn median(seconds: &[f64]) -> Option<f64> {
    let mut sorted = seconds.to_vec();
    sorted.sort_by(f64::total_cmp);
    sorted.get(sorted.len() / 2).copied()
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use rstest::rstest;

    use super::{Limits, limit, median, remaining};
    use crate::results::test_name::TestName;

    #[rstest]
    #[case(None, 1.0, 1800)]
    #[case(Some(0.0), 1.0, 60)]
    #[case(Some(3.0), 1.0, 60)]
    #[case(Some(30.0), 1.0, 300)]
    #[case(Some(3000.0), 1.0, 1800)]
    #[case(Some(30.0), 4.0, 1200)]
    #[case(None, 4.0, 7200)]
    #[case(Some(f64::NAN), 1.0, 1800)]
    #[case(Some(-1.0), 1.0, 1800)]
    #[case(Some(f64::INFINITY), 1.0, 1800)]
    #[case(Some(30.0), f64::NAN, 300)]
    #[case(None, f64::MAX, 1800)]
    fn a_limit_is_ten_times_the_last_time(
        #[case] last: Option<f64>,
        #[case] scale: f64,
        #[case] expected: u64,
    ) {
        let limits = Limits {
            floor: Duration::from_secs(60),
            default: Duration::from_secs(1800),
            scale,
        };
        assert_eq!(limit(last, &limits), Duration::from_secs(expected));
    }

    #[rstest]
    #[case(&["001", "002", "010"], Some(2 + 8 + 8))]
    #[case(&["001"], Some(2))]
    #[case(&["010", "011"], None)]
    #[case(&[], None)]
    fn what_is_unknown_takes_as_long_as_most(#[case] left: &[&str], #[case] expected: Option<u64>) {
        let left: Vec<TestName> = left
            .iter()
            .map(|n| format!("generic/{n}").parse().unwrap())
            .collect();
        let seconds = |name: &TestName| match name.as_str() {
            "generic/001" => Some(2.0),
            "generic/002" => Some(8.0),
            _ => None,
        };
        assert_eq!(remaining(&left, &seconds), expected.map(Duration::from_secs));
    }

    #[test]
    fn the_median_is_one_of_them() {
        assert_eq!(median(&[9.0, 1.0, 5.0]), Some(5.0));
        assert_eq!(median(&[]), None);
    }
}
