//! One verdict on a test that ran several times.

use super::outcome::{Attempt, Outcome, TestResult};

/// Why a test ran several times, and so what one good attempt is worth.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Again {
    /// To see whether it ever fails (`--repeat`): the worst attempt is the verdict.
    Repeat,
    /// Because it failed (`--retry-failed`): a pass after it is a pass, and flaky.
    ///
    /// A lost machine is not forgiven: no later pass makes a crash or a hang good.
    Retry,
}

/// Puts what came of one test at several times, in order, together; `None` of nothing.
///
/// The verdict has the name, the reason, the files and the shard of the attempt that decides, the troubles of all
/// of them and the longest time. A verdict that has attempts already is taken apart again, so that one can be
/// added at a time.
pub(crate) fn together(results: Vec<TestResult>, again: Again) -> Option<TestResult> {
    if results.len() < 2 {
        return results.into_iter().next();
    }
    let attempts: Vec<Attempt> = results.iter().flat_map(attempts_of).collect();
    let worst = attempts.iter().map(|attempt| attempt.outcome).max()?;
    let passed_at_last = attempts
        .last()
        .is_some_and(|attempt| attempt.outcome == Outcome::Pass);
    let is_forgiven = again == Again::Retry && passed_at_last && !worst.took_the_machine();
    let outcome = if is_forgiven { Outcome::Pass } else { worst };
    let seconds = results
        .iter()
        .filter_map(|result| result.seconds)
        .max_by(f64::total_cmp);
    let troubles = results
        .iter()
        .flat_map(|result| result.troubles.clone())
        .collect();
    let files = results.iter().flat_map(|result| result.files.clone()).collect();
    // A forgiven failure has left its files and its reason: that is what somebody will want to see.
    let telling = if is_forgiven { worst } else { outcome };
    let decides = results
        .iter()
        .rposition(|result| result.outcome == telling)
        .unwrap_or(results.len() - 1);
    let decides = results.into_iter().nth(decides)?;
    Some(TestResult {
        outcome,
        seconds,
        troubles,
        attempts,
        files,
        ..decides
    })
}

fn attempts_of(result: &TestResult) -> Vec<Attempt> {
    if !result.attempts.is_empty() {
        return result.attempts.clone();
    }
    vec![Attempt {
        outcome: result.outcome,
        seconds: result.seconds,
        reason: result.reason.clone(),
    }]
}

#[cfg(test)]
mod tests {
    use rstest::rstest;

    use super::{Again, together};
    use crate::results::outcome::Outcome::{self, Crashed, Fail, NeverStarted, NotRun, Pass};
    use crate::results::outcome::TestResult;

    fn ran(outcomes: &[Outcome]) -> Vec<TestResult> {
        let of = |(at, outcome): (usize, &Outcome)| TestResult {
            seconds: Some(at as f64),
            reason: (*outcome != Pass).then(|| format!("reason {at}")),
            ..TestResult::new("generic/001".parse().unwrap(), *outcome)
        };
        outcomes.iter().enumerate().map(of).collect()
    }

    #[rstest]
    #[case(Again::Repeat, &[Pass, Pass], Pass, None)]
    #[case(Again::Repeat, &[Pass, Fail, Pass, Pass, Pass], Fail, Some("flaky 20 % (1/5)"))]
    #[case(Again::Repeat, &[Pass, Fail, Crashed], Crashed, Some("flaky 67 % (2/3)"))]
    #[case(Again::Repeat, &[Fail, Fail], Fail, None)]
    #[case(Again::Repeat, &[Pass, NeverStarted], NeverStarted, None)]
    #[case(Again::Repeat, &[NotRun, NotRun], NotRun, None)]
    #[case(Again::Retry, &[Fail, Pass], Pass, Some("flaky 50 % (1/2)"))]
    #[case(Again::Retry, &[Fail, Fail, Pass], Pass, Some("flaky 67 % (2/3)"))]
    #[case(Again::Retry, &[Fail, Fail], Fail, None)]
    #[case(Again::Retry, &[Crashed, Pass], Crashed, Some("flaky 50 % (1/2)"))]
    #[case(Again::Retry, &[Fail, NeverStarted], Fail, None)]
    fn the_verdict_is_the_worst_unless_a_retry_passed(
        #[case] again: Again,
        #[case] outcomes: &[Outcome],
        #[case] expected: Outcome,
        #[case] flaky: Option<&str>,
    ) {
        let verdict = together(ran(outcomes), again).unwrap();
        let told = verdict.flakiness().map(|flakiness| flakiness.to_string());
        assert_eq!((verdict.outcome, told.as_deref()), (expected, flaky));
        assert_eq!(verdict.attempts.len(), outcomes.len());
        assert_eq!(verdict.is_flaky(), flaky.is_some());
        // One at a time is the same.
        let mut results = ran(outcomes).into_iter();
        let first = results.next();
        let one_by_one = results.fold(first, |all, next| {
            together(all.into_iter().chain([next]).collect(), again)
        });
        assert_eq!(
            one_by_one.map(|it| (it.outcome, it.attempts)),
            Some((verdict.outcome, verdict.attempts))
        );
    }

    #[test]
    fn one_attempt_is_no_list_and_none_is_nothing() {
        assert_eq!(together(ran(&[Fail]), Again::Retry).unwrap().attempts, []);
        assert_eq!(together(vec![], Again::Repeat), None);
    }

    #[test]
    fn a_flaky_pass_keeps_the_reason_of_its_failure() {
        let verdict = together(ran(&[Fail, Pass]), Again::Retry).unwrap();
        assert_eq!(verdict.reason.as_deref(), Some("reason 0"));
        assert_eq!(verdict.seconds, Some(1.0));
    }
}
