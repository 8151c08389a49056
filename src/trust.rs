//! Whose word counts: who can write the files of the state can have volumes removed. So they are ours,
//! root's, or those of the user for whom sudo runs us, and no link that leads elsewhere.

use std::env;
use std::ffi::OsStr;
use std::fs::{self, DirBuilder, File, Metadata, OpenOptions, Permissions};
use std::io::{self, ErrorKind, Read};
use std::os::fd::AsRawFd;
use std::os::unix::fs::{DirBuilderExt, MetadataExt, OpenOptionsExt, PermissionsExt, fchown};
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

/// Makes sure that a directory is trusted, and closes it to other users; `false` if it is missing.
///
/// kerneldev-mcp makes its directory open to all.
pub(crate) fn check_directory(path: &Path) -> io::Result<bool> {
    let directory = match open_directory(path) {
        Ok(directory) => directory,
        Err(err) if err.kind() == ErrorKind::NotFound => return Ok(false),
        Err(err) => {
            // What is there may tell more than that it cannot be opened.
            fs::symlink_metadata(path).map_or(Ok(()), |found| trust_directory(&found, "KDEV_STATE_DIR"))?;
            return Err(err);
        }
    };
    let found = directory.metadata()?;
    trust_directory(&found, "KDEV_STATE_DIR")?;
    if found.mode() & 0o077 == 0 {
        return Ok(true);
    }
    if is_for_the_state(path, &found)? {
        directory.set_permissions(Permissions::from_mode(0o700))?;
    } else if found.mode() & 0o022 != 0 && !is_sticky(&found) {
        return Err(distrust(
            "other users may replace what is in it, and it is used for other things too (set KDEV_STATE_DIR to a directory of its own)",
        ));
    }
    Ok(true)
}

/// Tells whether a directory may be closed to other users. Who names `/tmp` or `/` must not lose it; what
/// is made there is for its owner only all the same.
fn is_for_the_state(path: &Path, found: &Metadata) -> io::Result<bool> {
    const OURS: &[&str] = &[".kerneldev-mcp", "leases", "queue"];
    const HOLDS: &[&str] = &["lv-state.json", "device-pool.json"];
    let is_one_of = |name: &OsStr, names: &[&str]| names.iter().any(|ours| name == *ours);
    if is_sticky(found) {
        return Ok(false);
    }
    if path.file_name().is_some_and(|name| is_one_of(name, OURS)) {
        return Ok(true);
    }
    let mut is_empty = true;
    for entry in fs::read_dir(path)? {
        if is_one_of(&entry?.file_name(), HOLDS) {
            return Ok(true);
        }
        is_empty = false;
    }
    Ok(is_empty)
}

/// In such a directory only a file's owner may replace it (inode(7)).
fn is_sticky(found: &Metadata) -> bool {
    found.mode() & libc::S_ISVTX != 0
}

/// Opens a directory that nobody but this user, or the one for whom sudo runs us, can reach into. What is
/// done through it is done in this directory, whatever comes to stand at its path.
///
/// Unlike a directory of the state it is never closed here: what is in it may have been laid there while it
/// was open.
pub(crate) fn open_private_directory(path: &Path) -> io::Result<File> {
    let directory = match open_directory(path) {
        Ok(directory) => directory,
        Err(err) => {
            // What is there may tell more than that it cannot be opened.
            fs::symlink_metadata(path).map_or(Ok(()), |found| trust_directory(&found, "TMPDIR"))?;
            return Err(err);
        }
    };
    let found = directory.metadata()?;
    trust_directory(&found, "TMPDIR")?;
    match found.mode() & 0o077 {
        0 => Ok(directory),
        _ => Err(distrust(
            "other users may reach into it (`chmod 700` it if you know what is in it, or set TMPDIR to another directory)",
        )),
    }
}

/// Makes a directory that nobody but this user can reach into, unless it is there, and opens it.
///
/// Not even the user for whom sudo runs us may own it: what that user could put in place of a file, root
/// would write to.
pub(crate) fn make_private_directory(path: &Path) -> io::Result<File> {
    match DirBuilder::new().mode(0o700).create(path) {
        Err(err) if err.kind() != ErrorKind::AlreadyExists => return Err(err),
        _ => {}
    }
    let directory = open_private_directory(path)?;
    match directory.metadata()?.uid() {
        owner if owner == nix::unistd::geteuid().as_raw() => Ok(directory),
        owner => Err(belongs_to(owner, "TMPDIR")),
    }
}

/// Makes a directory, and those above it, if they are missing.
pub(crate) fn make_directory(path: &Path) -> io::Result<()> {
    if check_directory(path)? {
        return Ok(());
    }
    make_missing(path)?;
    match check_directory(path)? {
        true => Ok(()),
        false => Err(ErrorKind::NotFound.into()),
    }
}

fn make_missing(path: &Path) -> io::Result<()> {
    let make = || DirBuilder::new().mode(0o700).create(path);
    let made = match (make(), path.parent()) {
        (Err(err), Some(above)) if err.kind() == ErrorKind::NotFound => {
            make_missing(above)?;
            make()
        }
        (made, _) => made,
    };
    match made {
        Ok(()) => give(&open_directory(path)?, directory_of(path)),
        Err(err) if err.kind() == ErrorKind::AlreadyExists => Ok(()),
        Err(err) => Err(err),
    }
}

fn open_directory(path: &Path) -> io::Result<File> {
    OpenOptions::new()
        .read(true)
        .custom_flags(libc::O_DIRECTORY | libc::O_NOFOLLOW)
        .open(path)
}

/// `variable` is the one by which another directory can be chosen.
fn trust_directory(found: &Metadata, variable: &str) -> io::Result<()> {
    if found.is_symlink() {
        return Err(distrust(format!(
            "it is a symbolic link (put the directory itself there, or set {variable} to another one)"
        )));
    }
    if !found.is_dir() {
        return Err(distrust(format!(
            "it is not a directory (remove it, or set {variable} to another one)"
        )));
    }
    let (owner, me) = (found.uid(), nix::unistd::geteuid().as_raw());
    if owner == me || Some(owner) == sudo_user() {
        return Ok(());
    }
    Err(belongs_to(owner, variable))
}

fn belongs_to(owner: u32, variable: &str) -> io::Error {
    let me = nix::unistd::geteuid();
    distrust(format!(
        "it belongs to user {owner} and this is user {me} (run this as that user, with sudo if it needs root, or set {variable} to another directory)"
    ))
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

    #[test]
    fn a_directory_that_is_open_to_others_is_closed_to_them() {
        let root = tempfile::tempdir().unwrap();
        for open in [0o755, 0o775, 0o701] {
            fs::set_permissions(root.path(), Permissions::from_mode(open)).unwrap();
            assert!(check_directory(root.path()).unwrap());
            assert_eq!(mode(root.path()), 0o700);
        }
    }

    #[test]
    fn a_directory_that_is_used_for_other_things_is_not_closed() {
        let root = tempfile::tempdir().unwrap();
        let check = |open: u32| {
            fs::set_permissions(root.path(), Permissions::from_mode(open)).unwrap();
            let checked = check_directory(root.path()).map_err(|err| err.to_string());
            (checked, mode(root.path()))
        };
        assert_eq!(
            check(0o1777),
            (Ok(true), 0o777),
            "as `/tmp` may be, also while it is empty"
        );
        fs::write(root.path().join("other"), "").unwrap();
        assert_eq!(check(0o755), (Ok(true), 0o755));
        for writable in [0o775, 0o757] {
            let (checked, mode) = check(writable);
            assert!(checked.unwrap_err().starts_with("other users may replace"));
            assert_eq!(mode, writable);
        }
        fs::write(root.path().join("lv-state.json"), "").unwrap();
        assert_eq!(check(0o775), (Ok(true), 0o700));
    }

    #[test]
    fn what_is_no_directory_is_refused_and_what_is_missing_is_not_made_by_a_look() {
        let root = tempfile::tempdir().unwrap();
        let (file, link) = (root.path().join("file"), root.path().join("link"));
        assert!(!check_directory(&file).unwrap() && !file.exists());
        fs::write(&file, "").unwrap();
        symlink(root.path(), &link).unwrap();
        for (path, why) in [(&file, "it is not a directory"), (&link, "it is a symbolic link")] {
            for refused in [check_directory(path).map(|_| ()), make_directory(path)] {
                let said = refused.unwrap_err().to_string();
                assert!(said.starts_with(why), "{said}");
            }
        }
    }

    #[test]
    fn a_private_directory_is_made_closed_and_one_that_is_open_is_refused_and_left_open() {
        let root = tempfile::tempdir().unwrap();
        let path = root.path().join("private");
        assert_eq!(
            open_private_directory(&path).unwrap_err().kind(),
            ErrorKind::NotFound
        );
        make_private_directory(&path).unwrap();
        assert_eq!(mode(&path), 0o700);
        open_private_directory(&path).unwrap();
        for open in [0o755, 0o770, 0o701] {
            fs::set_permissions(&path, Permissions::from_mode(open)).unwrap();
            for refused in [open_private_directory(&path), make_private_directory(&path)] {
                let said = refused.unwrap_err().to_string();
                assert!(said.starts_with("other users may reach into it"), "{said}");
            }
            assert_eq!(mode(&path), open);
        }
    }

    #[test]
    fn what_stands_in_place_of_a_private_directory_is_refused() {
        let root = tempfile::tempdir().unwrap();
        let (file, link) = (root.path().join("file"), root.path().join("link"));
        fs::write(&file, "").unwrap();
        make_private_directory(&root.path().join("private")).unwrap();
        symlink(root.path().join("private"), &link).unwrap();
        for (path, why) in [(&file, "it is not a directory"), (&link, "it is a symbolic link")] {
            for refused in [open_private_directory(path), make_private_directory(path)] {
                let said = refused.unwrap_err().to_string();
                assert!(said.starts_with(why) && said.contains("TMPDIR"), "{said}");
            }
        }
    }

    #[test]
    fn a_link_above_that_leads_nowhere_is_an_error() {
        let root = tempfile::tempdir().unwrap();
        let link = root.path().join("link");
        symlink("nowhere", &link).unwrap();
        let said = make_directory(&link.join("state")).unwrap_err();
        assert_eq!(said.kind(), ErrorKind::NotFound);
    }
}
