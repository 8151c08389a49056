//! Why there is no list of tests.

use std::io;
use std::time::Duration;

use crate::course::not_up::NotUp;

/// Why there is no list of tests.
#[derive(Debug, thiserror::Error)]
pub(crate) enum NoPlan {
    #[error(transparent)]
    NotUp(#[from] NotUp),
    #[error("`check -n` ended with status {code} and no list of tests: {said}")]
    Refused { code: i32, said: String },
    #[error(
        "`check` knows no test {} (see the lists `tests/*/group.list`)",
        quoted(names)
    )]
    Unknown { names: Vec<String> },
    #[error("cannot use the directory that the guest shares")]
    Io(#[from] io::Error),
    #[error("`check -n` cannot be run: {why}")]
    Failed { why: String },
    #[error("the machine ended while `check -n` listed the tests: {how}")]
    Died { how: String },
    #[error("`check -n` did not list the tests in {} s (--test-limit allows more)", limit.as_secs())]
    OutOfTime { limit: Duration },
    #[error("interrupted while `check -n` listed the tests")]
    Interrupted,
}

impl NoPlan {
    /// Returns the exit status that it is worth.
    pub(crate) fn exit_code(&self) -> u8 {
        match self {
            Self::NotUp(not_up) => not_up.exit_code(),
            Self::Refused { .. } | Self::Unknown { .. } => 2,
            Self::Died { .. } | Self::OutOfTime { .. } => 3,
            Self::Failed { .. } => 69,
            Self::Io(_) => 1,
            Self::Interrupted => 130,
        }
    }
}

fn quoted(names: &[String]) -> String {
    let names: Vec<String> = names.iter().map(|name| format!("`{name}`")).collect();
    names.join(", ")
}

#[cfg(test)]
mod tests {
    use rstest::rstest;

    use super::*;

    fn said(text: &str) -> String {
        text.to_owned()
    }

    #[rstest]
    #[case(NoPlan::Refused { code: 1, said: said("Group \"x\" is empty") }, 2)]
    #[case(NoPlan::Unknown { names: vec![said("generic/01")] }, 2)]
    #[case(NoPlan::Died { how: said("Kernel panic") }, 3)]
    #[case(NoPlan::OutOfTime { limit: Duration::from_secs(1) }, 3)]
    #[case(NoPlan::Failed { why: said("there is no /x") }, 69)]
    #[case(NoPlan::Io(io::Error::other("full")), 1)]
    #[case(NoPlan::Interrupted, 130)]
    fn each_reason_has_the_exit_code_of_who_can_change_it(#[case] reason: NoPlan, #[case] code: u8) {
        assert_eq!(reason.exit_code(), code, "{reason}");
    }

    #[test]
    fn tests_that_nobody_knows_are_named() {
        let names = vec![said("generic/01"), said("x")];
        let text = NoPlan::Unknown { names }.to_string();
        assert!(
            text.starts_with("`check` knows no test `generic/01`, `x` ("),
            "{text}"
        );
    }
}
