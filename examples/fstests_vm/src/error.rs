use std::fmt::Write;
use std::io;
use std::path::PathBuf;

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
    #[error("there is nothing to run")]
    NoPlan(#[from] NoPlan),
    #[error(transparent)]
    Results(#[from] RunError),
    #[error(transparent)]
    Junit(#[from] JunitError),
    #[error("cannot listen to signals")]
    Signals(#[source] io::Error),
    #[error(transparent)]
    Merge(#[from] MergeError),
    #[error("cannot compare with the baseline (give the directory of a run's results)")]
    Baseline(#[source] RunError),
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
    /// Returns the exit status: 2 for what the caller can say otherwise, 69 for what this host cannot, 3 for a
    /// kernel that does not come up, 1 for the rest.
    pub(crate) fn exit_code(&self) -> u8 {
        match self {
            Self::Usage { .. } | Self::CheckArgs(_) | Self::Merge(_) => 2,
            Self::Baseline(_) | Self::Excludes { .. } => 2,
            Self::Machine(err) if err.is_usage() => 2,
            Self::Machine(_) | Self::Volumes(_) => 69,
            Self::NoPlan(err) => err.exit_code(),
            Self::Results(_) | Self::Junit(_) | Self::Signals(_) | Self::Io { .. } => 1,
        }
    }

    /// Returns the error and its causes on one line.
    pub(crate) fn chain(&self) -> String {
        let mut text = self.to_string();
        let mut cause = std::error::Error::source(self);
        while let Some(err) = cause {
            // Writing to a string cannot fail.
            let _ = write!(text, ": {err}");
            cause = err.source();
        }
        text
    }
}
