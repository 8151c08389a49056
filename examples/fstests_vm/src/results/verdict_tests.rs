use std::collections::BTreeSet;
use std::time::Duration;

use rstest::rstest;

use super::{Round, RoundEnd, verdicts};
use crate::results::test_name::TestName;
use crate::results::trouble::{Trouble, TroubleKind};
use crate::results::xunit::{Reported, Status};

const LIMIT: Duration = Duration::from_secs(90);

fn names(short: &str) -> Vec<TestName> {
    short
        .split_whitespace()
        .map(|n| format!("generic/{n}").parse().unwrap())
        .collect()
}

/// `001 002:fail 003:notrun`.
fn reports(short: &str) -> Vec<Reported> {
    let one = |word: &str| {
        let (name, status) = word.split_once(':').unwrap_or((word, "pass"));
        let status = match status {
            "fail" => Status::Fail("output mismatch".into()),
            "notrun" => Status::NotRun("no dax".into()),
            _ => Status::Pass,
        };
        Reported {
            name: format!("generic/{name}").parse().unwrap(),
            status,
            seconds: Some(2.0),
        }
    };
    short.split_whitespace().map(one).collect()
}

fn crashed() -> RoundEnd {
    RoundEnd::Crashed {
        why: "Kernel panic".into(),
    }
}

fn tell(round: &Round<'_>) -> Vec<String> {
    let one = |result: &crate::results::outcome::TestResult| {
        let reason = result
            .reason
            .as_deref()
            .map_or(String::new(), |reason| format!(" | {reason}"));
        format!(
            "{} {}{reason}",
            result.name.as_str().trim_start_matches("generic/"),
            result.outcome
        )
    };
    verdicts(round).iter().map(one).collect()
}

#[rstest]
#[case::all_reported(RoundEnd::Finished { code: 1 }, "001 002:fail 003:notrun", "001 002 003",
    &["001 pass", "002 fail | output mismatch", "003 not run | no dax"])]
#[case::check_lost_one(RoundEnd::Finished { code: 0 }, "001 002", "001 002",
    &["001 pass", "002 pass", "003 never started | `check` ended with status 0 without it"])]
#[case::check_lost_a_result(RoundEnd::Finished { code: 0 }, "001 003", "001 002 003", &["001 pass",
    "002 fail | it started, but `check` has left no result of it (was the disk for results full?)", "003 pass"])]
#[case::a_crash(crashed(), "001", "001 002",
    &["001 pass", "002 crashed | Kernel panic", "003 never started | the kernel crashed before it: Kernel panic"])]
#[case::a_crash_without_marks(crashed(), "001", "",
    &["001 pass", "002 crashed | Kernel panic", "003 never started | the kernel crashed before it: Kernel panic"])]
#[case::a_crash_in_the_last_test(crashed(), "001 002", "001 002 003",
    &["001 pass", "002 pass", "003 crashed | Kernel panic"])]
#[case::a_crash_after_the_last_test(crashed(), "001 002 003", "001 002 003", &["001 pass", "002 pass", "003 pass"])]
#[case::a_crash_between_two_tests(crashed(), "001", "001", &["001 pass",
    "002 never started | the kernel crashed before it: Kernel panic",
    "003 never started | the kernel crashed before it: Kernel panic"])]
#[case::a_crash_with_a_lost_report(crashed(), "", "001 002", &[
    "001 fail | it started, but `check` has left no result of it (was the disk for results full?)",
    "002 crashed | Kernel panic", "003 never started | the kernel crashed before it: Kernel panic"])]
#[case::a_mark_of_a_test_of_nobody(crashed(), "001", "001 777", &["001 pass",
    "002 never started | the kernel crashed before it: Kernel panic",
    "003 never started | the kernel crashed before it: Kernel panic"])]
#[case::a_hang(RoundEnd::Hung { limit: LIMIT }, "001", "001 002", &["001 pass",
    "002 hung | still running after its limit of 1m 30s", "003 never started | a test before it exceeded 1m 30s"])]
#[case::out_of_time(RoundEnd::OutOfTime { limit: LIMIT }, "001", "001 002", &["001 pass",
    "002 interrupted | was running when the run's 1m 30s were over",
    "003 never started | the run's 1m 30s were over before it"])]
#[case::a_signal(RoundEnd::Interrupted, "001", "001 002", &["001 pass",
    "002 interrupted | was running when the run was interrupted",
    "003 never started | the run was interrupted before it"])]
#[case::the_program_died(RoundEnd::Died { why: "QEMU was killed by SIGKILL".into() }, "", "001", &[
    "001 crashed | QEMU was killed by SIGKILL",
    "002 never started | the machine ended before it: QEMU was killed by SIGKILL",
    "003 never started | the machine ended before it: QEMU was killed by SIGKILL"])]
#[case::one_that_nobody_planned(RoundEnd::Finished { code: 1 }, "001 002 003 004:fail", "", &["001 pass", "002 pass",
    "003 pass", "004 fail | not in the plan, but `check` ran it: output mismatch"])]
#[case::twice(RoundEnd::Finished { code: 1 }, "001 002 003 001:fail", "001 002 003 001",
    &["001 fail | output mismatch", "002 pass", "003 pass"])]
fn each_test_has_one_verdict(
    #[case] end: RoundEnd,
    #[case] reported: &str,
    #[case] started: &str,
    #[case] expected: &[&str],
) {
    let round = Round {
        planned: &names("001 002 003"),
        began: true,
        reported: &reports(reported),
        started: &names(started),
        troubles: &[],
        asked_for: &|_| BTreeSet::new(),
        end,
    };
    assert_eq!(tell(&round), expected);
}

#[rstest]
#[case(crashed(), "the kernel crashed before any test: Kernel panic")]
#[case(RoundEnd::Hung { limit: LIMIT }, "the machine hung before any test, for 1m 30s")]
#[case(RoundEnd::Died { why: "x".into() }, "the machine ended before any test: x")]
#[case(RoundEnd::Interrupted, "the run was interrupted before any test")]
fn a_machine_that_never_came_to_check_has_no_test_to_blame(#[case] end: RoundEnd, #[case] expected: &str) {
    let planned = names("001 002");
    let round = Round {
        planned: &planned,
        began: false,
        reported: &[],
        started: &[],
        troubles: &[],
        asked_for: &|_| BTreeSet::new(),
        end,
    };
    let want: Vec<String> = ["001", "002"]
        .iter()
        .map(|n| format!("{n} never started | {expected}"))
        .collect();
    assert_eq!(tell(&round), want);
}

#[rstest]
#[case(
    "001",
    TroubleKind::Warning,
    false,
    "001 fail | warning: said (`check` says: pass)"
)]
#[case(
    "001:notrun",
    TroubleKind::Kasan,
    false,
    "001 fail | KASAN report: said (`check` says: not run)"
)]
#[case("001", TroubleKind::Warning, true, "001 pass")]
#[case("001", TroubleKind::IoError, false, "001 pass")]
#[case(
    "001",
    TroubleKind::DiskError,
    false,
    "001 fail | disk error: said (`check` says: pass)"
)]
#[case("001", TroubleKind::DiskError, true, "001 pass")]
#[case("001:fail", TroubleKind::Oops, false, "001 fail | output mismatch")]
fn what_a_test_did_not_ask_for_fails_it(
    #[case] reported: &str,
    #[case] kind: TroubleKind,
    #[case] is_asked_for: bool,
    #[case] expected: &str,
) {
    let planned = names("001");
    let trouble = Trouble::new(kind, "said");
    let round = Round {
        planned: &planned,
        began: true,
        reported: &reports(reported),
        started: &planned,
        troubles: &[(None, trouble.clone()), (Some(planned[0].clone()), trouble)],
        asked_for: &|_| {
            if is_asked_for {
                BTreeSet::from([kind])
            } else {
                BTreeSet::new()
            }
        },
        end: RoundEnd::Finished { code: 0 },
    };
    assert_eq!(tell(&round), [expected]);
    let result = &verdicts(&round)[0];
    assert_eq!(result.troubles.len(), 1);
    assert_eq!(result.troubles[0].asked_for, is_asked_for);
}
