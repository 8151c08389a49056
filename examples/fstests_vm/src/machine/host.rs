//! The programs of this host: where they are, and what they answer.

use std::env;
use std::ffi::{OsStr, OsString};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use super::{Error, Result};

/// Where programs for root are, which are not in everybody's `PATH`.
const SBIN: [&str; 3] = ["/usr/local/sbin", "/usr/sbin", "/sbin"];

/// Returns where a program is: in `PATH`, or in the directories for root's programs.
///
/// A name with a slash in it is a path already, and must be executable.
pub(crate) fn which(program: impl AsRef<OsStr>) -> Option<PathBuf> {
    find(
        program.as_ref(),
        env::var_os("PATH").as_deref(),
        &SBIN.map(Path::new),
    )
}

/// As [`which`], for a `PATH` and further directories that the caller gives.
fn find(program: &OsStr, path: Option<&OsStr>, further: &[&Path]) -> Option<PathBuf> {
    if Path::new(program).components().count() > 1 || program.as_encoded_bytes().contains(&b'/') {
        return Some(PathBuf::from(program)).filter(|path| is_executable(path));
    }
    // A relative directory in `PATH` would make the answer depend on where it is used.
    env::split_paths(path.unwrap_or_default())
        .filter(|directory| directory.is_absolute())
        .chain(further.iter().map(PathBuf::from))
        .map(|directory| directory.join(program))
        .find(|candidate| is_executable(candidate))
}

/// Whether a path is a file that somebody may execute.
pub(crate) fn is_executable(path: &Path) -> bool {
    path.metadata()
        .is_ok_and(|found| found.is_file() && found.permissions().mode() & 0o111 != 0)
}

/// Runs a program to its end, with nothing to read, and returns what it wrote to its standard output.
///
/// # Errors
///
/// [`Error::Spawn`] and [`Error::Command`].
pub(crate) fn ask<A: AsRef<OsStr>>(program: &Path, arguments: &[A]) -> Result<Vec<u8>> {
    let mut command = Command::new(program);
    command.args(arguments).stdin(Stdio::null()).env("LC_ALL", "C");
    let line = || command_line(program, arguments);
    let output = command.output().map_err(|source| Error::Spawn {
        command: line(),
        source,
    })?;
    if !output.status.success() {
        return Err(Error::Command {
            command: line(),
            status: output.status,
            stderr: String::from_utf8_lossy(&output.stderr).into_owned(),
        });
    }
    Ok(output.stdout)
}

/// A command as it may be read in a message.
fn command_line<A: AsRef<OsStr>>(program: &Path, arguments: &[A]) -> String {
    let mut line = OsString::from(program);
    for argument in arguments {
        line.push(" ");
        line.push(argument);
    }
    line.to_string_lossy().into_owned()
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    fn program(directory: &Path, name: &str, mode: u32) -> PathBuf {
        let path = directory.join(name);
        fs::write(&path, "#!/bin/sh\n").unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(mode)).unwrap();
        path
    }

    #[test]
    fn a_program_is_found_in_the_path_before_the_directories_of_root() {
        let (first, second) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
        let wanted = program(first.path(), "mkfs.x", 0o755);
        let late = program(second.path(), "mkfs.x", 0o755);
        let path = first.path().as_os_str();
        assert_eq!(
            find("mkfs.x".as_ref(), Some(path), &[second.path()]),
            Some(wanted)
        );
        assert_eq!(find("mkfs.x".as_ref(), None, &[second.path()]), Some(late));
        assert_eq!(find("mkfs.y".as_ref(), Some(path), &[second.path()]), None);
    }

    #[test]
    fn a_file_that_nobody_may_execute_is_not_a_program() {
        let directory = tempfile::tempdir().unwrap();
        let plain = program(directory.path(), "mkfs.x", 0o644);
        assert_eq!(
            find("mkfs.x".as_ref(), Some(directory.path().as_os_str()), &[]),
            None
        );
        assert_eq!(find(plain.as_os_str(), None, &[]), None);
        // The directory itself is executable, but no program.
        assert_eq!(find(directory.path().as_os_str(), None, &[]), None);
    }

    #[test]
    fn a_directory_that_depends_on_the_callers_is_not_searched() {
        assert_eq!(
            find("sh".as_ref(), Some("../../../../../../../../bin".as_ref()), &[]),
            None
        );
    }

    #[test]
    fn a_program_that_fails_is_quoted() {
        let error = ask(Path::new("/bin/sh"), &["-c", "echo broken >&2; exit 3"]).unwrap_err();
        let text = error.to_string();
        assert!(text.starts_with("`/bin/sh -c echo broken"), "{text}");
        assert!(text.ends_with("(exit status: 3): broken"), "{text}");
    }
}
