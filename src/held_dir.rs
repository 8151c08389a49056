//! Directories that are held open: who can rename what lies on their paths puts nothing else in their place.

use std::ffi::OsStr;
use std::os::fd::{AsFd, OwnedFd};
use std::path::{Component, Path};

use nix::errno::Errno;
use nix::fcntl::{AT_FDCWD, OFlag, openat};
use nix::sys::stat::Mode;

/// Opens a directory, on whose whole path is no link, for nothing but to name it and what is in it.
pub(crate) fn open(path: &Path) -> nix::Result<OwnedFd> {
    let mut parts = path.components();
    if parts.next() != Some(Component::RootDir) {
        return Err(Errno::EINVAL);
    }
    let mut held = step(AT_FDCWD, OsStr::new("/"), OFlag::O_DIRECTORY)?;
    for part in parts {
        let Component::Normal(name) = part else {
            return Err(Errno::EINVAL);
        };
        held = step(&held, name, OFlag::O_DIRECTORY)?;
    }
    Ok(held)
}

/// Opens what is in a directory, whatever that is, in the same way; of a link, the link itself.
pub(crate) fn open_in(directory: &OwnedFd, name: &OsStr) -> nix::Result<OwnedFd> {
    step(directory, name, OFlag::empty())
}

fn step(from: impl AsFd, name: &OsStr, kind: OFlag) -> nix::Result<OwnedFd> {
    // With O_DIRECTORY a link is an error.
    let flags = OFlag::O_PATH | OFlag::O_NOFOLLOW | OFlag::O_CLOEXEC;
    openat(from, name, flags | kind, Mode::empty())
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::os::unix::fs::symlink;

    use rstest::rstest;

    use super::*;

    #[rstest]
    #[case::there("a/b", None)]
    #[case::a_link("link", Some(Errno::ENOTDIR))]
    #[case::a_link_on_the_way("link/b", Some(Errno::ENOTDIR))]
    #[case::upwards("a/b/..", Some(Errno::EINVAL))]
    #[case::a_file("file", Some(Errno::ENOTDIR))]
    #[case::missing("a/c", Some(Errno::ENOENT))]
    fn a_directory_is_opened_if_no_link_is_on_its_path(#[case] path: &str, #[case] refused: Option<Errno>) {
        let dir = tempfile::tempdir().unwrap();
        let top = dir.path().canonicalize().unwrap();
        fs::create_dir_all(top.join("a/b")).unwrap();
        fs::write(top.join("file"), "").unwrap();
        symlink(top.join("a"), top.join("link")).unwrap();
        assert_eq!(open(&top.join(path)).err(), refused);
    }

    #[test]
    fn a_relative_path_is_none() {
        assert_eq!(open(Path::new("tmp")).err(), Some(Errno::EINVAL));
    }
}
