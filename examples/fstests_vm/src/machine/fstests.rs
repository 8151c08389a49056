//! Whether a directory is a tree of fstests that can run.

use std::fs;
use std::path::{Path, PathBuf};

use super::{Error, Result, host};

/// Programs that `make` builds and that nearly every test uses.
const BUILT: [&str; 3] = ["ltp/fsstress", "ltp/fsx", "src/lstat64"];

/// What a tree has that these programs are built in. A tree without is complete as it is.
const SOURCES: [&str; 2] = ["ltp/Makefile", "src/Makefile"];

/// A tree of fstests.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Fstests {
    /// Where it is, absolute and without symbolic links.
    pub(crate) directory: PathBuf,
    /// Its version, if it says it: `1.1.1`.
    pub(crate) version: Option<String>,
    /// The directories of tests that have a list of groups: `ext4`, `generic`.
    pub(crate) suites: Vec<String>,
}

impl Fstests {
    /// Looks at a directory, and refuses it if nothing could run from it.
    ///
    /// # Errors
    ///
    /// [`Error::Fstests`] says what is missing, and whether it is to be built or to be found elsewhere.
    pub(crate) fn find(directory: &Path) -> Result<Self> {
        let refuse = |what: String, remedy: &str| Error::Fstests {
            directory: directory.to_owned(),
            what,
            remedy: remedy.into(),
        };
        let elsewhere = "give the directory of a built fstests, the one with `check` in it";
        let build = "build it there with `make`, as its README says";
        let path = directory
            .canonicalize()
            .map_err(|err| refuse(format!("it cannot be opened: {err}"), elsewhere))?;
        if !path.join("check").is_file() || !path.join("tests").is_dir() {
            return Err(refuse(
                "it is not fstests: there is no `check` or no `tests` in it".into(),
                elsewhere,
            ));
        }
        if !host::is_executable(&path.join("check")) {
            return Err(refuse("its `check` is not executable".into(), "chmod +x check"));
        }
        if SOURCES.iter().any(|source| path.join(source).is_file()) {
            let missing = BUILT
                .iter()
                .filter(|program| !host::is_executable(&path.join(program)));
            let missing: Vec<String> = missing.map(|program| format!("`{program}`")).collect();
            if !missing.is_empty() {
                return Err(refuse(
                    format!("it is not built: there is no {}", missing.join(", ")),
                    build,
                ));
            }
        }
        let suites = suites(&path.join("tests")).map_err(Error::read(path.join("tests")))?;
        if suites.is_empty() {
            return Err(refuse(
                "it is not built: there is no `tests/*/group.list`".into(),
                build,
            ));
        }
        Ok(Self {
            version: version(&fs::read_to_string(path.join("VERSION")).unwrap_or_default()),
            directory: path,
            suites,
        })
    }
}

/// The directories of tests that have a list of groups, in order.
fn suites(tests: &Path) -> std::io::Result<Vec<String>> {
    let mut suites = Vec::new();
    for entry in fs::read_dir(tests)? {
        let entry = entry?;
        if entry.path().join("group.list").is_file() {
            suites.push(entry.file_name().to_string_lossy().into_owned());
        }
    }
    suites.sort();
    Ok(suites)
}

/// The version in the file `VERSION`: `PACKAGE_MAJOR=1` and two more such lines.
fn version(text: &str) -> Option<String> {
    let number = |key: &str| {
        let mut lines = text.lines().filter_map(|line| line.trim().split_once('='));
        let (_, value) = lines.find(|(name, _)| *name == key)?;
        value.parse::<u32>().ok()
    };
    let (major, minor, revision) = (
        number("PACKAGE_MAJOR")?,
        number("PACKAGE_MINOR")?,
        number("PACKAGE_REVISION")?,
    );
    Some(format!("{major}.{minor}.{revision}"))
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use rstest::rstest;
    use tempfile::TempDir;

    use super::*;

    /// A directory with these files in it; those with a `+` are executable.
    fn tree(files: &[&str]) -> TempDir {
        let root = tempfile::tempdir().unwrap();
        for file in files {
            let path = root.path().join(file.trim_start_matches('+'));
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(&path, "PACKAGE_MAJOR=1\nPACKAGE_MINOR=1\nPACKAGE_REVISION=2\n").unwrap();
            if file.starts_with('+') {
                fs::set_permissions(&path, fs::Permissions::from_mode(0o755)).unwrap();
            }
        }
        root
    }

    const BUILT_TREE: &[&str] = &[
        "+check",
        "ltp/Makefile",
        "src/Makefile",
        "+ltp/fsstress",
        "+ltp/fsx",
        "+src/lstat64",
        "tests/generic/group.list",
        "tests/ext4/group.list",
        "tests/Makefile",
        "VERSION",
    ];

    #[test]
    fn a_built_tree_can_run() {
        let root = tree(BUILT_TREE);
        let fstests = Fstests::find(root.path()).unwrap();
        assert_eq!(fstests.version.as_deref(), Some("1.1.2"));
        assert_eq!(fstests.suites, ["ext4", "generic"]);
    }

    #[test]
    fn a_tree_without_sources_is_complete_as_it_is() {
        let root = tree(&["+check", "tests/generic/group.list"]);
        let fstests = Fstests::find(root.path()).unwrap();
        assert_eq!(
            (fstests.version, fstests.suites),
            (None, vec!["generic".to_owned()])
        );
    }

    #[rstest]
    #[case::nothing(&[], "there is no `check` or no `tests`", "one with `check`")]
    #[case::some_other_check(&["+check"], "there is no `check` or no `tests`", "one with `check`")]
    #[case::not_executable(&["check", "tests/generic/group.list"], "not executable", "chmod")]
    #[case::fresh(
        &["+check", "ltp/Makefile", "src/Makefile", "tests/generic/001"],
        "no `ltp/fsstress`, `ltp/fsx`, `src/lstat64`", "`make`",
    )]
    #[case::half_built(
        &["+check", "ltp/Makefile", "+ltp/fsstress", "+ltp/fsx", "tests/generic/group.list"],
        "no `src/lstat64`", "`make`",
    )]
    #[case::without_groups(
        &["+check", "ltp/Makefile", "+ltp/fsstress", "+ltp/fsx", "+src/lstat64", "tests/generic/001"],
        "no `tests/*/group.list`", "`make`",
    )]
    fn what_cannot_run_is_refused_with_a_remedy(
        #[case] files: &[&str],
        #[case] what: &str,
        #[case] remedy: &str,
    ) {
        let root = tree(files);
        let error = Fstests::find(root.path()).unwrap_err();
        let text = error.to_string();
        assert!(error.is_usage());
        assert!(text.contains(what) && text.contains(remedy), "{text}");
    }

    #[test]
    fn a_directory_that_is_not_there_is_refused() {
        let error = Fstests::find(Path::new("/nowhere/fstests")).unwrap_err();
        assert!(error.is_usage());
    }

    #[test]
    fn a_version_cut_off_anywhere_is_a_shorter_one_or_none() {
        let text = "PACKAGE_MAJOR=1\nPACKAGE_MINOR=1\nPACKAGE_REVISION=12\nPACKAGE_BUILD=0\n";
        for end in 0..text.len() {
            let got = version(&text[..end]);
            assert!(
                matches!(got.as_deref(), None | Some("1.1.1" | "1.1.12")),
                "{got:?}"
            );
        }
    }
}
