//! The directories of runs, and what the last one there tells.

use std::collections::BTreeMap;
use std::fs;
use std::io::ErrorKind;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use crate::course::setup::Setup;
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
pub(crate) fn last_times(results: &Path, setup: &Setup) -> BTreeMap<TestName, f64> {
    let Ok(last) = RunResults::read(&results.join(LATEST)) else {
        return BTreeMap::new();
    };
    let is_alike =
        last.filesystem.kind == setup.filesystem && last.machine.accelerator == setup.accelerator();
    let tests = last.tests.into_iter().filter(|_| is_alike);
    tests
        .filter_map(|test| Some((test.name, test.seconds?)))
        .collect()
}
