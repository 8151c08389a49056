//! Where programs are looked up.
//!
//! What is run decides, not the user alone. A program that changes what others share, or that root runs for others (LVM,
//! sudo, mount), is run only from a place where root alone can put a program. A program that works for its own user on
//! that user's volumes (mkfs) is looked up in the user's `PATH` first, so that a program that was just built can be tested.

use std::env;
use std::ffi::{OsStr, OsString};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::sync::OnceLock;

use crate::trust::check_only_root;

/// The directories of a host for its own programs: those of sudo's `secure_path`, then those of NixOS, which has no other.
/// On NixOS the programs that are setuid are in the first of these.
const DIRECTORIES: [&str; 8] = [
    "/usr/local/sbin",
    "/usr/local/bin",
    "/usr/sbin",
    "/usr/bin",
    "/sbin",
    "/bin",
    "/run/wrappers/bin",
    "/run/current-system/sw/bin",
];

/// A program that was found, and the `PATH` that it gets.
#[derive(Debug)]
pub(super) struct Found {
    pub(super) program: PathBuf,
    pub(super) path: OsString,
}

/// Finds a program where root alone can put one. The error lists where it was looked for.
pub(super) fn trusted(program: &str) -> Result<Found, String> {
    let mut rejected = Vec::new();
    for candidate in candidates(DIRECTORIES.map(PathBuf::from), program) {
        match check_only_root(&candidate) {
            Ok(()) => {
                return Ok(Found {
                    program: candidate,
                    path: join(trusted_directories()),
                });
            }
            Err(why) => rejected.push(format!("{} is not used, since {why}", candidate.display())),
        }
    }
    let mut searched = DIRECTORIES.join(":");
    for why in rejected {
        searched.push_str("; ");
        searched.push_str(&why);
    }
    Err(searched)
}

/// Finds a program by the caller's `PATH`, if it counts, then as [`trusted`] does.
pub(super) fn own(program: &str) -> Result<Found, String> {
    let counts = path_counts(nix::unistd::getuid().as_raw(), nix::unistd::geteuid().as_raw());
    let directories = match counts {
        true => absolute(env::var_os("PATH").as_deref()),
        false => Vec::new(),
    };
    if let Some(found) = candidates(directories.iter().cloned(), program).next() {
        let further = trusted_directories().iter();
        let further = further.filter(|directory| !directories.contains(directory));
        return Ok(Found {
            program: found,
            path: join(directories.iter().chain(further)),
        });
    }
    trusted(program).map_err(|searched| match counts {
        true => format!("PATH, nor in {searched}"),
        false => format!("{searched}; PATH is not searched by a program that is setuid"),
    })
}

/// Tells whether the caller's `PATH` may say what this process runs: not where the caller is another user, with fewer
/// rights. Under sudo it may, since sudo decides itself what of the caller's environment is passed on (`secure_path`,
/// `env_keep` in sudoers(5)), and the test is the caller's program as much as the mkfs. `kdev-root` looks up no
/// program so, and removes `PATH` first.
fn path_counts(real: u32, effective: u32) -> bool {
    real == effective
}

/// A relative directory in `PATH` would mean another one in each directory in which this is run.
fn absolute(path: Option<&OsStr>) -> Vec<PathBuf> {
    let directories = env::split_paths(path.unwrap_or_default());
    directories.filter(|directory| directory.is_absolute()).collect()
}

fn candidates(
    directories: impl IntoIterator<Item = PathBuf>,
    program: &str,
) -> impl Iterator<Item = PathBuf> {
    let paths = directories
        .into_iter()
        .map(move |directory| directory.join(program));
    paths.filter(|path| is_executable(path))
}

/// Those of the directories in which root alone can put a program.
fn trusted_directories() -> &'static [PathBuf] {
    static TRUSTED: OnceLock<Vec<PathBuf>> = OnceLock::new();
    TRUSTED.get_or_init(|| {
        let all = DIRECTORIES.iter().map(PathBuf::from);
        all.filter(|directory| check_only_root(directory).is_ok())
            .collect()
    })
}

fn join<'a>(directories: impl IntoIterator<Item = &'a PathBuf>) -> OsString {
    // Each is an element of a PATH, or a constant: none has a colon.
    env::join_paths(directories).unwrap_or_default()
}

fn is_executable(path: &Path) -> bool {
    path.metadata()
        .is_ok_and(|meta| meta.is_file() && meta.permissions().mode() & 0o111 != 0)
}

#[cfg(test)]
mod tests {
    use rstest::rstest;

    use super::*;

    #[rstest]
    #[case::a_user(1000, 1000, true)]
    #[case::root(0, 0, true)]
    #[case::setuid(1000, 0, false)]
    fn path_counts_unless_the_caller_has_fewer_rights(
        #[case] real: u32,
        #[case] effective: u32,
        #[case] expected: bool,
    ) {
        assert_eq!(path_counts(real, effective), expected);
    }

    #[test]
    fn relative_entries_of_path_are_ignored() {
        let path = OsStr::new("bin:/a::./b:/c/d:");
        assert_eq!(absolute(Some(path)), [Path::new("/a"), Path::new("/c/d")]);
        assert!(absolute(None).is_empty());
    }
}
