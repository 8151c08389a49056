use rstest::rstest;

use super::summary;
use crate::results::compare::compare;
use crate::results::outcome::Attempt;
use crate::results::outcome::Outcome::{self, Crashed, Fail, NeverStarted, NotRun, Pass};
use crate::results::run::RunEnd;
use crate::results::run::tests::run_of;
use crate::results::trouble::{Trouble, TroubleKind};

#[test]
fn disks_that_are_slices_are_told() {
    let mut run = run_of(&[Pass]);
    run.volumes[0].offset = Some(0);
    let told = summary(&run, None);
    assert!(
        told.starts_with("ext4 on 6.1.0-56-amd64 (QEMU, tcg, disks are slices of a volume), 1 test in"),
        "{told}"
    );
}

#[test]
fn a_run_with_everything_is_told() {
    let mut run = run_of(&[Pass, Fail, NotRun, Crashed, Pass, NeverStarted, NeverStarted]);
    run.tests[1].files = vec![
        "results/generic/002.out.bad".into(),
        "results/generic/002.full".into(),
    ];
    run.tests[3]
        .troubles
        .push(Trouble::new(TroubleKind::Panic, "Kernel panic - not syncing: x"));
    run.tests[4]
        .troubles
        .push(Trouble::new(TroubleKind::IoError, "I/O error, dev loop0"));
    run.troubles.push(Trouble::new(
        TroubleKind::Warning,
        "WARNING: CPU: 0 PID: 1 at x.c:1 f+0x1/0x2",
    ));
    let attempt = |outcome| Attempt {
        outcome,
        seconds: None,
        reason: None,
    };
    run.tests[4].attempts = vec![attempt(Fail), attempt(Pass)];
    let old = run_of(&[Pass, Pass]);
    let expected = "\
ext4 on 6.1.0-56-amd64 (QEMU, tcg), 7 tests in 2m 5s
2 passed, 1 not run, 2 never started, 1 failed, 1 crashed

did not pass:
  generic/004  crashed: why crashed
  generic/002  fail: why fail
               see results/generic/002.out.bad
               see results/generic/002.full
  never started (2): generic/006 generic/007: why never started

the kernel said:
  outside of tests  warning: WARNING: CPU: 0 PID: 1 at x.c:1 f+0x1/0x2
  generic/004  panic: Kernel panic - not syncing: x
  and 1 that tests ask for or that are harmless

flaky:
  generic/005  flaky 50 % (1/2)

slowest: generic/007 11s, generic/006 9s, generic/005 8s, generic/004 6s, generic/003 5s

compared with run-1:
  new failures (2)
    generic/002  pass -> fail: why fail
    generic/004  absent -> crashed: why crashed
  added (5): generic/003 generic/004 generic/005 generic/006 generic/007

FAILED, with trouble in the kernel";
    assert_eq!(summary(&run, Some(&compare(&old, &run))), expected);
}

#[test]
fn a_run_without_anything_to_say_is_short() {
    let mut run = run_of(&[Pass]);
    run.share = Some("1/2".parse().unwrap());
    let expected = "ext4 on 6.1.0-56-amd64 (QEMU, tcg, share 1/2), 1 test in 2m 5s\n1 passed\n\nPASSED";
    assert_eq!(summary(&run, None), expected);
}

#[rstest]
#[case(RunEnd::Complete, &[], "FAILED, no test ran (see what was selected and expunged)")]
#[case(RunEnd::Complete, &[Fail], "FAILED")]
#[case(RunEnd::Interrupted, &[Pass], "INTERRUPTED")]
#[case(RunEnd::OutOfTime, &[Pass], "FAILED, the run's time was over")]
#[case(RunEnd::Failed { why: "no volumes".into() }, &[Pass], "FAILED, the run could not go on: no volumes")]
#[case(RunEnd::Crashed { why: "Kernel panic".into() }, &[Pass], "CRASHED: Kernel panic")]
fn the_last_line_is_the_verdict(#[case] end: RunEnd, #[case] outcomes: &[Outcome], #[case] expected: &str) {
    let run = crate::results::run::RunResults {
        end,
        ..run_of(outcomes)
    };
    let text = summary(&run, None);
    assert_eq!(text.lines().last(), Some(expected));
}

#[test]
fn hundreds_that_never_started_are_one_line() {
    let text = summary(&run_of(&[NeverStarted; 300]), None);
    assert!(
        text.contains(
            "\n  never started (300): generic/001 generic/002 generic/003 generic/004 and 296 more: why never started\n"
        ),
        "{text}"
    );
}
