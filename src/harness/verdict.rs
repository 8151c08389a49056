//! What a test has come to that ran in a process of its own. Decides, and touches nothing.

use std::fmt;
use std::os::unix::process::ExitStatusExt;
use std::process::ExitStatus;

use nix::sys::signal::Signal;

use crate::harness::report::Told;

/// What the process that started a test does in its place.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Verdict {
    /// Return, as the body did.
    Return,
    /// Panic, as the body did; the message has been seen.
    Panic(Option<String>),
    /// Fail, also if a panic is what the test wants.
    Fail(Failure),
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Failure {
    /// The test's process has said why.
    Said(&'static str),
    /// Nobody has said it yet.
    Unsaid(String),
}

/// How a process ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum End {
    Code(i32),
    Signal(i32),
}

impl From<ExitStatus> for End {
    fn from(status: ExitStatus) -> Self {
        match (status.code(), status.signal()) {
            (Some(code), _) => Self::Code(code),
            (None, signal) => Self::Signal(signal.unwrap_or(0)),
        }
    }
}

impl fmt::Display for End {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match *self {
            Self::Code(code) => write!(f, "ended with exit status {code}"),
            Self::Signal(number) => match Signal::try_from(number) {
                Ok(signal) => write!(f, "was ended by signal {number} ({signal})"),
                Err(_) => write!(f, "was ended by signal {number}"),
            },
        }
    }
}

/// What libtest's process ends with when a test failed.
const TEST_FAILED: End = End::Code(101);

/// What it ends with when all passed, be it none.
const PASSED: End = End::Code(0);

pub(super) fn verdict(told: &[Told], end: End, should_panic: bool) -> Verdict {
    let unsaid = |text: String| Verdict::Fail(Failure::Unsaid(text));
    match (told.last(), end) {
        (None, PASSED) => unsaid(
            "the test program, started again, knows no test of that name (annotate what is a test \
             itself, or add `in_process`, which gives guards and no environment)"
                .to_owned(),
        ),
        (None, _) => unsaid(format!("its process {end} before it had begun")),
        (Some(Told::Began), _) => unsaid(format!("its process {end} before the test was over")),
        (Some(Told::Returned), PASSED) => Verdict::Return,
        // libtest there has missed the panic, and will miss it here.
        (Some(Told::Returned), TEST_FAILED) if should_panic => Verdict::Return,
        (Some(Told::Panicked(message)), PASSED | TEST_FAILED) => Verdict::Panic(message.clone()),
        (Some(Told::Failed), TEST_FAILED) => Verdict::Fail(Failure::Said("it returned a failure")),
        (Some(Told::Refused), TEST_FAILED) => {
            Verdict::Fail(Failure::Said("it had no volumes, or left some behind"))
        }
        (Some(_), _) => unsaid(format!("its process {end} after the test's body was over")),
    }
}

#[cfg(test)]
mod tests {
    use rstest::rstest;

    use super::*;
    use Told::{Began, Failed, Refused, Returned};

    const KILLED: End = End::Signal(9);

    fn panicked() -> Told {
        Told::Panicked(Some("text".into()))
    }

    #[rstest]
    #[case::passed(Some(Returned), PASSED, false, "return")]
    #[case::panicked(Some(panicked()), TEST_FAILED, false, "panic")]
    #[case::error(Some(Failed), TEST_FAILED, false, "said: it returned a failure")]
    #[case::no_volumes(
        Some(Refused),
        TEST_FAILED,
        false,
        "said: it had no volumes, or left some behind"
    )]
    #[case::wanted_panic(Some(panicked()), PASSED, true, "panic")]
    #[case::panic_with_another_text(Some(panicked()), TEST_FAILED, true, "panic")]
    #[case::missing_panic(Some(Returned), TEST_FAILED, true, "return")]
    #[case::wanted_panic_but_no_volumes(
        Some(Refused),
        TEST_FAILED,
        true,
        "said: it had no volumes, or left some behind"
    )]
    #[case::exit(
        Some(Began),
        PASSED,
        false,
        "its process ended with exit status 0 before the test was over"
    )]
    #[case::exit_of_one_that_should_panic(
        Some(Began),
        TEST_FAILED,
        true,
        "exit status 101 before the test was over"
    )]
    #[case::killed(
        Some(Began),
        KILLED,
        false,
        "its process was ended by signal 9 (SIGKILL) before the test was over"
    )]
    #[case::killed_after(
        Some(Returned),
        KILLED,
        false,
        "signal 9 (SIGKILL) after the test's body was over"
    )]
    #[case::exit_while_dropping(Some(panicked()), End::Code(3), true, "exit status 3 after")]
    #[case::failed_around_the_body(Some(Returned), TEST_FAILED, false, "exit status 101 after")]
    #[case::error_that_passed(Some(Failed), PASSED, false, "exit status 0 after")]
    #[case::not_found(None, PASSED, false, "knows no test of that name")]
    #[case::fixture_failed(None, TEST_FAILED, false, "exit status 101 before it had begun")]
    #[case::odd_signal(None, End::Signal(99), false, "was ended by signal 99 before it had begun")]
    fn a_test_passes_only_if_its_process_and_its_body_say_so(
        #[case] last: Option<Told>,
        #[case] end: End,
        #[case] should_panic: bool,
        #[case] expected: &str,
    ) {
        let mut told = vec![Began];
        match last {
            None => told.clear(),
            Some(Began) => {}
            Some(last) => told.push(last),
        }
        let got = match verdict(&told, end, should_panic) {
            Verdict::Return => "return".to_owned(),
            Verdict::Panic(message) => {
                assert_eq!(message.as_deref(), Some("text"));
                "panic".to_owned()
            }
            Verdict::Fail(Failure::Said(text)) => format!("said: {text}"),
            Verdict::Fail(Failure::Unsaid(text)) => text,
        };
        assert!(got.contains(expected), "{got}");
        assert!(got == "return" || expected != "return");
    }
}
