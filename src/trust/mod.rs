//! Whose word counts: who can write the files of the state can have volumes removed. So they are ours,
//! root's, or those of the user for whom sudo runs us, and no link that leads elsewhere.

mod directory;
mod roots;

pub(crate) use directory::{check_directory, make_directory, make_private_directory, open_private_directory};

#[cfg(feature = "cli")]
pub(crate) use roots::NotRoots;
pub(crate) use roots::check_only_root;

use std::env;
use std::fs::{self, File, OpenOptions};
use std::io::{self, ErrorKind, Read};
use std::os::fd::AsRawFd;
use std::os::unix::fs::{MetadataExt, OpenOptionsExt, fchown};
use std::path::{Path, PathBuf};

use nix::fcntl::{AT_FDCWD, AtFlags, OFlag};
use nix::libc;
use nix::unistd::linkat;

use crate::error::Error;

/// Why a file or directory is not used, and what helps.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
struct Distrust(String);

fn distrust(why: impl Into<String>) -> io::Error {
    io::Error::new(ErrorKind::PermissionDenied, Distrust(why.into()))
}

/// Makes this crate's error of one that a function of this file returned.
pub(crate) fn error(doing: &'static str, path: impl Into<PathBuf>, err: io::Error) -> Error {
    match err.downcast::<Distrust>() {
        Ok(Distrust(why)) => Error::Untrusted {
            path: path.into(),
            why,
        },
        Err(err) => Error::io(doing, path, err),
    }
}

/// Opens a file that is there, for reading only.
pub(crate) fn open(path: &Path) -> io::Result<File> {
    open_with(OpenOptions::new().read(true), path)
}

/// Opens a file that is there, for reading and writing.
pub(crate) fn open_to_write(path: &Path) -> io::Result<File> {
    open_with(OpenOptions::new().read(true).write(true), path)
}

/// Reads a file that is there.
pub(crate) fn read(path: &Path) -> io::Result<Vec<u8>> {
    let mut text = Vec::new();
    open(path)?.read_to_end(&mut text)?;
    Ok(text)
}

/// Opens a file for reading and writing, and makes it if it is missing.
pub(crate) fn open_or_make(path: &Path) -> io::Result<File> {
    loop {
        match open_with(OpenOptions::new().read(true).write(true), path) {
            Err(err) if err.kind() == ErrorKind::NotFound => {}
            done => return done,
        }
        match make(path) {
            Err(err) if err.kind() == ErrorKind::AlreadyExists => {}
            done => return done,
        }
    }
}

/// Opens a file to which lines are added, and makes it if it is missing.
pub(crate) fn open_to_append(path: &Path) -> io::Result<File> {
    loop {
        match open_with(OpenOptions::new().append(true), path) {
            Err(err) if err.kind() == ErrorKind::NotFound => {}
            done => return done,
        }
        // It is opened anew: what was made is not at its end for good.
        match make(path) {
            Err(err) if err.kind() != ErrorKind::AlreadyExists => return Err(err),
            _ => {}
        }
    }
}

/// Makes a file, which must not exist, that only its owner can read and write.
pub(crate) fn make(path: &Path) -> io::Result<File> {
    let mut options = OpenOptions::new();
    options.read(true).write(true).create_new(true).mode(0o600);
    let file = options.open(path)?;
    if let Err(err) = give(&file, directory_of(path)) {
        // That it cannot be given is what is reported.
        let _ = fs::remove_file(path);
        return Err(err);
    }
    Ok(file)
}

/// Makes a file without a name, to be named in that directory.
pub(crate) fn make_unnamed(directory: &Path) -> io::Result<File> {
    let mut options = OpenOptions::new();
    options.read(true).write(true).mode(0o600);
    let file = options.custom_flags(OFlag::O_TMPFILE.bits()).open(directory)?;
    give(&file, directory)?;
    Ok(file)
}

/// Gives such a file its name, which must not be taken.
pub(crate) fn name(file: &File, path: &Path) -> io::Result<()> {
    let unnamed = format!("/proc/self/fd/{}", file.as_raw_fd());
    linkat(
        AT_FDCWD,
        unnamed.as_str(),
        AT_FDCWD,
        path,
        AtFlags::AT_SYMLINK_FOLLOW,
    )?;
    Ok(())
}

/// Gives a file, or a directory, that we have just made to the owner of the directory that it is in.
///
/// Only if that is the user for whom sudo runs us: with what root leaves in it, that user's own
/// programs could not work. Never for what was there before: it could be a link to any file of root's.
pub(crate) fn give(made: &File, directory: &Path) -> io::Result<()> {
    let Some(user) = sudo_user() else { return Ok(()) };
    let whose = fs::metadata(directory)?;
    match whose.uid() == user {
        true => fchown(made, Some(user), Some(whose.gid())),
        false => Ok(()),
    }
}

/// `O_NONBLOCK`, since what is found in place of a file may be a FIFO that nobody writes to; to a
/// regular file it means nothing. std adds `O_CLOEXEC`.
fn open_with(options: &mut OpenOptions, path: &Path) -> io::Result<File> {
    let flags = libc::O_NOFOLLOW | libc::O_NONBLOCK | libc::O_NOCTTY;
    let file = match options.custom_flags(flags).open(path) {
        Err(err) if err.raw_os_error() == Some(libc::ELOOP) => {
            return Err(distrust("it is a symbolic link (remove it)"));
        }
        opened => opened?,
    };
    let found = file.metadata()?;
    if !found.is_file() {
        return Err(distrust("it is not a regular file (remove it)"));
    }
    let (owner, me) = (found.uid(), nix::unistd::geteuid().as_raw());
    if owner == me || owner == 0 || owner == fs::metadata(directory_of(path))?.uid() {
        return Ok(file);
    }
    Err(distrust(format!(
        "it belongs to user {owner}, who is neither this user nor its directory's (remove it, or `chown` it if you know what it says)"
    )))
}

fn directory_of(path: &Path) -> &Path {
    path.parent().unwrap_or(path)
}

/// Returns the user for whom sudo runs us as root (sudo(8)); not if that is root too.
fn sudo_user() -> Option<u32> {
    if !nix::unistd::geteuid().is_root() {
        return None;
    }
    env::var("SUDO_UID").ok()?.parse().ok().filter(|&user| user != 0)
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::symlink;

    use nix::sys::stat::Mode;
    use nix::unistd::mkfifo;

    use super::*;

    fn mode(path: &Path) -> u32 {
        fs::metadata(path).unwrap().mode() & 0o777
    }

    /// Says why a file is not used, whichever way it is opened.
    fn why_not(path: &Path) -> String {
        let reading = open(path).unwrap_err().to_string();
        assert_eq!(open_or_make(path).unwrap_err().to_string(), reading);
        reading
    }

    #[test]
    fn a_link_in_place_of_a_file_is_refused_whether_it_leads_somewhere_or_not() {
        let root = tempfile::tempdir().unwrap();
        let (file, link) = (root.path().join("file"), root.path().join("link"));
        symlink(&file, &link).unwrap();
        assert_eq!(why_not(&link), "it is a symbolic link (remove it)");
        assert!(!file.exists(), "nothing was made through the link");
        fs::write(&file, "").unwrap();
        assert_eq!(why_not(&link), "it is a symbolic link (remove it)");
        assert_eq!(make(&link).unwrap_err().kind(), ErrorKind::AlreadyExists);
    }

    #[test]
    fn a_fifo_in_place_of_a_file_is_refused_at_once() {
        let root = tempfile::tempdir().unwrap();
        let fifo = root.path().join("fifo");
        mkfifo(&fifo, Mode::S_IRWXU).unwrap();
        assert_eq!(why_not(&fifo), "it is not a regular file (remove it)");
    }

    #[test]
    fn a_device_in_place_of_a_file_is_refused() {
        assert_eq!(
            why_not(Path::new("/dev/null")),
            "it is not a regular file (remove it)"
        );
    }

    #[test]
    fn what_is_made_is_for_its_owner_only() {
        let root = tempfile::tempdir().unwrap();
        let (directory, file) = (root.path().join("a/b"), root.path().join("a/b/file"));
        make_directory(&directory).unwrap();
        open_or_make(&file).unwrap();
        assert_eq!((mode(&directory), mode(&file)), (0o700, 0o600));
    }
}
