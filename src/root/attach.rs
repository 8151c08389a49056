//! Mounting for somebody who may rename any directory on the way meanwhile. Nothing here goes by a path of the
//! caller's twice: what was looked at is held open, and mounted on.

use std::ffi::CString;
use std::fs::File;
use std::io::{self, Read};
use std::os::fd::{AsRawFd, FromRawFd, OwnedFd};
use std::path::Path;

use nix::errno::Errno;
use nix::fcntl::AtFlags;
use nix::libc::{self, c_long};
use nix::sys::stat::fstat;
use nix::unistd::{Gid, Uid, fchownat};

use crate::held_dir;
use crate::mounts::Mount;
use crate::root::caller::Caller;
use crate::root::options::Options;
use crate::unmount::unmount_if;

/// Opens a directory, on whose path is no link, for nothing but to name it.
pub(super) fn open_directory(path: &Path) -> nix::Result<OwnedFd> {
    held_dir::open(path)
}

/// Returns the owner of an open directory.
pub(super) fn owner_of(directory: &OwnedFd) -> nix::Result<u32> {
    Ok(fstat(directory)?.st_uid)
}

/// Mounts a device on an open directory. The root of what is mounted becomes the caller's before anybody can see
/// it, if it was root's, so that the caller can write there.
pub(super) fn mount(
    device: &Path,
    on: &OwnedFd,
    fs_type: &str,
    options: &Options,
    caller: Caller,
) -> io::Result<()> {
    let context = Context::open(fs_type)?;
    context.set("source", Some(device.to_str().unwrap_or_default()))?;
    for option in &options.of_filesystem {
        match option.split_once('=') {
            Some((key, value)) => context.set(key, Some(value))?,
            None => context.set(option, None)?,
        }
    }
    let mount = context.mount(options.attributes)?;
    if !options.is_read_only && fstat(&mount)?.st_uid == 0 {
        let given = fchownat(
            &mount,
            "",
            Some(Uid::from_raw(caller.uid)),
            Some(Gid::from_raw(caller.gid())),
            AtFlags::AT_EMPTY_PATH,
        );
        match given {
            // A filesystem may be read-only whatever was asked for, and some know of no owners.
            Ok(()) | Err(Errno::EROFS | Errno::EPERM | Errno::EINVAL | Errno::EOPNOTSUPP) => {}
            Err(err) => return Err(err.into()),
        }
    }
    let flags = libc::MOVE_MOUNT_F_EMPTY_PATH | libc::MOVE_MOUNT_T_EMPTY_PATH;
    // SAFETY: both descriptors are open, and both paths are empty, and end with a zero.
    let moved = unsafe {
        libc::syscall(
            libc::SYS_move_mount,
            mount.as_raw_fd(),
            c"".as_ptr(),
            on.as_raw_fd(),
            c"".as_ptr(),
            flags,
        )
    };
    done(moved).map(drop)
}

/// Unmounts what is mounted at a path, if it is `wanted`.
pub(super) fn unmount(point: &Path, wanted: impl Fn(&Mount) -> bool) -> io::Result<bool> {
    unmount_if(point, |found| {
        Mount::of_descriptor(found).is_some_and(|mount| wanted(&mount))
    })
}

/// A filesystem that is being configured, see fsopen(2).
struct Context(File);

impl Context {
    fn open(fs_type: &str) -> io::Result<Self> {
        let fs_type = CString::new(fs_type)?;
        // SAFETY: the name ends with a zero, and lives longer than the call.
        let opened = unsafe { libc::syscall(libc::SYS_fsopen, fs_type.as_ptr(), FSOPEN_CLOEXEC) };
        Ok(Self(owned(opened)?.into()))
    }

    fn set(&self, key: &str, value: Option<&str>) -> io::Result<()> {
        let key = CString::new(key)?;
        let value = value.map(CString::new).transpose()?;
        let command = match value {
            Some(_) => FSCONFIG_SET_STRING,
            None => FSCONFIG_SET_FLAG,
        };
        let value = value.as_ref().map_or(std::ptr::null(), |value| value.as_ptr());
        self.config(command, key.as_ptr(), value)
    }

    fn mount(&self, attributes: u64) -> io::Result<OwnedFd> {
        self.config(FSCONFIG_CMD_CREATE, std::ptr::null(), std::ptr::null())?;
        // SAFETY: the descriptor is open; nothing else is passed but numbers.
        let mounted =
            unsafe { libc::syscall(libc::SYS_fsmount, self.0.as_raw_fd(), FSMOUNT_CLOEXEC, attributes) };
        owned(mounted)
    }

    fn config(&self, command: u32, key: *const libc::c_char, value: *const libc::c_char) -> io::Result<()> {
        // SAFETY: the descriptor is open; key and value are null, or end with a zero and live longer than the call.
        let set = unsafe { libc::syscall(libc::SYS_fsconfig, self.0.as_raw_fd(), command, key, value, 0) };
        done(set).map(drop).map_err(|err| self.told(err))
    }

    /// Adds what the filesystem itself says of it, a message at each read.
    fn told(&self, err: io::Error) -> io::Error {
        let mut said = Vec::new();
        let mut line = [0; 512];
        while let Ok(length @ 1..) = (&self.0).read(&mut line) {
            said.push(String::from_utf8_lossy(&line[..length]).trim().to_owned());
        }
        match said.is_empty() {
            true => err,
            false => io::Error::new(err.kind(), format!("{err}: {}", said.join(" / "))),
        }
    }
}

/// Of `linux/mount.h`, as below.
const FSOPEN_CLOEXEC: u32 = 1;
const FSMOUNT_CLOEXEC: u32 = 1;
const FSCONFIG_SET_FLAG: u32 = 0;
const FSCONFIG_SET_STRING: u32 = 1;
const FSCONFIG_CMD_CREATE: u32 = 6;

fn done(result: c_long) -> io::Result<c_long> {
    Ok(Errno::result(result)?)
}

fn owned(result: c_long) -> io::Result<OwnedFd> {
    let descriptor = i32::try_from(done(result)?).map_err(io::Error::other)?;
    // SAFETY: the kernel has just made it, for nobody else.
    Ok(unsafe { OwnedFd::from_raw_fd(descriptor) })
}
