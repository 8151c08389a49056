//! The directories of runs, and what the last one there tells.

use std::collections::BTreeMap;
use std::fs;
use std::io::ErrorKind;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use crate::error::Error;
use crate::results::run::RunResults;
use crate::results::test_name::TestName;

/// The link to the latest run's directory.
const LATEST: &str = "latest";

/// Makes a directory for a run, which no other run has: by its time, to the second, and a number if need be.
pub(crate) fn make_run_dir(results: &Path, started: SystemTime) -> Result<PathBuf, Error> {
    let failed = |path: &Path, source| Error::Io {
        doing: "make a directory for results in",
        path: path.to_owned(),
        source,
    };
    fs::create_dir_all(results).map_err(|err| failed(results, err))?;
    let results = results.canonicalize().map_err(|err| failed(results, err))?;
    let time = humantime::format_rfc3339_seconds(started).to_string();
    let time: String = time.chars().filter(char::is_ascii_digit).collect();
    for number in 1..1000 {
        let dir = results.join(match number {
            1 => time.clone(),
            _ => format!("{time}-{number}"),
        });
        match fs::create_dir(&dir) {
            Ok(()) => return Ok(dir),
            Err(err) if err.kind() == ErrorKind::AlreadyExists => {}
            Err(err) => return Err(failed(&results, err)),
        }
    }
    Err(failed(&results, ErrorKind::AlreadyExists.into()))
}

/// Lets `latest` lead to this run. Of several that end at once, one is the latest.
pub(crate) fn make_latest(dir: &Path) {
    let (Some(results), Some(name)) = (dir.parent(), dir.file_name()) else {
        return;
    };
    let new = results.join(format!(".{LATEST}-{}", std::process::id()));
    // A link that is not there is a convenience less, and no reason to fail a run that is over.
    if symlink(name, &new)
        .and_then(|()| fs::rename(&new, results.join(LATEST)))
        .is_err()
    {
        let _ = fs::remove_file(&new);
    }
}

/// Returns how many seconds tests took in the latest run there, if that was of the same filesystem and kind
/// of machine.
pub(crate) fn last_times(
    results: &Path,
    filesystem: &str,
    accelerator: Option<&str>,
) -> BTreeMap<TestName, f64> {
    let Ok(last) = RunResults::read(&results.join(LATEST)) else {
        return BTreeMap::new();
    };
    let is_alike = last.filesystem.kind == filesystem && last.machine.accelerator.as_deref() == accelerator;
    let tests = last.tests.into_iter().filter(|_| is_alike);
    tests
        .filter_map(|test| Some((test.name, test.seconds?)))
        .collect()
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use rstest::rstest;

    use super::*;
    use crate::results::outcome::Outcome::Pass;
    use crate::results::run::tests::run_of;

    #[test]
    fn two_runs_in_one_second_have_a_directory_each() {
        let dir = tempfile::tempdir().unwrap();
        let results = dir.path().join("not/there/yet");
        let started = SystemTime::UNIX_EPOCH + Duration::from_secs(1_767_261_600);
        let made: Vec<PathBuf> = (0..3).map(|_| make_run_dir(&results, started).unwrap()).collect();
        let results = results.canonicalize().unwrap();
        let expected = ["20260101100000", "20260101100000-2", "20260101100000-3"];
        assert_eq!(made, expected.map(|name| results.join(name)));
    }

    #[test]
    fn a_directory_that_cannot_be_made_is_named() {
        let error = make_run_dir(Path::new("/proc/results"), SystemTime::UNIX_EPOCH).unwrap_err();
        assert!(error.to_string().contains("`/proc/results`"), "{error}");
    }

    #[test]
    fn the_latest_run_is_the_one_that_ended_last() {
        let results = tempfile::tempdir().unwrap();
        for name in ["1", "2"] {
            let dir = results.path().join(name);
            fs::create_dir(&dir).unwrap();
            make_latest(&dir);
            assert_eq!(
                fs::read_link(results.path().join(LATEST)).unwrap(),
                Path::new(name)
            );
        }
        assert_eq!(fs::read_dir(results.path()).unwrap().count(), 3);
    }

    #[rstest]
    #[case::the_same("ext4", Some("tcg"), Some(1.5))]
    #[case::another_filesystem("xfs", Some("tcg"), None)]
    #[case::another_machine("ext4", Some("kvm"), None)]
    #[case::user_mode_linux("ext4", None, None)]
    fn times_are_those_of_the_same_filesystem_on_the_same_kind_of_machine(
        #[case] filesystem: &str,
        #[case] accelerator: Option<&str>,
        #[case] expected: Option<f64>,
    ) {
        let results = tempfile::tempdir().unwrap();
        assert!(last_times(results.path(), filesystem, accelerator).is_empty());
        let dir = results.path().join("1");
        fs::create_dir(&dir).unwrap();
        run_of(&[Pass]).write(&dir).unwrap();
        make_latest(&dir);
        let times = last_times(results.path(), filesystem, accelerator);
        assert_eq!(times.values().next().copied(), expected);
    }
}
