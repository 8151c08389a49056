//! What `check` is to be asked for.

use std::path::PathBuf;

use super::test_name::TestName;

/// `check`'s own arguments, as they follow `--`, taken apart.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct CheckArgs {
    /// What says how tests run, in order: `-d`, `-udiff`, `--large-fs`, `-overlay`. Goes along with every round.
    pub(crate) behaviour: Vec<String>,
    /// What says which tests run, in order, without tests and `-E`. Goes along with the plan only.
    pub(crate) selection: Vec<String>,
    /// Files of exclusions, on the host: a machine needs copies.
    pub(crate) exclude_files: Vec<PathBuf>,
    /// The tests named, maybe with wildcards of `check`'s shell.
    pub(crate) tests: Vec<String>,
}

/// Why arguments are not for `check`.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum CheckArgsError {
    /// It is what this program does itself.
    #[error("`check {flag}` is not for a run in a machine ({instead})")]
    Ours {
        flag: &'static str,
        instead: &'static str,
    },
    /// `check` has no such option.
    #[error("`check` has no option `{flag}` ({})", known())]
    Unknown { flag: String },
    /// The option's value is not there.
    #[error("`check {flag}` needs a value (such as `{example}`)")]
    NoValue {
        flag: &'static str,
        example: &'static str,
    },
    /// An option follows a test.
    #[error("option `{flag}` follows a test, where `check` takes tests only (put it before `{test}`)")]
    AfterTests { flag: String, test: String },
}

/// Options that select tests and take a value, each with an example.
const SELECT_BY: [(&str, &str); 4] = [
    ("-g", "-g quick"),
    ("-x", "-x dangerous"),
    ("-X", "-X .exclude"),
    ("-e", "-e generic/001"),
];

/// The option that names a file of exclusions.
const EXCLUDE_FILE: (&str, &str) = ("-E", "-E known-failures");

/// Options that select tests and take no value.
const SELECT: [&str; 2] = ["-r", "--exact-order"];

/// Options that say how tests run. Those of one file system each are from `check`, not from its usage.
const BEHAVE: [&str; 17] = [
    "-T",
    "-d",
    "-b",
    "-l",
    "-udiff",
    "--large-fs",
    "-nfs",
    "-afs",
    "-glusterfs",
    "-cifs",
    "-9p",
    "-fuse",
    "-virtiofs",
    "-overlay",
    "-pvfs2",
    "-tmpfs",
    "-ubifs",
];

/// The option whose value is part of it.
const EXTRA_SPACE: &str = "--extra-space=";

/// What this program does itself, and how to ask for it.
const OURS: [(&str, &str); 7] = [
    ("-n", "`--list` shows the plan"),
    ("-R", "every run writes `results.json` and `junit.xml`"),
    ("-i", "`--repeat N` runs each test N times, also over a crash"),
    ("-I", "`--repeat N` runs each test N times, also over a crash"),
    (
        "-L",
        "`--retry-failed N` runs what failed again, also over a crash",
    ),
    (
        "-s",
        "make one run per configuration, with `--env` for its settings",
    ),
    (
        "-S",
        "make one run per configuration, with `--env` for its settings",
    ),
];

impl CheckArgs {
    /// Takes arguments apart.
    ///
    /// # Errors
    ///
    /// [`CheckArgsError`] for the first that `check` would not take, or should not.
    pub(crate) fn parse<I>(args: I) -> Result<Self, CheckArgsError>
    where
        I: IntoIterator,
        I::Item: Into<String>,
    {
        let mut parsed = Self::default();
        let mut args = args.into_iter().map(Into::into);
        while let Some(arg) = args.next() {
            let mut value = |(flag, example)| args.next().ok_or(CheckArgsError::NoValue { flag, example });
            if !arg.starts_with('-') {
                parsed.tests.push(arg);
            } else if let Some(test) = parsed.tests.first() {
                return Err(CheckArgsError::AfterTests {
                    flag: arg,
                    test: test.clone(),
                });
            } else if let Some(by) = SELECT_BY.iter().find(|(flag, _)| *flag == arg) {
                let value = value(*by)?;
                parsed.selection.extend([arg, value]);
            } else if arg == EXCLUDE_FILE.0 {
                parsed.exclude_files.push(value(EXCLUDE_FILE)?.into());
            } else if SELECT.contains(&arg.as_str()) {
                parsed.selection.push(arg);
            } else if BEHAVE.contains(&arg.as_str()) || arg.starts_with(EXTRA_SPACE) {
                parsed.behaviour.push(arg);
            } else if let Some((flag, instead)) = OURS.iter().find(|(flag, _)| *flag == arg) {
                return Err(CheckArgsError::Ours { flag, instead });
            } else {
                return Err(CheckArgsError::Unknown { flag: arg });
            }
        }
        Ok(parsed)
    }

    /// Whether nothing says which tests: `check` then runs group `auto`, which takes hours. To be told.
    pub(crate) fn is_default_selection(&self) -> bool {
        self.tests.is_empty() && !self.selection.iter().any(|arg| arg == "-g")
    }

    /// Returns the arguments with which `check -n` plans; the files of exclusions as the machine has them.
    pub(crate) fn for_plan(&self, exclude_files: &[String]) -> Vec<String> {
        let excluded = exclude_files
            .iter()
            .flat_map(|file| [EXCLUDE_FILE.0.to_owned(), file.clone()]);
        let options = self.behaviour.iter().chain(&self.selection).cloned();
        options
            .chain(excluded)
            .chain(self.tests.iter().cloned())
            .collect()
    }

    /// Returns the arguments with which `check` runs these tests of a plan, in this order.
    ///
    /// The plan has been excluded from, and put in order or out of it, already.
    pub(crate) fn for_round(&self, tests: &[TestName]) -> Vec<String> {
        let order = ["--exact-order".to_owned()];
        self.behaviour
            .iter()
            .cloned()
            .chain(order)
            .chain(tests.iter().map(TestName::to_string))
            .collect()
    }

    /// Returns all of the arguments again, for a record of the run.
    pub(crate) fn all(&self) -> Vec<String> {
        let files: Vec<String> = self
            .exclude_files
            .iter()
            .map(|file| file.display().to_string())
            .collect();
        self.for_plan(&files)
    }
}

fn known() -> String {
    let by = SELECT_BY.iter().map(|(flag, _)| *flag);
    let flags: Vec<&str> = by
        .chain([EXCLUDE_FILE.0])
        .chain(SELECT)
        .chain(BEHAVE)
        .chain(["--extra-space=N"])
        .collect();
    format!("it knows {}, and tests", flags.join(" "))
}

#[cfg(test)]
mod tests {
    use rstest::rstest;

    use super::CheckArgs;

    fn parse(line: &str) -> Result<CheckArgs, String> {
        CheckArgs::parse(line.split_whitespace()).map_err(|err| err.to_string())
    }

    #[rstest]
    #[case("", "", "", "", "")]
    #[case("-g quick,rw -x dangerous", "", "-g quick,rw -x dangerous", "", "")]
    #[case(
        "-T -g auto -udiff -X .exclude -overlay",
        "-T -udiff -overlay",
        "-g auto -X .exclude",
        "",
        ""
    )]
    #[case(
        "-E a -E /b/c -e generic/001,xfs/002",
        "",
        "-e generic/001,xfs/002",
        "a /b/c",
        ""
    )]
    #[case(
        "--large-fs --extra-space=9 -r generic/00? xfs/*",
        "--large-fs --extra-space=9",
        "-r",
        "",
        "generic/00? xfs/*"
    )]
    #[case("-g -r", "", "-g -r", "", "")]
    fn arguments_are_taken_apart_in_order(
        #[case] line: &str,
        #[case] behaviour: &str,
        #[case] selection: &str,
        #[case] files: &str,
        #[case] tests: &str,
    ) {
        let args = parse(line).unwrap();
        let paths: Vec<String> = args
            .exclude_files
            .iter()
            .map(|file| file.display().to_string())
            .collect();
        let told = [
            args.behaviour.join(" "),
            args.selection.join(" "),
            paths.join(" "),
            args.tests.join(" "),
        ];
        assert_eq!(told, [behaviour, selection, files, tests]);
    }

    #[rstest]
    #[case("-n", "`check -n` is not for a run in a machine (`--list` shows the plan)")]
    #[case(
        "-g quick -i 3",
        "`check -i` is not for a run in a machine (`--repeat N` runs each test N times, also over a crash)"
    )]
    #[case(
        "-L 4",
        "`check -L` is not for a run in a machine (`--retry-failed N` runs what failed again, also over a crash)"
    )]
    #[case(
        "-s x",
        "`check -s` is not for a run in a machine (make one run per configuration, with `--env` for its settings)"
    )]
    #[case("-g", "`check -g` needs a value (such as `-g quick`)")]
    #[case("-r -E", "`check -E` needs a value (such as `-E known-failures`)")]
    #[case(
        "generic/001 -T",
        "option `-T` follows a test, where `check` takes tests only (put it before `generic/001`)"
    )]
    #[case(
        "-z",
        "`check` has no option `-z` (it knows -g -x -X -e -E -r --exact-order -T -d -b -l -udiff --large-fs \
        -nfs -afs -glusterfs -cifs -9p -fuse -virtiofs -overlay -pvfs2 -tmpfs -ubifs --extra-space=N, and tests)"
    )]
    fn what_is_not_checks_or_is_ours_is_said(#[case] line: &str, #[case] expected: &str) {
        assert_eq!(parse(line).unwrap_err(), expected);
    }

    #[rstest]
    #[case("", true)]
    #[case("-x dangerous -T", true)]
    #[case("-g quick", false)]
    #[case("generic/001", false)]
    fn no_selection_is_checks_default(#[case] line: &str, #[case] expected: bool) {
        assert_eq!(parse(line).unwrap().is_default_selection(), expected);
    }

    #[test]
    fn a_plan_is_selected_and_a_round_is_named() {
        let args = parse("-T -r -E host -g quick").unwrap();
        assert_eq!(
            args.for_plan(&["/guest/0".into()]).join(" "),
            "-T -r -g quick -E /guest/0"
        );
        assert_eq!(
            args.for_round(&["xfs/002".parse().unwrap()]).join(" "),
            "-T --exact-order xfs/002"
        );
        assert_eq!(args.all().join(" "), "-T -r -g quick -E host");
    }
}
