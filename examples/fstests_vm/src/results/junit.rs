//! The results as JUnit XML, for whatever shows tests.

use std::time::Duration;

use quick_junit::{
    NonSuccessKind, Property, Report, TestCase, TestCaseStatus, TestRerun, TestSuite, XmlString,
};

use super::outcome::{Attempt, Outcome, TestResult};
use super::run::RunResults;

/// The results cannot be written as XML.
#[derive(Debug, thiserror::Error)]
#[error("cannot write run `{id}` as JUnit XML")]
pub(crate) struct JunitError {
    id: String,
    source: quick_junit::SerializeError,
}

/// Returns the results as one test suite, named after the file system.
///
/// A test that failed is a failure; one that crashed, hung, was stopped or never started is an error, since it has
/// no result of its own; not run and expunged are skipped; a flaky one that passed has its failures as flaky runs.
/// What the kernel said is in `system-err`. Characters that XML forbids are left out.
///
/// # Errors
///
/// [`JunitError`] if the writer of XML refuses.
pub(crate) fn junit(run: &RunResults) -> Result<String, JunitError> {
    let mut suite = TestSuite::new(text(&run.filesystem.kind));
    suite.set_time(time(run.seconds));
    for (name, value) in properties(run) {
        suite.add_property(Property::new(name, text(&value)));
    }
    suite.add_test_cases(run.tests.iter().map(case));
    if !run.troubles.is_empty() {
        suite.set_system_err(text(&told(&run.troubles)));
    }
    let mut report = Report::new(text(&run.id));
    report.set_time(time(run.seconds));
    report.add_test_suite(suite);
    report.to_string().map_err(|source| JunitError {
        id: run.id.clone(),
        source,
    })
}

fn properties(run: &RunResults) -> Vec<(&'static str, String)> {
    let known = [
        ("kernel", run.kernel.release.clone()),
        ("mkfs-options", run.filesystem.mkfs_options.clone()),
        ("mount-options", run.filesystem.mount_options.clone()),
        ("fstests", run.fstests.version.clone()),
        ("accelerator", run.machine.accelerator.clone()),
    ];
    known
        .into_iter()
        .filter_map(|(name, value)| Some((name, value?)))
        .collect()
}

fn case(test: &TestResult) -> TestCase {
    let mut case = TestCase::new(text(test.name.as_str()), status(test));
    case.set_classname(text(test.name.directory()));
    if let Some(seconds) = test.seconds {
        case.set_time(time(seconds));
    }
    if !test.files.is_empty() {
        case.set_system_out(text(&test.files.join("\n")));
    }
    if !test.troubles.is_empty() {
        case.set_system_err(text(&told(&test.troubles)));
    }
    case
}

fn status(test: &TestResult) -> TestCaseStatus {
    let mut status = match test.outcome {
        Outcome::Pass => TestCaseStatus::success(),
        Outcome::NotRun | Outcome::Expunged => TestCaseStatus::skipped(),
        bad => TestCaseStatus::non_success(kind(bad)),
    };
    if test.outcome == Outcome::Pass {
        status.add_reruns(
            test.attempts
                .iter()
                .filter(|it| it.outcome.is_failure())
                .map(rerun),
        );
        return status;
    }
    let reason = test.reason.as_deref().unwrap_or_default();
    let flaky = test
        .flakiness()
        .map_or(String::new(), |flakiness| format!(" ({flakiness})"));
    status.set_type(test.outcome.to_string());
    status.set_message(text(&format!("{reason}{flaky}")));
    status
}

fn rerun(attempt: &Attempt) -> TestRerun {
    let mut rerun = TestRerun::new(kind(attempt.outcome));
    rerun.set_type(attempt.outcome.to_string());
    rerun.set_message(text(attempt.reason.as_deref().unwrap_or_default()));
    if let Some(seconds) = attempt.seconds {
        rerun.set_time(time(seconds));
    }
    rerun
}

fn kind(outcome: Outcome) -> NonSuccessKind {
    if outcome == Outcome::Fail {
        NonSuccessKind::Failure
    } else {
        NonSuccessKind::Error
    }
}

fn told(troubles: &[super::trouble::Trouble]) -> String {
    let asked = |is_asked_for| if is_asked_for { " (asked for)" } else { "" };
    let line = |it: &super::trouble::Trouble| format!("{}{}: {}", it.kind, asked(it.asked_for), it.line);
    troubles.iter().map(line).collect::<Vec<_>>().join("\n")
}

fn time(seconds: f64) -> Duration {
    Duration::try_from_secs_f64(seconds).unwrap_or_default()
}

/// Drops what XML forbids; quick-junit drops control characters and escape sequences, but not these two.
fn text(text: &str) -> XmlString {
    XmlString::new(text.replace(['\u{fffe}', '\u{ffff}'], ""))
}

#[cfg(test)]
mod tests {
    use super::junit;
    use crate::results::outcome::Attempt;
    use crate::results::outcome::Outcome::{Crashed, Expunged, Fail, NeverStarted, NotRun, Pass};
    use crate::results::run::tests::run_of;
    use crate::results::trouble::{Trouble, TroubleKind};

    #[test]
    fn each_outcome_has_its_place() {
        let mut run = run_of(&[Pass, Fail, NotRun, Expunged, Crashed, NeverStarted, Pass]);
        run.tests[1].files.push("results/generic/002.out.bad".into());
        run.tests[4]
            .troubles
            .push(Trouble::new(TroubleKind::Panic, "Kernel panic - not syncing: x"));
        let attempt = |outcome| Attempt {
            outcome,
            seconds: Some(1.0),
            reason: (outcome == Fail).then(|| "why".into()),
        };
        run.tests[6].attempts = vec![attempt(Fail), attempt(Pass)];
        let xml = junit(&run).unwrap();
        let document = roxmltree::Document::parse(&xml).unwrap();
        let children = |n: roxmltree::Node<'_, '_>| {
            let of = |c: roxmltree::Node<'_, '_>| {
                let said = c
                    .attribute("message")
                    .or(c.text())
                    .unwrap_or_default()
                    .trim()
                    .to_owned();
                format!("{}={said}", c.tag_name().name())
            };
            let all: Vec<String> = n.children().filter(roxmltree::Node::is_element).map(of).collect();
            format!(
                "{} {} {}",
                n.attribute("name").unwrap(),
                n.attribute("time").unwrap(),
                all.join(", ")
            )
        };
        let cases: Vec<String> = document
            .descendants()
            .filter(|n| n.has_tag_name("testcase"))
            .map(children)
            .collect();
        assert_eq!(
            cases,
            [
                "generic/001 1.500 ",
                "generic/002 3.000 failure=why fail, system-out=results/generic/002.out.bad",
                "generic/003 4.500 skipped=why not run",
                "generic/004 6.000 skipped=why expunged",
                "generic/005 7.500 error=why crashed, system-err=panic: Kernel panic - not syncing: x",
                "generic/006 9.000 error=why never started",
                "generic/007 10.500 flakyFailure=why",
            ]
        );
        let suites = document.root_element();
        let counts = ["tests", "failures", "errors"].map(|name| suites.attribute(name));
        assert_eq!(counts, [Some("7"), Some("1"), Some("2")]);
    }

    #[test]
    fn text_that_xml_forbids_is_cleaned() {
        let mut run = run_of(&[Fail]);
        run.tests[0].reason = Some("a\u{0}\u{1}\u{1b}[1mb\u{ffff}\u{fffe}\u{b} <&\"' ]]>".into());
        run.tests[0]
            .troubles
            .push(Trouble::new(TroubleKind::Bug, "BUG: \u{8} ]]> \u{ffff}"));
        let xml = junit(&run).unwrap();
        let document = roxmltree::Document::parse(&xml).unwrap();
        let failure = document
            .descendants()
            .find(|n| n.has_tag_name("failure"))
            .unwrap();
        assert_eq!(failure.attribute("message"), Some("ab <&\"' ]]>"));
    }
}
