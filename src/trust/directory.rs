use std::ffi::OsStr;
use std::fs::{self, DirBuilder, File, Metadata, OpenOptions, Permissions};
use std::io::{self, ErrorKind};
use std::os::unix::fs::{DirBuilderExt, MetadataExt, OpenOptionsExt, PermissionsExt};
use std::path::Path;

use nix::libc;

use crate::trust::{directory_of, distrust, give, sudo_user};

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

#[cfg(test)]
mod tests {
    use std::os::unix::fs::symlink;

    use super::*;

    fn mode(path: &Path) -> u32 {
        fs::metadata(path).unwrap().mode() & 0o777
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
