use std::fmt::Write;
use std::io;
use std::path::{Path, PathBuf};

use crate::course::NoPlan;
use crate::machine;
use crate::results::check_args::CheckArgsError;
use crate::results::junit::JunitError;
use crate::results::merge::MergeError;
use crate::results::results_file::RunError;

/// Why there is no run, or no more of it.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Error {
    #[error(transparent)]
    Machine(#[from] machine::Error),
    #[error("cannot take volumes")]
    Volumes(#[source] kdev_volumes::Error),
    #[error(transparent)]
    CheckArgs(#[from] CheckArgsError),
    #[error("there is nothing to run (what was said is in `{}`)", dir.display())]
    NoPlan { dir: PathBuf, source: NoPlan },
    #[error(transparent)]
    Results(#[from] RunError),
    #[error(transparent)]
    Junit(#[from] JunitError),
    #[error("cannot listen to signals")]
    Signals(#[source] io::Error),
    #[error(transparent)]
    Merge(#[from] MergeError),
    #[error("cannot read the tests to leave out in `{}` (give a file of this host)", path.display())]
    Excludes { path: PathBuf, source: io::Error },
    #[error("cannot {doing} `{}`", path.display())]
    Io {
        doing: &'static str,
        path: PathBuf,
        source: io::Error,
    },
    #[error("{what} (see --help)")]
    Usage { what: String },
}

impl Error {
    /// Says why a run with this directory has no list of tests.
    pub(crate) fn no_plan(dir: &Path, source: NoPlan) -> Self {
        let dir = dir.to_owned();
        Self::NoPlan { dir, source }
    }

    /// Returns the exit status: 2 for what the caller can say otherwise, 69 for what this host cannot, 3 for a
    /// kernel that does not come up, 1 for the rest.
    pub(crate) fn exit_code(&self) -> u8 {
        match self {
            Self::Usage { .. } | Self::CheckArgs(_) | Self::Merge(_) => 2,
            Self::Excludes { .. } => 2,
            Self::Machine(err) if err.is_usage() => 2,
            Self::Machine(_) | Self::Volumes(_) => 69,
            Self::NoPlan { source, .. } => source.exit_code(),
            Self::Results(RunError::Write { .. }) => 1,
            // They are of a directory that the caller named.
            Self::Results(_) => 2,
            Self::Junit(_) | Self::Signals(_) | Self::Io { .. } => 1,
        }
    }
}

/// Returns an error and its causes on one line.
pub(crate) fn chain(err: &dyn std::error::Error) -> String {
    let mut text = err.to_string();
    let mut cause = err.source();
    while let Some(err) = cause {
        // Writing to a string cannot fail.
        let _ = write!(text, ": {err}");
        cause = err.source();
    }
    text
}

#[cfg(test)]
mod tests {
    use rstest::rstest;

    use super::*;

    fn broken() -> io::Error {
        io::Error::other("the disk is full")
    }

    fn usage() -> machine::Error {
        machine::Error::Fstests {
            directory: "/x".into(),
            what: "it has no `check`".into(),
            remedy: "build it".into(),
        }
    }

    fn host() -> machine::Error {
        machine::Error::Program {
            program: "mkfs.xfs".into(),
            remedy: "apt-get install xfsprogs".into(),
        }
    }

    #[rstest]
    #[case::said_otherwise(Error::Usage { what: "no".into() }, 2)]
    #[case::another_tree(Error::Machine(usage()), 2)]
    #[case::a_part_is_missing(Error::Merge(MergeError::Nothing), 2)]
    #[case::not_for_check(Error::CheckArgs(CheckArgsError::Unknown { flag: "-Z".into() }), 2)]
    #[case::no_such_baseline(Error::Results(RunError::Read { path: "/x".into(), source: broken() }), 2)]
    #[case::check_refuses(Error::no_plan("/r".as_ref(), NoPlan::Refused { code: 1, said: "no".into() }), 2)]
    #[case::the_kernel_died(Error::no_plan("/r".as_ref(), NoPlan::Died { how: "at once".into() }), 3)]
    #[case::a_program_is_missing(Error::Machine(host()), 69)]
    #[case::interrupted(Error::no_plan("/r".as_ref(), NoPlan::Interrupted), 130)]
    #[case::not_written(Error::Results(RunError::Write { path: "/r".into(), source: broken() }), 1)]
    #[case::not_read(Error::Io { doing: "read", path: "/r".into(), source: broken() }, 1)]
    fn the_exit_code_says_who_can_change_it(#[case] error: Error, #[case] code: u8) {
        assert_eq!(error.exit_code(), code, "{error}");
    }

    #[test]
    fn a_plan_that_was_refused_names_the_directory_and_what_check_said() {
        let said = "Group \"x\" is empty".to_owned();
        let error = Error::no_plan("/r/1".as_ref(), NoPlan::Refused { code: 1, said });
        assert_eq!(
            chain(&error),
            "there is nothing to run (what was said is in `/r/1`): `check -n` ended with status 1 and no list of \
             tests: Group \"x\" is empty"
        );
    }

    #[test]
    fn a_cause_is_told_once() {
        let error = Error::Io {
            doing: "write",
            path: "/r/junit.xml".into(),
            source: broken(),
        };
        assert_eq!(chain(&error), "cannot write `/r/junit.xml`: the disk is full");
    }
}
