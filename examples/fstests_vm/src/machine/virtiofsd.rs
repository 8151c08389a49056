//! The daemon that shares a directory of the host by virtio-fs.

use std::ffi::OsString;
use std::fs::File;
use std::os::fd::{AsRawFd, OwnedFd, RawFd};
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::{Path, PathBuf};
use std::process::Command;

use nix::unistd::geteuid;

use super::share::Obstacle;
use super::{Error, Result, fds, host};

/// Where distributions put it, which is not in `PATH`. QEMU's own, older one comes last.
const PLACES: [&str; 4] = [
    "virtiofsd",
    "/usr/libexec/virtiofsd",
    "/usr/lib/virtiofsd",
    "/usr/lib/qemu/virtiofsd",
];

/// Which of the two programs of that name it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Dialect {
    /// QEMU's own, in C, up to QEMU 7.2. It can share `/` as root only.
    C,
    /// The one in Rust that came after it.
    Rust,
    /// A later one of these, which makes each mount point an automount in the guest unless it is told not to.
    RustWithSubmounts,
}

/// How much the guest may keep in mind of a shared directory.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Cache {
    /// All: nobody changes it while the guest runs.
    Always,
    /// Nothing: what the guest writes is on the host at once, and stays when the guest dies.
    None,
}

/// A virtiofsd of this host.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Daemon {
    pub(crate) program: PathBuf,
    pub(crate) dialect: Dialect,
    /// Whether it will run as root, which alone can lock itself into the directory.
    pub(crate) is_root: bool,
}

/// One directory, ready to be shared.
#[derive(Debug)]
pub(crate) struct Serving {
    /// The daemon, not started yet. It ends when the machine closes its end; drop this when it runs.
    pub(crate) command: Command,
    /// The machine's end, for [`super::qemu::ShareBy::Virtiofs`].
    pub(crate) machine: OwnedFd,
}

impl Daemon {
    /// Finds a daemon that can share any directory as this user.
    ///
    /// # Errors
    ///
    /// Why there is none, as [`super::share::choose`] wants to have it.
    pub(crate) fn find() -> Result<Self, Obstacle> {
        Self::among(PLACES.iter().filter_map(host::which), geteuid().is_root())
    }

    /// The first of some daemons that will do.
    fn among(programs: impl Iterator<Item = PathBuf>, is_root: bool) -> Result<Self, Obstacle> {
        let mut obstacle = Obstacle::new("there is no virtiofsd", "apt-get install virtiofsd");
        for program in programs {
            // One that does not even say how it is used is as good as none.
            let Ok(help) = host::ask(&program, &["--help"]) else {
                continue;
            };
            let dialect = dialect(&String::from_utf8_lossy(&help));
            if is_root || dialect == Dialect::Rust {
                return Ok(Self {
                    program,
                    dialect,
                    is_root,
                });
            }
            obstacle = Obstacle::new(
                format!("`{}` can share `/` as root only", program.display()),
                "install the virtiofsd in Rust, or run as root",
            );
        }
        Err(obstacle)
    }

    /// Prepares to share one directory.
    ///
    /// The daemon inherits a socket that listens, and the machine one that is connected to it already.
    /// Its name is in a directory that only this user can enter, and is gone before this returns.
    ///
    /// # Errors
    ///
    /// [`Error::System`] if a socket cannot be made.
    pub(crate) fn serve(&self, directory: &Path, cache: Cache) -> Result<Serving> {
        let (listening, machine) = pair().map_err(Error::system("a socket for virtiofsd"))?;
        let mut command = Command::new(&self.program);
        command.args(self.arguments(directory, cache, listening.as_raw_fd()));
        fds::inherit(&mut command, vec![listening]);
        Ok(Serving { command, machine })
    }

    /// The arguments to share one directory with who connects to a socket.
    fn arguments(&self, directory: &Path, cache: Cache, listening: RawFd) -> Vec<OsString> {
        // pivot_root(2), the default, cannot be done with `/`.
        let sandbox = if self.is_root { "chroot" } else { "none" };
        let mut arguments = vec![OsString::from(format!("--fd={listening}"))];
        match self.dialect {
            Dialect::C => {
                let cache = match cache {
                    Cache::Always => "always",
                    Cache::None => "none",
                };
                let mut source = OsString::from("source=");
                source.push(with_commas_escaped(directory));
                for option in [
                    source,
                    format!("cache={cache}").into(),
                    format!("sandbox={sandbox}").into(),
                ] {
                    arguments.extend(["-o".into(), option]);
                }
            }
            Dialect::Rust | Dialect::RustWithSubmounts => {
                let cache = match cache {
                    Cache::Always => "always",
                    Cache::None => "never",
                };
                arguments.extend(["--shared-dir".into(), directory.as_os_str().to_owned()]);
                arguments.extend(["--cache", cache, "--sandbox", sandbox].map(OsString::from));
                // The guest cannot lay an overlay over a directory that it reaches through an automount (EREMOTE).
                if self.dialect == Dialect::RustWithSubmounts {
                    arguments.push("--no-announce-submounts".into());
                }
            }
        }
        arguments
    }
}

/// Tells the daemons apart by how they say they are used.
fn dialect(help: &str) -> Dialect {
    if help.contains("--no-announce-submounts") {
        Dialect::RustWithSubmounts
    } else if help.contains("--shared-dir") {
        Dialect::Rust
    } else {
        Dialect::C
    }
}

/// A socket that listens, and one that is connected to it. Neither has a name any more.
fn pair() -> std::io::Result<(OwnedFd, OwnedFd)> {
    let directory = tempfile::tempdir()?;
    // The path of a socket may have no more than 107 bytes, and that of a directory may be longer.
    let opened = File::open(directory.path())?;
    let path = format!("/proc/self/fd/{}/socket", opened.as_raw_fd());
    let listening = UnixListener::bind(&path)?;
    let connected = UnixStream::connect(&path)?;
    directory.close()?;
    Ok((listening.into(), connected.into()))
}

/// A path as the value of an option of libfuse, in which a comma ends a value.
fn with_commas_escaped(path: &Path) -> OsString {
    let mut bytes = Vec::new();
    for &byte in path.as_os_str().as_bytes() {
        if matches!(byte, b',' | b'\\') {
            bytes.push(b'\\');
        }
        bytes.push(byte);
    }
    OsString::from_vec(bytes)
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::io::{Read, Write};
    use std::os::unix::fs::PermissionsExt;

    use rstest::rstest;

    use super::*;

    fn daemon(dialect: Dialect, is_root: bool) -> Daemon {
        Daemon {
            program: "virtiofsd".into(),
            dialect,
            is_root,
        }
    }

    #[rstest]
    #[case(
        Dialect::C,
        true,
        "/",
        Cache::Always,
        "--fd=5 -o source=/ -o cache=always -o sandbox=chroot"
    )]
    #[case(
        Dialect::C,
        true,
        "/a,b\\c",
        Cache::None,
        "--fd=5 -o source=/a\\,b\\\\c -o cache=none -o sandbox=chroot"
    )]
    #[case(
        Dialect::Rust,
        true,
        "/",
        Cache::Always,
        "--fd=5 --shared-dir / --cache always --sandbox chroot"
    )]
    #[case(
        Dialect::Rust,
        false,
        "/a,b",
        Cache::None,
        "--fd=5 --shared-dir /a,b --cache never --sandbox none"
    )]
    #[case(
        Dialect::RustWithSubmounts,
        true,
        "/",
        Cache::Always,
        "--fd=5 --shared-dir / --cache always --sandbox chroot --no-announce-submounts"
    )]
    fn each_daemon_is_spoken_to_in_its_own_words(
        #[case] dialect: Dialect,
        #[case] is_root: bool,
        #[case] directory: &str,
        #[case] cache: Cache,
        #[case] expected: &str,
    ) {
        let arguments = daemon(dialect, is_root).arguments(directory.as_ref(), cache, 5);
        assert_eq!(arguments.join(" ".as_ref()), OsString::from(expected));
    }

    #[test]
    fn the_daemons_are_told_apart_by_their_help() {
        let old = "usage: /usr/lib/qemu/virtiofsd [options]\n\n    -o source=PATH\n";
        let new = "Launch a virtiofsd backend.\n\nOptions:\n      --shared-dir <SHARED_DIR>\n";
        assert_eq!(dialect(old), Dialect::C);
        assert_eq!(dialect(new), Dialect::Rust);
        let newer = format!("{new}      --no-announce-submounts\n");
        assert_eq!(dialect(&newer), Dialect::RustWithSubmounts);
    }

    #[test]
    fn who_is_not_root_takes_the_daemon_that_works_without() {
        let directory = tempfile::tempdir().unwrap();
        let program = |name: &str, help: &str| {
            let path = directory.path().join(name);
            fs::write(&path, format!("#!/bin/sh\necho '{help}'\n")).unwrap();
            fs::set_permissions(&path, fs::Permissions::from_mode(0o755)).unwrap();
            path
        };
        let old = program("old", "-o source=PATH");
        let new = program("new", "--shared-dir DIR");
        let among =
            |programs: &[&PathBuf], is_root| Daemon::among(programs.iter().copied().cloned(), is_root);
        assert_eq!(among(&[&old, &new], true).unwrap().program, old);
        assert_eq!(among(&[&old, &new], false).unwrap().program, new);
        assert!(among(&[&old], false).unwrap_err().why.contains("as root only"));
        assert!(among(&[], true).unwrap_err().why.contains("no virtiofsd"));
    }

    #[test]
    fn the_machine_is_connected_before_the_daemon_runs() {
        let (listening, machine) = pair().unwrap();
        UnixStream::from(machine).write_all(b"hello").unwrap();
        let (mut accepted, _) = UnixListener::from(listening).accept().unwrap();
        let mut said = String::new();
        accepted.read_to_string(&mut said).unwrap();
        assert_eq!(said, "hello");
    }

    #[test]
    fn a_daemon_that_was_never_started_leaves_the_machines_end_closed() {
        let serving = Daemon {
            program: "/bin/true".into(),
            ..daemon(Dialect::C, true)
        }
        .serve("/".as_ref(), Cache::None)
        .unwrap();
        drop(serving.command);
        let mut machine = UnixStream::from(serving.machine);
        assert!(
            machine.read(&mut [0]).map(|length| length == 0).unwrap_or(true),
            "still open"
        );
    }
}
