//! Descriptors that one child inherits, and no other: what is handed down has no name on disk.

use std::fs::File;
use std::io::{self, Write};
use std::os::fd::{AsRawFd, OwnedFd};
use std::os::unix::process::CommandExt;
use std::process::Command;

use nix::fcntl::{FcntlArg, FdFlag, SealFlag, fcntl};
use nix::sys::memfd::{MFdFlags, memfd_create};

use super::{Error, Result};

/// Lets the children of a command inherit some descriptors, under the numbers that they have here.
///
/// The command owns them from now on, and closes them when it is dropped: drop it as soon as the child
/// is there, or the other end of a socket never sees the child's end closed. They must be close-on-exec, as
/// all are that the standard library makes, so that a child started by another thread at the same
/// time has none of them.
pub(crate) fn inherit(command: &mut Command, fds: Vec<OwnedFd>) {
    let clear = move || {
        for fd in &fds {
            fcntl(fd, FcntlArg::F_SETFD(FdFlag::empty()))?;
        }
        Ok::<(), io::Error>(())
    };
    // SAFETY: Between fork and exec, the closure calls nothing but fcntl(2), which is
    // async-signal-safe, and makes an error from a number. It allocates nothing and takes no lock.
    unsafe { command.pre_exec(clear) };
}

/// The path under which a child opens a descriptor that it inherited.
pub(crate) fn path_in_child(fd: &impl AsRawFd) -> String {
    format!("/proc/self/fd/{}", fd.as_raw_fd())
}

/// Puts bytes into a file that has no name and can no more be changed.
///
/// It is gone with its last descriptor, however the processes that have it end.
///
/// # Errors
///
/// [`Error::System`].
pub(crate) fn sealed(bytes: &[u8]) -> Result<OwnedFd> {
    let what = "a file in memory";
    let flags = MFdFlags::MFD_CLOEXEC | MFdFlags::MFD_ALLOW_SEALING;
    let mut file = File::from(memfd_create("fstests_vm", flags).map_err(Error::system(what))?);
    file.write_all(bytes).map_err(Error::system(what))?;
    let seals =
        SealFlag::F_SEAL_SEAL | SealFlag::F_SEAL_SHRINK | SealFlag::F_SEAL_GROW | SealFlag::F_SEAL_WRITE;
    fcntl(&file, FcntlArg::F_ADD_SEALS(seals)).map_err(Error::system(what))?;
    Ok(file.into())
}

#[cfg(test)]
mod tests {
    use std::process::Output;

    use super::*;

    fn cat(path: &str, fds: Vec<OwnedFd>) -> Output {
        let mut command = Command::new("cat");
        command.arg(path);
        inherit(&mut command, fds);
        command.output().unwrap()
    }

    #[test]
    fn a_child_reads_what_it_inherits_and_another_does_not() {
        let fd = sealed(b"an initramfs").unwrap();
        let path = path_in_child(&fd);
        assert!(!cat(&path, Vec::new()).status.success());
        assert_eq!(cat(&path, vec![fd]).stdout, b"an initramfs");
    }

    #[test]
    fn a_command_that_is_dropped_closes_what_it_would_have_handed_down() {
        let (ours, theirs) = std::os::unix::net::UnixStream::pair().unwrap();
        let mut command = Command::new("true");
        inherit(&mut command, vec![theirs.into()]);
        command.status().unwrap();
        drop(command);
        assert_eq!(io::read_to_string(ours).unwrap(), "");
    }

    #[test]
    fn what_is_sealed_cannot_be_changed() {
        let mut file = File::from(sealed(b"an initramfs").unwrap());
        assert!(file.write_all(b"!").is_err());
        assert!(file.set_len(0).is_err());
    }
}
