//! Unmounts what the kernel has told of, and nothing that has come to its place meanwhile: who owns a directory on the
//! way can put another, or a link, there at any time.

use std::fs::File;
use std::io::{self, Read};
use std::os::fd::{AsRawFd, OwnedFd};
use std::path::Path;
use std::thread;

use nix::fcntl::{OFlag, openat};
use nix::mount::{MntFlags, umount2};
use nix::sched::{CloneFlags, setns, unshare};
use nix::sys::stat::Mode;
use nix::unistd::{chdir, chroot, fchdir};

use crate::held_dir;
use crate::mounts::{Mount, id_in, view_of};

/// Unmounts it, unless somebody uses it: never by force, and never lazily.
pub(crate) fn unmount(mount: &Mount) -> io::Result<()> {
    let mount = mount.clone();
    // What a thread of our own makes of its root, its directory and its mount namespace is its own.
    let there = thread::Builder::new().spawn(move || {
        unshare(CloneFlags::CLONE_FS)?;
        let known = Descriptors::open()?;
        if view_of(mount.seen_by) != view_of(std::process::id()) {
            go_to(mount.seen_by)?;
        }
        let is_it = |found: &OwnedFd| known.mount_of(found).is_ok_and(|id| id == mount.id);
        match unmount_if(&mount.point, is_it)? {
            true => Ok(()),
            false => Err(io::Error::other("something else has come to its place")),
        }
    })?;
    there
        .join()
        .unwrap_or_else(|_| Err(io::Error::other("the thread that unmounts panicked")))
}

/// Unmounts what is mounted at a path, if it is `wanted`. Where it goes for that, this thread's directory is `/` after.
///
/// An open descriptor of the mount would keep it busy. So its parent is what is held, from which it is one step
/// that the kernel lets nobody change as long as something is mounted there.
pub(crate) fn unmount_if(point: &Path, wanted: impl Fn(&OwnedFd) -> bool) -> io::Result<bool> {
    let (Some(parent), Some(name)) = (point.parent(), point.file_name()) else {
        return Ok(false);
    };
    // What is wrong with a directory is not told: who asks may not be able to look there.
    let Ok(parent) = held_dir::open(parent) else {
        return Ok(false);
    };
    if !held_dir::open_in(&parent, name).is_ok_and(|found| wanted(&found)) {
        return Ok(false);
    }
    fchdir(&parent)?;
    let unmounted = umount2(Path::new(name), MntFlags::UMOUNT_NOFOLLOW);
    chdir("/")?;
    unmounted?;
    Ok(true)
}

/// Has this thread see what a process sees.
fn go_to(pid: u32) -> io::Result<()> {
    let namespace = File::open(format!("/proc/{pid}/ns/mnt"))?;
    let root = File::open(format!("/proc/{pid}/root"))?;
    setns(namespace, CloneFlags::CLONE_NEWNS)?;
    fchdir(root)?;
    Ok(chroot(".")?)
}

/// What the kernel tells of our own descriptors, also where another's `/proc` is, or none.
struct Descriptors(File);

impl Descriptors {
    fn open() -> io::Result<Self> {
        File::open("/proc/self/fdinfo").map(Self)
    }

    /// Returns the number of the mount in which an open file or directory lies.
    fn mount_of(&self, descriptor: &OwnedFd) -> io::Result<u64> {
        let name = descriptor.as_raw_fd().to_string();
        let info = openat(
            &self.0,
            name.as_str(),
            OFlag::O_RDONLY | OFlag::O_CLOEXEC,
            Mode::empty(),
        )?;
        let mut text = String::new();
        File::from(info).read_to_string(&mut text)?;
        id_in(&text).ok_or_else(|| io::Error::other("the kernel does not tell which mount it lies in"))
    }
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::os::unix::fs::{MetadataExt, symlink};
    use std::path::PathBuf;
    use std::process::Command;

    use super::*;
    use crate::mounts::{is_mount_point, mounts_at};

    /// Unmounted at the end, however that comes.
    struct Mounted(PathBuf);

    impl Mounted {
        fn on(point: PathBuf) -> Self {
            fs::create_dir_all(&point).unwrap();
            let mounted = Command::new("mount")
                .args(["-t", "tmpfs", "kdev-test"])
                .arg(&point)
                .status();
            assert!(mounted.unwrap().success());
            Self(point)
        }

        fn told(&self) -> Mount {
            let device = fs::metadata(&self.0).unwrap().dev();
            mounts_at(&self.0, device).remove(0)
        }
    }

    impl Drop for Mounted {
        fn drop(&mut self) {
            // Where a test expects it to be unmounted, it is.
            let _ = Command::new("umount").arg(&self.0).output();
        }
    }

    /// `exchange` is what a user does between our look at the mounts and our unmounting one.
    fn unmounts_nothing_after(exchange: impl Fn(&Path, &Path)) {
        let dir = tempfile::tempdir().unwrap();
        let top = dir.path().canonicalize().unwrap();
        let [users, backup] = ["users", "backup"].map(|name| top.join(name));
        let (mine, other) = (
            Mounted::on(users.join("point")),
            Mounted::on(backup.join("point")),
        );
        let moved = Mounted(top.join("moved/point"));
        let told = mine.told();
        exchange(&users, &backup);
        assert!(unmount(&told).is_err());
        let left = [&mine.0, &other.0, &moved.0];
        assert_eq!(left.into_iter().filter(|point| is_mount_point(point)).count(), 2);
    }

    #[test]
    fn a_mount_is_not_taken_for_another_behind_a_link() {
        unmounts_nothing_after(|users, backup| {
            fs::rename(users, users.with_file_name("moved")).unwrap();
            symlink(backup, users).unwrap();
        });
    }

    #[test]
    fn a_mount_is_not_taken_for_another_that_has_come_to_its_place() {
        unmounts_nothing_after(|users, backup| {
            fs::rename(users, users.with_file_name("moved")).unwrap();
            fs::rename(backup, users).unwrap();
        });
    }

    #[test]
    fn what_is_there_still_is_unmounted_and_our_own_directory_stays() {
        let dir = tempfile::tempdir().unwrap();
        let mounted = Mounted::on(dir.path().canonicalize().unwrap().join("a point"));
        let before = std::env::current_dir().unwrap();
        unmount(&mounted.told()).unwrap();
        assert!(!is_mount_point(&mounted.0));
        assert_eq!(std::env::current_dir().unwrap(), before);
    }
}
