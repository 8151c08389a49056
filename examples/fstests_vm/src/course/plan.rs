//! Which tests a run is of.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use crate::error::Error;
use crate::results::check_args::CheckArgs;
use crate::results::outcome::{Outcome, TestResult};
use crate::results::split::{Share, of_share};
use crate::results::test_name::TestName;
use crate::results::xunit::Planned;

/// Which tests a run is of.
#[derive(Clone, Debug)]
pub(crate) enum Plan {
    /// Those that were named, all of which are there: nothing need be asked.
    Known(Vec<TestName>),
    /// Those that `check -n` says, or this part of them.
    AskCheck(Option<Share>),
}

/// Files of tests that are not to be run, as `check` takes them with `-E`.
#[derive(Clone, Debug, Default)]
pub(crate) struct Excludes {
    files: Vec<Vec<u8>>,
}

impl Plan {
    /// Takes a plan from the arguments, where they say it all.
    pub(crate) fn from_arguments(
        check: &CheckArgs,
        excludes: &Excludes,
        fstests: &Path,
        share: Option<Share>,
    ) -> Self {
        let named: Option<Vec<TestName>> = check
            .tests
            .iter()
            .map(|test| {
                let name: TestName = test.parse().ok()?;
                fstests.join("tests").join(test).is_file().then_some(name)
            })
            .collect();
        let is_all = check.selection.is_empty() && excludes.files.is_empty() && share.is_none();
        match named {
            Some(mut tests) if is_all && !tests.is_empty() => {
                // As `check` itself would run them.
                tests.sort();
                tests.dedup();
                Self::Known(tests)
            }
            _ => Self::AskCheck(share),
        }
    }

    /// Returns the verdicts on the tests that will not run, since a list leaves them out.
    pub(crate) fn expunged(&self, planned: &[Planned]) -> Vec<TestResult> {
        let tests = planned.iter().filter(|test| test.is_expunged);
        let tests: Vec<TestName> = tests.map(|test| test.name.clone()).collect();
        let tests = match self {
            // One share has each, as of those that run.
            Self::AskCheck(Some(share)) => of_share(&tests, *share),
            _ => tests,
        };
        let expunged = tests.into_iter().map(|name| TestResult::new(name, Outcome::Expunged));
        expunged.collect()
    }

    /// Returns the tests of what `check -n` has said.
    pub(crate) fn of_planned(&self, planned: &[Planned]) -> Vec<TestName> {
        let tests = planned.iter().filter(|test| !test.is_expunged);
        let tests: Vec<TestName> = tests.map(|test| test.name.clone()).collect();
        match self {
            Self::AskCheck(Some(share)) => of_share(&tests, *share),
            _ => tests,
        }
    }
}

impl Excludes {
    /// Reads the files that are named behind `--`, and by our own option.
    pub(crate) fn read(check: &CheckArgs, more: &[PathBuf]) -> Result<Self, Error> {
        let files = check.exclude_files.iter().chain(more);
        let files = files.map(|file| {
            fs::read(file).map_err(|source| Error::Excludes {
                path: file.clone(),
                source,
            })
        });
        Ok(Self {
            files: files.collect::<Result<_, _>>()?,
        })
    }

    /// Copies the files to where a guest sees them, and returns their paths there.
    pub(crate) fn copy_to(&self, shared: &Path) -> io::Result<Vec<String>> {
        let numbered = self.files.iter().zip(1..);
        numbered
            .map(|(file, number)| {
                let name = format!("exclude-{number}");
                fs::write(shared.join(&name), file)?;
                Ok(format!("/results/{name}"))
            })
            .collect()
    }
}
