//! The directories on which volumes are mounted. They are made for one mount each, and only ever removed
//! with rmdir(2): what is not empty is somebody's data.

use std::env;
use std::fs;
use std::io::{self, ErrorKind};
use std::path::{Path, PathBuf};

use nix::errno::Errno;
use nix::fcntl::AtFlags;
use nix::sys::stat::fstatat;
use nix::unistd::{UnlinkatFlags, geteuid, unlinkat};

use crate::error::{Error, Result};
use crate::fault;
use crate::held_dir;
use crate::mounts::is_mount_point;
use crate::owner::Owner;
use crate::session_id::SessionId;

/// How many mounts of one volume may have a directory at once.
const MOST: usize = 16;

/// Makes a directory that is named after the volume; one of that name that is there already is not used.
pub(crate) fn make(lv_name: &str) -> Result<PathBuf> {
    let failed = |point: PathBuf, err| Error::io("make the mount point", point, err);
    let within = dir().map_err(|err| failed(named_dir(), err))?;
    for point in candidates(&within, lv_name) {
        match fs::create_dir(&point) {
            Ok(()) => {
                fault::point("mount point made");
                return Ok(point);
            }
            Err(err) if err.kind() == ErrorKind::AlreadyExists => {}
            Err(err) => return Err(failed(point, err)),
        }
    }
    let taken = io::Error::other("it and others with a number are there already");
    Err(failed(within.join(lv_name), taken))
}

/// Removes a directory, on which nothing may be mounted any more.
pub(crate) fn remove(point: &Path) -> Result<()> {
    match rmdir(point, |_| true) {
        Err(err) if err != Errno::ENOENT => Err(Error::io("remove the mount point", point, err.into())),
        _ => {
            fault::point("mount point removed");
            Ok(())
        }
    }
}

/// Goes by no link, neither on the way nor at its end. `may_go` is told the owner.
fn rmdir(point: &Path, may_go: impl Fn(u32) -> bool) -> nix::Result<()> {
    let (Some(within), Some(name)) = (point.parent(), point.file_name()) else {
        return Err(Errno::EINVAL);
    };
    let within = held_dir::open(within)?;
    match may_go(fstatat(&within, name, AtFlags::AT_SYMLINK_NOFOLLOW)?.st_uid) {
        true => unlinkat(&within, name, UnlinkatFlags::RemoveDir),
        false => Err(Errno::EPERM),
    }
}

/// Removes a directory where something was mounted, if it was made for that and is not used any more.
pub(crate) fn remove_if_ours(point: &Path) {
    let name = point.file_name().and_then(|name| name.to_str());
    if name.is_some_and(|name| SessionId::of_lv(name).is_some()) {
        remove_unused(point, |_| true);
    }
}

/// Removes a dead owner's directories of a volume, also those on which it had nothing mounted yet.
pub(crate) fn remove_all_of(lv_name: &str, owner: &Owner) {
    // Who writes records is trusted, but a name that leads elsewhere is none of ours.
    if Path::new(lv_name).file_name() != Some(lv_name.as_ref()) {
        return;
    }
    // Where it is missing, so are they.
    let Ok(within) = dir() else { return };
    let me = geteuid().as_raw();
    // Anybody can put something of that name into a directory for everybody's temporary files.
    let is_theirs = |user: u32| user == me || Some(user) == owner.uid;
    for point in candidates(&within, lv_name) {
        // Most are not there.
        if fs::symlink_metadata(&point).is_ok_and(|meta| meta.is_dir()) {
            remove_unused(&point, is_theirs);
        }
    }
}

/// The kernel removes a directory also where another namespace has a mount on it, and takes that away
/// unseen, whoever uses it: so nobody may.
fn remove_unused(point: &Path, may_go: impl Fn(u32) -> bool) {
    if !is_mount_point(point) && rmdir(point, may_go).is_ok() {
        // What is not empty is somebody's, and an empty directory that is left harms nobody.
        fault::point("mount point removed");
    }
}

fn candidates(within: &Path, lv_name: &str) -> impl Iterator<Item = PathBuf> {
    (1..=MOST).map(move |number| match number {
        1 => within.join(lv_name),
        _ => within.join(format!("{lv_name}.{number}")),
    })
}

/// As the kernel will show it. What is in it is never gone by a link.
fn dir() -> io::Result<PathBuf> {
    fs::canonicalize(named_dir())
}

fn named_dir() -> PathBuf {
    let dir = env::var_os("TMPDIR").filter(|dir| !dir.is_empty());
    dir.map_or_else(|| "/tmp".into(), PathBuf::from)
}

#[cfg(test)]
mod tests {
    use super::*;

    const NAME: &str = "kdev-20251115103045-a3f9d2-mountpoint";

    #[test]
    fn a_directory_that_is_there_is_not_used_and_not_emptied() {
        let first = make(NAME).unwrap();
        let second = make(NAME).unwrap();
        assert!(first.ends_with(NAME) && second.ends_with(format!("{NAME}.2")));
        fs::write(first.join("data"), "").unwrap();
        assert!(remove(&first).is_err());
        remove_all_of(NAME, &Owner::myself().unwrap());
        assert!(first.join("data").exists() && !second.exists());
        fs::remove_file(first.join("data")).unwrap();
        remove(&first).unwrap();
        remove(&first).unwrap();
    }

    #[test]
    fn a_directory_of_another_name_is_left() {
        let dir = tempfile::tempdir().unwrap();
        let [other, ours] = ["kdev-test", NAME].map(|name| dir.path().join(name));
        for point in [&other, &ours] {
            fs::create_dir(point).unwrap();
            remove_if_ours(point);
        }
        assert!(other.exists() && !ours.exists());
    }
}
