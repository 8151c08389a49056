//! What came of each test of a round.

use std::collections::{BTreeMap, BTreeSet, HashSet};
use std::time::Duration;

use super::attempts::{Again, together};
use super::outcome::{Outcome, TestResult};
use super::test_name::TestName;
use super::trouble::{Trouble, TroubleKind, few};
use super::xunit::{Reported, Status};

/// One start of `check` in one machine, and all that is known of it.
pub(crate) struct Round<'a> {
    /// What this round was to run, in order.
    pub(crate) planned: &'a [TestName],
    /// Whether `check` was started at all: a machine that dies before has no test to blame.
    pub(crate) began: bool,
    /// What `check` has reported.
    pub(crate) reported: &'a [Reported],
    /// The tests of which the kernel's log marks the start, in order.
    pub(crate) started: &'a [TestName],
    /// What the kernel said, each with the test whose mark came last before it.
    pub(crate) troubles: &'a [(Option<TestName>, Trouble)],
    /// What a test asks for.
    pub(crate) asked_for: &'a dyn Fn(&TestName) -> BTreeSet<TroubleKind>,
    /// How it ended.
    pub(crate) end: RoundEnd,
}

/// How a round ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum RoundEnd {
    /// `check` came to its end.
    Finished {
        /// Its exit status.
        code: i32,
    },
    /// The kernel gave up.
    Crashed {
        /// What shows it.
        why: String,
    },
    /// A test exceeded its limit.
    Hung {
        /// The limit.
        limit: Duration,
    },
    /// The run exceeded its limit; the test that was running is not to blame.
    OutOfTime {
        /// The limit.
        limit: Duration,
    },
    /// A signal came.
    Interrupted,
    /// The machine's program ended by itself, without a word of the kernel.
    Died {
        /// How it ended.
        why: String,
    },
}

/// Judges: every planned test gets exactly one verdict, in the plan's order; then those that nobody planned.
///
/// A test that has a report keeps it. Of the others, the one that was running has the fault of the round's end, and
/// the rest never started. A test without a fault of its own during which the kernel said something serious that
/// the test did not ask for has failed; failed requests of stacked devices are noted only. A second report of the
/// same test (`--exact-order` may name one twice) is a second attempt.
pub(crate) fn verdicts(round: &Round<'_>) -> Vec<TestResult> {
    let reports = reports(round.reported);
    let running = running(round, &reports);
    let mut results: Vec<TestResult> = Vec::new();
    let mut judged = HashSet::new();
    for name in round.planned.iter().filter(|name| judged.insert(*name)) {
        results.push(match reports.get(name) {
            Some(result) => result.clone(),
            None if running == Some(name) => at_the_end(name, round),
            None => unfinished(name, round),
        });
    }
    for (name, result) in &reports {
        if judged.insert(name) {
            let said = result
                .reason
                .as_ref()
                .map_or(String::new(), |reason| format!(": {reason}"));
            results.push(
                result
                    .clone()
                    .because(format!("not in the plan, but `check` ran it{said}")),
            );
        }
    }
    for result in &mut results {
        mark(result, round);
    }
    results
}

fn reports(reported: &[Reported]) -> BTreeMap<TestName, TestResult> {
    let mut reports: BTreeMap<TestName, TestResult> = BTreeMap::new();
    for one in reported {
        let mut result = TestResult::new(one.name.clone(), one.status.outcome());
        result.seconds = one.seconds;
        if let Status::Fail(why) | Status::NotRun(why) = &one.status {
            result.reason = Some(why.clone()).filter(|why| !why.is_empty());
        }
        let all = reports.remove(&one.name).into_iter().chain([result]).collect();
        reports.extend(together(all, Again::Repeat).map(|result| (one.name.clone(), result)));
    }
    reports
}

/// Returns the test that ran when the round ended; `None` where `check` finished or no test can be named.
///
/// `check` writes its report before each test's mark: a test that is marked last and has no report was running, or
/// the checks after it were. Between a report and the next mark nothing can be blamed.
fn running<'a>(round: &Round<'a>, reports: &BTreeMap<TestName, TestResult>) -> Option<&'a TestName> {
    let is_open = |name: &&TestName| round.planned.contains(name) && !reports.contains_key(*name);
    match (&round.end, round.started.last()) {
        (RoundEnd::Finished { .. }, _) => None,
        (_, Some(last)) => Some(last).filter(is_open),
        (_, None) if round.began => round.planned.iter().find(is_open),
        (_, None) => None,
    }
}

/// The verdict on the test that was running.
fn at_the_end(name: &TestName, round: &Round<'_>) -> TestResult {
    let plain = |outcome, reason| TestResult::new(name.clone(), outcome).because(reason);
    match &round.end {
        RoundEnd::Crashed { why } | RoundEnd::Died { why } => plain(Outcome::Crashed, why.clone()),
        RoundEnd::Hung { limit } => TestResult {
            seconds: Some(limit.as_secs_f64()),
            ..plain(
                Outcome::Hung,
                format!("still running after its limit of {}", told(*limit)),
            )
        },
        RoundEnd::OutOfTime { limit } => plain(
            Outcome::Interrupted,
            format!("was running when the run's {} were over", told(*limit)),
        ),
        RoundEnd::Interrupted => plain(
            Outcome::Interrupted,
            "was running when the run was interrupted".to_owned(),
        ),
        RoundEnd::Finished { .. } => unfinished(name, round),
    }
}

/// The verdict on a test that has no report and was not running.
fn unfinished(name: &TestName, round: &Round<'_>) -> TestResult {
    if round.started.contains(name) {
        let lost = "it started, but `check` has left no result of it (was the disk for results full?)";
        return TestResult::new(name.clone(), Outcome::Fail).because(lost);
    }
    let before = if round.began {
        "before it"
    } else {
        "before any test"
    };
    let reason = match &round.end {
        RoundEnd::Finished { code } => format!("`check` ended with status {code} without it"),
        RoundEnd::Crashed { why } => format!("the kernel crashed {before}: {why}"),
        RoundEnd::Died { why } => format!("the machine ended {before}: {why}"),
        RoundEnd::Hung { limit } if round.began => format!("a test before it exceeded {}", told(*limit)),
        RoundEnd::Hung { limit } => format!("the machine hung before any test, for {}", told(*limit)),
        RoundEnd::OutOfTime { limit } => format!("the run's {} were over {before}", told(*limit)),
        RoundEnd::Interrupted => format!("the run was interrupted {before}"),
    };
    TestResult::new(name.clone(), Outcome::NeverStarted).because(reason)
}

/// Adds what the kernel said during the test, and fails a test that did not ask for it.
fn mark(result: &mut TestResult, round: &Round<'_>) {
    let said: Vec<&Trouble> = round
        .troubles
        .iter()
        .filter(|(name, _)| name.as_ref() == Some(&result.name))
        .map(|(_, it)| it)
        .collect();
    if said.is_empty() {
        return;
    }
    let asked_for = (round.asked_for)(&result.name);
    let judge = |trouble: &Trouble| Trouble {
        asked_for: asked_for.contains(&trouble.kind),
        ..trouble.clone()
    };
    result.troubles = few(said.into_iter().map(judge).collect());
    let unasked = result.troubles.iter().find(|trouble| trouble.counts());
    if let (true, Some(trouble)) = (result.outcome.is_good(), unasked) {
        result.reason = Some(format!(
            "{}: {} (`check` says: {})",
            trouble.kind, trouble.line, result.outcome
        ));
        result.outcome = Outcome::Fail;
    }
}

/// A time without fractions of a second.
fn told(time: Duration) -> String {
    humantime::format_duration(Duration::from_secs(time.as_secs())).to_string()
}

#[cfg(test)]
#[path = "verdict_tests.rs"]
mod tests;
