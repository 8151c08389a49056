use std::env;
use std::thread;

use crate::error::Result;
use crate::keep::Keep;
use crate::patience::Patience;
use crate::retention::KeepMax;

/// For whom volumes are made, and what becomes of them after.
#[derive(Debug)]
pub(crate) struct Request {
    pub(crate) test: Option<String>,
    /// Which attempt at the test it is, counted from 1, where the runner tries again.
    pub(crate) attempt: Option<u32>,
    /// What all tests of one run of the runner have in common.
    pub(crate) run_id: Option<String>,
    pub(crate) keep: Keep,
    pub(crate) keep_max: Option<KeepMax>,
    /// How long it may wait for room, unless its pool says otherwise.
    pub(crate) patience: Patience,
}

impl Request {
    /// Takes the test's name from the runner: nextest's variables, else the thread's name, which libtest sets.
    pub(crate) fn from_env() -> Result<Self> {
        Self::for_whom(thread::current().name().map(str::to_owned))
    }

    /// Names the test as its source does, unless the runner has a name that tells more.
    pub(crate) fn for_test(test: String) -> Result<Self> {
        Self::for_whom(Some(test))
    }

    fn for_whom(test: Option<String>) -> Result<Self> {
        let variable = |name: &str| env::var(name).ok();
        let nextest = Nextest::read(thread::current().name(), variable).unwrap_or_default();
        Ok(Self {
            test: nextest.name.or(test),
            attempt: nextest.attempt,
            run_id: nextest.run_id,
            keep: Keep::from_env()?,
            keep_max: KeepMax::from_env()?,
            patience: Patience::from_env()?,
        })
    }
}

/// What nextest says of a test. Its variables are no promise of nextest's: what is missing or cannot be
/// read is not known.
#[derive(Debug, Default, PartialEq, Eq)]
struct Nextest {
    /// As nextest prints it: `crate::binary$module::test`.
    name: Option<String>,
    attempt: Option<u32>,
    run_id: Option<String>,
}

impl Nextest {
    /// Reads the variables, if they are of the test that runs on the thread of that name.
    ///
    /// A test may start other tests, which inherit its variables. libtest names a test's thread as nextest
    /// names the test; no name, or the main thread's, says nothing.
    fn read(thread: Option<&str>, variable: impl Fn(&str) -> Option<String>) -> Option<Self> {
        let test = variable("NEXTEST_TEST_NAME")?;
        let is_anothers = thread.is_some_and(|name| name != "main" && name != test);
        if is_anothers {
            return None;
        }
        let is_plain = |id: &String| {
            let plain = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'-';
            (1..=64).contains(&id.len()) && id.bytes().all(plain)
        };
        Some(Self {
            name: variable("NEXTEST_BINARY_ID").map(|binary| format!("{binary}${test}")),
            attempt: variable("NEXTEST_ATTEMPT")
                .and_then(|attempt| attempt.parse().ok())
                .filter(|&attempt| attempt > 0),
            run_id: variable("NEXTEST_RUN_ID").filter(is_plain),
        })
    }
}

/// Names a test, and the attempt at it if there was one before.
pub(crate) fn with_attempt(test: &str, attempt: Option<u32>) -> String {
    match attempt {
        Some(attempt @ 2..) => format!("{test} (attempt {attempt})"),
        _ => test.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use rstest::rstest;

    use super::*;

    const RUN_ID: &str = "3a1b0c9e-8f7d-4a6b-9c5d-2e1f00aa11bb";

    /// What nextest says of `it::works` in its second attempt, with one variable changed or unset.
    fn read(thread: Option<&str>, changed: &str, value: Option<&str>) -> Option<Nextest> {
        let variable = |name: &str| {
            let told = match name {
                "NEXTEST_BINARY_ID" => Some("app::it"),
                "NEXTEST_TEST_NAME" => Some("it::works"),
                "NEXTEST_ATTEMPT" => Some("2"),
                "NEXTEST_RUN_ID" => Some(RUN_ID),
                _ => None,
            };
            let told = if name == changed { value } else { told };
            told.map(str::to_owned)
        };
        Nextest::read(thread, variable)
    }

    #[rstest]
    #[case::its_thread(Some("it::works"), true)]
    #[case::another_tests_thread(Some("children::fails"), false)]
    #[case::a_thread_without_a_name(None, true)]
    #[case::a_program_that_it_starts(Some("main"), true)]
    fn nextest_is_believed_of_this_test(#[case] thread: Option<&str>, #[case] is_believed: bool) {
        let all = Nextest {
            name: Some("app::it$it::works".into()),
            attempt: Some(2),
            run_id: Some(RUN_ID.into()),
        };
        assert_eq!(read(thread, "", None), is_believed.then_some(all));
    }

    #[rstest]
    #[case::unset(None)]
    #[case::empty(Some(""))]
    #[case::none(Some("none"))]
    #[case::zero(Some("0"))]
    #[case::negative(Some("-1"))]
    #[case::too_large(Some("4294967296"))]
    fn a_garbage_attempt_is_none(#[case] value: Option<&str>) {
        let read = read(None, "NEXTEST_ATTEMPT", value).unwrap();
        assert_eq!((read.attempt, read.run_id.as_deref()), (None, Some(RUN_ID)));
    }

    #[rstest]
    #[case::unset(None)]
    #[case::empty(Some(""))]
    #[case::line_break(Some("a\nb"))]
    #[case::too_long(Some(concat!("0123456789012345678901234567890123456789", "0123456789012345678901234567890123456789")))]
    fn a_garbage_run_id_is_none(#[case] value: Option<&str>) {
        let read = read(None, "NEXTEST_RUN_ID", value).unwrap();
        assert_eq!((read.attempt, read.run_id), (Some(2), None));
    }

    #[test]
    fn without_a_test_nextest_says_nothing() {
        assert_eq!(read(None, "NEXTEST_TEST_NAME", None), None);
    }

    #[rstest]
    #[case(None, "it::works")]
    #[case(Some(1), "it::works")]
    #[case(Some(3), "it::works (attempt 3)")]
    fn the_first_attempt_is_not_worth_a_word(#[case] attempt: Option<u32>, #[case] text: &str) {
        assert_eq!(with_attempt("it::works", attempt), text);
    }
}
