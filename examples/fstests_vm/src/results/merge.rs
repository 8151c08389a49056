//! The shares of one run, put together.

use super::run::{RunEnd, RunResults};
use super::test_name::TestName;

/// Why runs are not the shares of one.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum MergeError {
    /// There is nothing to put together.
    #[error("no runs to merge (name the directories of all shares)")]
    Nothing,
    /// A run was no share.
    #[error("run `{id}` is no share of a run (it was made without `--shard I/N`)")]
    Whole { id: String },
    /// Two runs are shares of plans that were cut differently.
    #[error("run `{id}` is share {found} where the others are of {of} (merge the shares of one run)")]
    Differently { id: String, found: String, of: u32 },
    /// One share is there twice.
    #[error("share {share} is there twice: runs `{first}` and `{second}` (name each share once)")]
    Twice {
        share: String,
        first: String,
        second: String,
    },
    /// A share is not there: its tests have no verdicts.
    #[error(
        "{} missing of {of} (a run without them is no result; did their machines fail?)",
        listed(missing)
    )]
    Missing { missing: Vec<u32>, of: u32 },
    /// Two shares are not of the same run.
    #[error(
        "runs `{first}` and `{second}` differ in {what}: `{one}` and `{other}` (merge the shares of one run)"
    )]
    Unlike {
        what: &'static str,
        first: String,
        second: String,
        one: String,
        other: String,
    },
    /// Two shares have one test.
    #[error("runs `{first}` and `{second}` both have {test} (were their plans made from the same tree?)")]
    Overlap {
        test: TestName,
        first: String,
        second: String,
    },
}

fn listed(missing: &[u32]) -> String {
    let numbers: Vec<String> = missing.iter().map(u32::to_string).collect();
    let noun = if numbers.len() == 1 { "share" } else { "shares" };
    format!("{noun} {}", numbers.join(", "))
}

/// Puts the shares of one run, in any order, together into the run that one machine would have made.
///
/// Its time is the longest share's, its end the worst of theirs, its id the first share's.
/// Each test says which share it was of, as its shard.
///
/// # Errors
///
/// [`MergeError`] for whatever is missing, double or not of the same run: a lost share must not pass for success.
pub(crate) fn merge(mut runs: Vec<RunResults>) -> Result<RunResults, MergeError> {
    runs.sort_by_key(|run| run.share);
    let first = runs.first().ok_or(MergeError::Nothing)?;
    is_each_share_there(&runs)?;
    for other in &runs[1..] {
        are_alike(first, other)?;
    }
    no_test_is_in_two(&runs)?;
    let mut runs = runs.into_iter();
    let mut whole = runs.next().ok_or(MergeError::Nothing)?;
    label(&mut whole);
    for mut run in runs {
        label(&mut run);
        whole.started = whole.started.min(run.started);
        whole.seconds = whole.seconds.max(run.seconds);
        whole.shards += run.shards;
        whole.volumes.append(&mut run.volumes);
        whole.troubles.append(&mut run.troubles);
        whole.tests.append(&mut run.tests);
        if badness(&run.end) > badness(&whole.end) {
            whole.end = run.end;
        }
    }
    whole.share = None;
    whole.tests.sort_by(|a, b| a.name.cmp(&b.name));
    Ok(whole)
}

fn is_each_share_there(runs: &[RunResults]) -> Result<(), MergeError> {
    let mut of = None;
    let mut seen: Vec<(u32, &str)> = Vec::new();
    for run in runs {
        let share = run
            .share
            .ok_or_else(|| MergeError::Whole { id: run.id.clone() })?;
        let of = *of.get_or_insert(share.of);
        if share.of != of {
            return Err(MergeError::Differently {
                id: run.id.clone(),
                found: share.to_string(),
                of,
            });
        }
        if let Some((_, first)) = seen.iter().find(|(index, _)| *index == share.index) {
            let (first, second) = ((*first).to_owned(), run.id.clone());
            return Err(MergeError::Twice {
                share: share.to_string(),
                first,
                second,
            });
        }
        seen.push((share.index, &run.id));
    }
    let of = of.unwrap_or_default();
    let missing: Vec<u32> = (1..=of)
        .filter(|index| !seen.iter().any(|(there, _)| there == index))
        .collect();
    if missing.is_empty() {
        Ok(())
    } else {
        Err(MergeError::Missing { missing, of })
    }
}

/// The one thing that a run may not know.
const KERNEL: &str = "kernel";

/// Compares what decides which tests there are and what they test. Paths may differ: each machine has its own.
fn are_alike(one: &RunResults, other: &RunResults) -> Result<(), MergeError> {
    let of = |run: &RunResults| {
        let options = |it: &Option<String>| it.clone().unwrap_or_default();
        [
            (KERNEL, options(&run.kernel.release)),
            ("file system", run.filesystem.kind.clone()),
            ("mkfs options", options(&run.filesystem.mkfs_options)),
            ("mount options", options(&run.filesystem.mount_options)),
            ("fstests' version", options(&run.fstests.version)),
            (
                "kind of machine",
                format!("{:?}", run.machine.kind).to_lowercase(),
            ),
            ("check's arguments", run.check_args.join(" ")),
        ]
    };
    for ((what, left), (_, right)) in of(one).into_iter().zip(of(other)) {
        // A share whose machines never came up knows no kernel; its tests say what became of them.
        let is_unknown = what == KERNEL && (left.is_empty() || right.is_empty());
        if left != right && !is_unknown {
            let (first, second) = (one.id.clone(), other.id.clone());
            return Err(MergeError::Unlike {
                what,
                first,
                second,
                one: left,
                other: right,
            });
        }
    }
    Ok(())
}

fn no_test_is_in_two(runs: &[RunResults]) -> Result<(), MergeError> {
    let mut seen = std::collections::BTreeMap::new();
    for run in runs {
        for test in &run.tests {
            if let Some(first) = seen.insert(&test.name, &run.id) {
                let (first, second) = (first.clone(), run.id.clone());
                return Err(MergeError::Overlap {
                    test: test.name.clone(),
                    first,
                    second,
                });
            }
        }
    }
    Ok(())
}

fn label(run: &mut RunResults) {
    let share = run.share.map(|share| share.index);
    for test in &mut run.tests {
        test.shard = share;
    }
}

fn badness(end: &RunEnd) -> u8 {
    match end {
        RunEnd::Complete => 0,
        RunEnd::OutOfTime => 1,
        RunEnd::Failed { .. } => 2,
        RunEnd::Crashed { .. } => 3,
        RunEnd::Interrupted => 4,
    }
}

#[cfg(test)]
mod tests {
    use rstest::rstest;

    use super::merge;
    use crate::results::outcome::Outcome::{Crashed, Pass};
    use crate::results::run::tests::run_of;
    use crate::results::run::{RunEnd, RunResults};

    fn share(text: &str) -> RunResults {
        let mut run = run_of(&[Pass]);
        run.share = (text != "-").then(|| text.parse().unwrap());
        run.id = format!("run-{text}");
        run.tests[0].name = format!("generic/00{}", &text[..1])
            .parse()
            .unwrap_or(run.tests[0].name.clone());
        run
    }

    #[test]
    fn shares_in_any_order_are_one_run() {
        let mut last = share("3/3");
        last.tests[0].outcome = Crashed;
        last.seconds = 500.0;
        last.end = RunEnd::Crashed { why: "x".into() };
        let whole = merge(vec![last, share("1/3"), share("2/3")]).unwrap();
        let tests: Vec<String> = whole
            .tests
            .iter()
            .map(|it| format!("{} {} {:?}", it.name, it.outcome, it.shard))
            .collect();
        assert_eq!(
            tests,
            [
                "generic/001 pass Some(1)",
                "generic/002 pass Some(2)",
                "generic/003 crashed Some(3)"
            ]
        );
        assert_eq!(
            (whole.share, whole.shards, whole.seconds, whole.exit_code()),
            (None, 3, 500.0, 3)
        );
        assert_eq!(whole.volumes.len(), 3);
    }

    #[rstest]
    #[case(&[], "no runs to merge (name the directories of all shares)")]
    #[case(&["1/3", "3/3"], "share 2 missing of 3 (a run without them is no result; did their machines fail?)")]
    #[case(&["2/4"], "shares 1, 3, 4 missing of 4 (a run without them is no result; did their machines fail?)")]
    #[case(&["1/2", "1/2"], "share 1/2 is there twice: runs `run-1/2` and `run-1/2` (name each share once)")]
    #[case(&["1/2", "2/3"], "run `run-2/3` is share 2/3 where the others are of 2 (merge the shares of one run)")]
    #[case(&["1/2", "-"], "run `run--` is no share of a run (it was made without `--shard I/N`)")]
    fn a_share_that_is_missing_or_double_is_an_error(#[case] shares: &[&str], #[case] expected: &str) {
        let runs = shares.iter().map(|text| share(text)).collect();
        assert_eq!(merge(runs).unwrap_err().to_string(), expected);
    }

    #[rstest]
    #[case("kernel", |run: &mut RunResults| run.kernel.release = Some("6.2".into()))]
    #[case("file system", |run: &mut RunResults| run.filesystem.kind = "xfs".into())]
    #[case("mount options", |run: &mut RunResults| run.filesystem.mount_options = None)]
    #[case("fstests' version", |run: &mut RunResults| run.fstests.version = None)]
    #[case("check's arguments", |run: &mut RunResults| run.check_args.clear())]
    fn shares_of_different_runs_are_an_error(#[case] what: &str, #[case] change: fn(&mut RunResults)) {
        let mut other = share("2/2");
        change(&mut other);
        let said = merge(vec![share("1/2"), other]).unwrap_err().to_string();
        assert!(said.contains(&format!("differ in {what}: ")), "{said}");
    }

    #[test]
    fn a_test_in_two_shares_is_an_error() {
        let mut other = share("2/2");
        other.tests = share("1/2").tests;
        assert_eq!(
            merge(vec![share("1/2"), other]).unwrap_err().to_string(),
            "runs `run-1/2` and `run-2/2` both have generic/001 (were their plans made from the same tree?)"
        );
    }
}
