//! Which tests a run is of.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use crate::error::Error;
use crate::results::check_args::CheckArgs;
use crate::results::listing::Planned;
use crate::results::outcome::{Outcome, TestResult};
use crate::results::split::{Share, of_share};
use crate::results::test_name::TestName;

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

    /// Returns how many machines are worth booting, where so many are wanted.
    pub(crate) fn machines(&self, wanted: usize) -> usize {
        match self {
            Self::Known(tests) => tests.len().clamp(1, wanted.max(1)),
            Self::AskCheck(_) => wanted,
        }
    }

    /// Returns the tests that will run, of those that `check -n` has listed.
    pub(crate) fn of_planned(&self, planned: &[Planned]) -> Vec<TestName> {
        self.part(planned.iter().filter(|test| !test.is_expunged))
    }

    /// Returns the verdicts on those that will not, since a list leaves them out.
    pub(crate) fn expunged(&self, planned: &[Planned]) -> Vec<TestResult> {
        // One share has each of them, as of those that run.
        let left_out = self
            .part(planned.iter().filter(|test| test.is_expunged))
            .into_iter();
        left_out
            .map(|name| TestResult::new(name, Outcome::Expunged))
            .collect()
    }

    fn part<'a>(&self, tests: impl Iterator<Item = &'a Planned>) -> Vec<TestName> {
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

#[cfg(test)]
mod tests {
    use rstest::rstest;

    use super::*;

    fn names(names: &[&str]) -> Vec<TestName> {
        names.iter().map(|name| name.parse().unwrap()).collect()
    }

    fn tree() -> tempfile::TempDir {
        let tree = tempfile::tempdir().unwrap();
        fs::create_dir_all(tree.path().join("tests/generic/300")).unwrap();
        for test in ["001", "002", "010"] {
            fs::write(tree.path().join("tests/generic").join(test), "").unwrap();
        }
        tree
    }

    #[rstest]
    #[case::in_the_order_of_check("generic/010 generic/001", Some(&["generic/001", "generic/010"][..]))]
    #[case::once("generic/001 generic/001", Some(&["generic/001"][..]))]
    #[case::how_they_run_is_no_matter("-d -udiff generic/002", Some(&["generic/002"][..]))]
    #[case::no_test("", None)]
    #[case::a_group("-g quick", None)]
    #[case::a_group_and_a_test("-g quick generic/001", None)]
    #[case::a_test_left_out("-e generic/001 generic/001 generic/002", None)]
    #[case::a_wildcard("generic/0*", None)]
    #[case::a_part_of_a_name("generic/00", None)]
    #[case::one_that_is_not_there("generic/001 generic/999", None)]
    #[case::a_directory("generic/300", None)]
    fn only_tests_that_are_named_and_there_need_not_be_asked_for(
        #[case] line: &str,
        #[case] expected: Option<&[&str]>,
    ) {
        let tree = tree();
        let check = CheckArgs::parse(line.split_whitespace()).unwrap();
        let plan = Plan::from_arguments(&check, &Excludes::default(), tree.path(), None);
        match (plan, expected) {
            (Plan::Known(tests), Some(expected)) => assert_eq!(tests, names(expected)),
            (Plan::AskCheck(None), None) => {}
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn what_leaves_tests_out_is_for_check_to_know() {
        let tree = tree();
        let check = CheckArgs::parse(["generic/001"]).unwrap();
        let excludes = Excludes {
            files: vec![b"generic/001\n".to_vec()],
        };
        let plan = Plan::from_arguments(&check, &excludes, tree.path(), None);
        assert!(matches!(plan, Plan::AskCheck(None)));
        let share = Share { index: 2, of: 2 };
        let plan = Plan::from_arguments(&check, &Excludes::default(), tree.path(), Some(share));
        assert!(matches!(plan, Plan::AskCheck(Some(_))));
    }

    #[test]
    fn a_part_of_a_plan_is_of_what_is_not_expunged() {
        let planned = |name: &str, is_expunged| Planned {
            name: name.parse().unwrap(),
            is_expunged,
        };
        let all = [
            planned("generic/001", false),
            planned("generic/002", true),
            planned("generic/010", false),
        ];
        assert_eq!(
            Plan::AskCheck(None).of_planned(&all),
            names(&["generic/001", "generic/010"])
        );
        let second = Plan::AskCheck(Some(Share { index: 2, of: 2 }));
        assert_eq!(second.of_planned(&all), names(&["generic/010"]));
    }

    #[rstest]
    #[case(Plan::Known(names(&["generic/001", "generic/002"])), 4, 2)]
    #[case(Plan::Known(names(&["generic/001", "generic/002"])), 1, 1)]
    #[case(Plan::AskCheck(None), 4, 4)]
    fn no_machine_is_booted_for_no_test(#[case] plan: Plan, #[case] wanted: usize, #[case] expected: usize) {
        assert_eq!(plan.machines(wanted), expected);
    }

    #[test]
    fn exclusions_are_copied_to_where_the_guest_sees_them() {
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("mine");
        fs::write(&file, "generic/001\n").unwrap();
        let excludes = Excludes::read(&CheckArgs::default(), &[file]).unwrap();
        assert_eq!(excludes.copy_to(dir.path()).unwrap(), ["/results/exclude-1"]);
        assert_eq!(
            fs::read_to_string(dir.path().join("exclude-1")).unwrap(),
            "generic/001\n"
        );
        let missing = Excludes::read(&CheckArgs::default(), &[dir.path().join("gone")]).unwrap_err();
        assert!(missing.to_string().contains("tests to leave out"), "{missing}");
    }
}
