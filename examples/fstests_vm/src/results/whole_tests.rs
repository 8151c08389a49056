//! From what a machine leaves behind to what a person reads, with real samples.

use super::outcome::{Outcome, TestResult};
use super::run::tests::run_of;
use super::scanner::{Event, Scanner};
use super::test_name::TestName;
use super::verdict::{Round, RoundEnd, verdicts};
use super::xunit;
use super::{asked_for, compare, junit, listing, summary};

const PLANNED_OUT: &str = include_str!("samples/planned.out");
const RESULT: &[u8] = include_bytes!("samples/result.xml");
const CONSOLE: &[u8] = include_bytes!("samples/qemu.console");

/// The console has an OOM kill in generic/001 and a panic in generic/002.
#[test]
fn a_crash_goes_from_the_console_to_the_exit_status() {
    let mut scanner = Scanner::default();
    let mut events = scanner.feed(CONSOLE);
    events.extend(scanner.finish());
    let mut started: Vec<TestName> = Vec::new();
    let mut troubles = Vec::new();
    for event in events {
        match event {
            Event::TestStarted(name) => started.push(name),
            Event::Trouble(trouble) => troubles.push((started.last().cloned(), trouble)),
        }
    }
    let plan = listing::planned(PLANNED_OUT, |_| true).unwrap();
    let planned: Vec<TestName> = plan
        .iter()
        .filter(|it| !it.is_expunged)
        .map(|it| it.name.clone())
        .collect();
    // As the file is when generic/002 begins: its first test only.
    let reported = xunit::read(RESULT).unwrap();
    let fatal = troubles
        .iter()
        .find(|(_, trouble)| trouble.kind.ends_the_machine())
        .unwrap();
    let mut results = verdicts(&Round {
        planned: &planned,
        began: true,
        reported: &reported[..1],
        started: &started,
        troubles: &troubles,
        asked_for: &|_| asked_for::asked_for(""),
        end: RoundEnd::Crashed {
            why: fatal.1.line.clone(),
        },
    });
    let expunged = plan.iter().filter(|it| it.is_expunged);
    results.extend(expunged.map(|it| TestResult::new(it.name.clone(), Outcome::Expunged)));
    results.sort_by(|a, b| a.name.cmp(&b.name));
    let mut run = run_of(&[]);
    run.tests = results;
    assert_eq!(run.exit_code(), 3);
    let old = run_of(&[Outcome::Pass, Outcome::Pass]);
    let expected = "\
ext4 on 6.1.0-56-amd64 (QEMU, tcg), 5 tests in 2m 5s
1 expunged, 2 never started, 1 failed, 1 crashed

did not pass:
  generic/002  crashed: Kernel panic - not syncing: sysrq triggered crash
  generic/001  fail: out of memory: tail invoked oom-killer: gfp_mask=0x140dca(GFP_HIGHUSER_MOVABLE|__GFP_COMP\
|__GFP_ZERO), order=0, oom_score_adj=0 (`check` says: pass)
  never started (2): generic/004 generic/990: the kernel crashed before it: Kernel panic - not syncing: sysrq \
triggered crash

the kernel said:
  generic/001  out of memory: tail invoked oom-killer: gfp_mask=0x140dca(GFP_HIGHUSER_MOVABLE|__GFP_COMP\
|__GFP_ZERO), order=0, oom_score_adj=0
  generic/002  panic: Kernel panic - not syncing: sysrq triggered crash

compared with run-1:
  new failures (2)
    generic/001  pass -> fail: out of memory: tail invoked oom-killer: gfp_mask=0x140dca(GFP_HIGHUSER_MOVABLE\
|__GFP_COMP|__GFP_ZERO), order=0, oom_score_adj=0 (`check` says: pass)
    generic/002  pass -> crashed: Kernel panic - not syncing: sysrq triggered crash
  added (3): generic/004 generic/005 generic/990

FAILED, with trouble in the kernel";
    assert_eq!(
        summary::summary(&run, Some(&compare::compare(&old, &run))),
        expected
    );
    let xml = junit::junit(&run).unwrap();
    assert!(
        xml.contains("failures=\"1\"") && xml.contains("errors=\"3\""),
        "{xml}"
    );
}
