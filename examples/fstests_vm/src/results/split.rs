//! Which shard runs which tests.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use super::limits::median;
use super::test_name::TestName;

/// Splits a plan over machines that one program leads: longest first, each onto the least loaded shard.
///
/// Tests of unknown time count as the median of the known. Each shard keeps the plan's order. There are exactly
/// `shards` lists (at least one), some empty if there are fewer tests. The same arguments give the same lists.
pub(crate) fn split(
    tests: &[TestName],
    shards: usize,
    seconds: &dyn Fn(&TestName) -> Option<f64>,
) -> Vec<Vec<TestName>> {
    let times: Vec<Option<f64>> = tests
        .iter()
        .map(|name| seconds(name).filter(|s| s.is_finite()))
        .collect();
    let typical = median(&times.iter().flatten().copied().collect::<Vec<_>>()).unwrap_or(1.0);
    // What `check` does around a test takes time too, and keeps tests of no time from all being on one shard.
    let weight = |at: usize| times[at].unwrap_or(typical).max(0.0) + 1.0;
    let mut longest_first: Vec<usize> = (0..tests.len()).collect();
    longest_first.sort_by(|a, b| weight(*b).total_cmp(&weight(*a)).then(a.cmp(b)));
    let mut members = vec![Vec::new(); shards.max(1)];
    let mut loads = vec![0.0; shards.max(1)];
    for at in longest_first {
        let lightest = (0..loads.len())
            .min_by(|a, b| f64::total_cmp(&loads[*a], &loads[*b]))
            .unwrap_or(0);
        loads[lightest] += weight(at);
        members[lightest].push(at);
    }
    let in_order = |mut shard: Vec<usize>| {
        shard.sort_unstable();
        shard.into_iter().map(|at| tests[at].clone()).collect()
    };
    members.into_iter().map(in_order).collect()
}

/// Which part of a plan is this machine's, of machines that know nothing of each other: `2/5`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub(crate) struct Share {
    /// Which one, from 1.
    pub(crate) index: u32,
    /// Of how many.
    pub(crate) of: u32,
}

/// What was given is no share.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
#[error("`{text}` is no share of a run (it is I/N with I from 1 to N, as in `2/5`)")]
pub(crate) struct BadShare {
    text: String,
}

/// Returns the tests of a share: every Nth by position, whatever is known of their times.
pub(crate) fn of_share(tests: &[TestName], share: Share) -> Vec<TestName> {
    let (first, step) = (share.index.saturating_sub(1) as usize, share.of.max(1) as usize);
    tests.iter().skip(first).step_by(step).cloned().collect()
}

impl FromStr for Share {
    type Err = BadShare;

    fn from_str(text: &str) -> Result<Self, BadShare> {
        let number = |digits: &str| {
            digits
                .bytes()
                .all(|b| b.is_ascii_digit())
                .then(|| digits.parse().ok())
                .flatten()
        };
        let numbers = text
            .split_once('/')
            .and_then(|(index, of)| Some((number(index)?, number(of)?)));
        match numbers {
            Some((index, of)) if index >= 1 && index <= of => Ok(Self { index, of }),
            _ => Err(BadShare {
                text: text.chars().take(80).collect(),
            }),
        }
    }
}

impl fmt::Display for Share {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.index, self.of)
    }
}

impl From<Share> for String {
    fn from(share: Share) -> Self {
        share.to_string()
    }
}

impl TryFrom<String> for Share {
    type Error = BadShare;

    fn try_from(text: String) -> Result<Self, BadShare> {
        text.parse()
    }
}

#[cfg(test)]
mod tests {
    use rstest::rstest;

    use super::{Share, of_share, split};
    use crate::results::test_name::TestName;

    fn names(count: usize) -> Vec<TestName> {
        (1..=count)
            .map(|n| format!("generic/{n:03}").parse().unwrap())
            .collect()
    }

    fn told(shards: &[Vec<TestName>]) -> Vec<String> {
        let short = |name: &TestName| name.as_str().trim_start_matches("generic/").to_owned();
        shards
            .iter()
            .map(|shard| shard.iter().map(short).collect::<Vec<_>>().join(" "))
            .collect()
    }

    #[rstest]
    #[case(&[Some(100.0), Some(1.0), Some(2.0), Some(3.0)], 2, &["001", "002 003 004"])]
    #[case(&[Some(1.0), Some(50.0), Some(50.0), Some(1.0)], 2, &["001 002", "003 004"])]
    #[case(&[Some(9.0), None, None, Some(9.0)], 2, &["001 003", "002 004"])]
    #[case(&[None, None, None, None], 2, &["001 003", "002 004"])]
    #[case(&[Some(0.0), Some(0.0)], 3, &["001", "002", ""])]
    #[case(&[None, Some(f64::NAN)], 1, &["001 002"])]
    #[case(&[], 2, &["", ""])]
    #[case(&[None], 0, &["001"])]
    fn the_longest_goes_to_the_least_loaded(
        #[case] times: &[Option<f64>],
        #[case] shards: usize,
        #[case] expected: &[&str],
    ) {
        let tests = names(times.len());
        let seconds = |name: &TestName| times[tests.iter().position(|it| it == name).unwrap()];
        assert_eq!(told(&split(&tests, shards, &seconds)), expected);
    }

    #[rstest]
    #[case(0, 4)]
    #[case(1, 3)]
    #[case(10, 3)]
    #[case(11, 1)]
    fn shares_together_are_the_plan_and_no_test_is_in_two(#[case] count: usize, #[case] of: u32) {
        let tests = names(count);
        let mut all: Vec<TestName> = (1..=of)
            .flat_map(|index| of_share(&tests, Share { index, of }))
            .collect();
        all.sort();
        assert_eq!(all, tests);
    }

    #[rstest]
    #[case("1/1", Some((1, 1)))]
    #[case("2/5", Some((2, 5)))]
    #[case("5/5", Some((5, 5)))]
    #[case("0/5", None)]
    #[case("6/5", None)]
    #[case("1/0", None)]
    #[case("1", None)]
    #[case("", None)]
    #[case("+1/2", None)]
    #[case("1/2/3", None)]
    #[case("99999999999/99999999999", None)]
    fn a_share_is_one_of_some(#[case] text: &str, #[case] expected: Option<(u32, u32)>) {
        assert_eq!(
            text.parse::<Share>().ok().map(|share| (share.index, share.of)),
            expected
        );
    }
}
