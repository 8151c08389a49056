use rstest::rstest;

use super::{Comparison, compare};
use crate::results::outcome::Attempt;
use crate::results::outcome::Outcome::{
    self, Crashed, Expunged, Fail, Hung, Interrupted, NeverStarted, NotRun, Pass,
};
use crate::results::run::RunResults;
use crate::results::run::tests::run_of;

fn attempts(outcomes: &[Outcome]) -> Vec<Attempt> {
    outcomes
        .iter()
        .map(|outcome| Attempt {
            outcome: *outcome,
            seconds: None,
            reason: None,
        })
        .collect()
}

/// A run of one test, or of none; `flaky` has failed once and passed once.
fn run(outcome: Option<Outcome>, is_flaky: bool) -> RunResults {
    let mut run = run_of(&outcome.into_iter().collect::<Vec<_>>());
    if is_flaky {
        run.tests[0].attempts = attempts(&[Fail, Pass]);
    }
    run
}

fn lists(found: &Comparison) -> String {
    let all = [
        ("new", found.new_failures.len()),
        ("fixed", found.fixed.len()),
        ("still", found.still_failing.len()),
        ("flaky", found.flaky.len()),
        ("lost", found.lost.len()),
        ("gone", found.gone.len()),
        ("added", found.added.len()),
        ("slower", found.slower.len()),
    ];
    let there: Vec<&str> = all
        .iter()
        .filter(|(_, count)| *count > 0)
        .map(|(name, _)| *name)
        .collect();
    there.join(" ")
}

#[rstest]
#[case(Some(Pass), Some(Pass), "")]
#[case(Some(Pass), Some(Fail), "new")]
#[case(Some(Pass), Some(Crashed), "new")]
#[case(Some(NotRun), Some(Fail), "new")]
#[case(Some(Expunged), Some(Hung), "new")]
#[case(Some(NeverStarted), Some(Fail), "new")]
#[case(Some(Fail), Some(Crashed), "new")]
#[case(Some(Fail), Some(Pass), "fixed")]
#[case(Some(Crashed), Some(Pass), "fixed")]
#[case(Some(Fail), Some(Fail), "still")]
#[case(Some(Crashed), Some(Hung), "still")]
#[case(Some(Crashed), Some(Fail), "still")]
#[case(Some(Pass), Some(NotRun), "lost")]
#[case(Some(Pass), Some(Expunged), "lost")]
#[case(Some(Pass), Some(NeverStarted), "lost")]
#[case(Some(Pass), Some(Interrupted), "lost")]
#[case(Some(Fail), Some(NotRun), "lost")]
#[case(Some(NotRun), Some(NotRun), "")]
#[case(Some(NotRun), Some(Pass), "")]
#[case(Some(NotRun), Some(Expunged), "")]
#[case(Some(Pass), None, "gone")]
#[case(None, Some(Pass), "added")]
#[case(None, Some(Fail), "new added")]
#[case(None, None, "")]
fn a_test_is_where_its_change_belongs(
    #[case] then: Option<Outcome>,
    #[case] now: Option<Outcome>,
    #[case] expected: &str,
) {
    assert_eq!(lists(&compare(&run(then, false), &run(now, false))), expected);
}

#[rstest]
#[case(Pass, true, Fail, false, "flaky")]
#[case(Pass, false, Fail, true, "flaky")]
#[case(Pass, false, Pass, true, "flaky")]
#[case(Fail, true, Pass, false, "flaky")]
#[case(Pass, true, Crashed, false, "new")]
fn what_is_flaky_in_either_is_not_news_unless_it_takes_the_machine(
    #[case] then: Outcome,
    #[case] then_flaky: bool,
    #[case] now: Outcome,
    #[case] now_flaky: bool,
    #[case] expected: &str,
) {
    assert_eq!(
        lists(&compare(&run(Some(then), then_flaky), &run(Some(now), now_flaky))),
        expected
    );
}

#[rstest]
#[case(10.0, 31.0, "")]
#[case(10.0, 41.0, "slower")]
#[case(100.0, 250.0, "")]
#[case(1.0, 20.0, "")]
fn slower_is_what_no_busy_machine_explains(#[case] then: f64, #[case] now: f64, #[case] expected: &str) {
    let (mut old, mut new) = (run(Some(Pass), false), run(Some(Pass), false));
    old.tests[0].seconds = Some(then);
    new.tests[0].seconds = Some(now);
    assert_eq!(lists(&compare(&old, &new)), expected);
}

#[test]
fn the_comparison_is_told_worst_first() {
    let old = run_of(&[Pass, Pass, Fail, Fail, Pass, Pass]);
    let mut new = run_of(&[Fail, NotRun, Pass, Fail, Pass]);
    new.tests[4].seconds = Some(400.0);
    new.tests.extend(run_of(&[Pass; 9]).tests.into_iter().skip(6));
    let expected = "\
compared with run-1:
  new failures (1)
    generic/001  pass -> fail: why fail
  had a result, and have none (1)
    generic/002  pass -> not run: why not run
  fixed (1): generic/003
  still failing (1): generic/004
  gone (1): generic/006
  added (3): generic/007 generic/008 generic/009
  slower (1)
    generic/005  8 s -> 400 s";
    assert_eq!(compare(&old, &new).to_string(), expected);
}

#[test]
fn long_lists_are_cut_and_nothing_is_said_to_be_nothing() {
    let some = run_of(&[Pass; 20]);
    let told = compare(&some, &run_of(&[])).to_string();
    assert!(told.ends_with("generic/012 and 8 more"), "{told}");
    assert_eq!(
        compare(&some, &some).to_string(),
        "compared with run-1: nothing changed"
    );
}
