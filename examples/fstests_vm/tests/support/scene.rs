//! A place of a test's own, and the program in it.

use std::env;
use std::ffi::OsStr;
use std::fs::{self, Permissions};
use std::os::unix::fs::{PermissionsExt, chown};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use nix::unistd::setsid;
use tempfile::TempDir;

use super::left::Left;
use super::{Kernel, Ran, Running};

/// A user who is not root, and has no rights of any kind.
pub(crate) const NOBODY: u32 = 65534;

/// A state directory, a directory for temporary files and one for results, which are gone with all that
/// came of the program when the test is over, however it ends.
#[derive(Debug)]
pub(crate) struct Scene {
    dir: TempDir,
    user: Option<u32>,
    left: Left,
}

impl Scene {
    pub(crate) fn new() -> Self {
        let dir = tempfile::tempdir().unwrap();
        for name in ["tmp", "results", "state"] {
            let path = dir.path().join(name);
            fs::create_dir(&path).unwrap();
            fs::set_permissions(path, Permissions::from_mode(0o700)).unwrap();
        }
        let left = Left::of(dir.path());
        Self {
            dir,
            user: None,
            left,
        }
    }

    /// One of a user without rights, who may come as far as this directory and no further.
    pub(crate) fn of_nobody() -> Self {
        let mut scene = Self::new();
        scene.user = Some(NOBODY);
        fs::set_permissions(scene.path(""), Permissions::from_mode(0o755)).unwrap();
        fs::create_dir(scene.path("home")).unwrap();
        for name in ["tmp", "results", "state", "home"] {
            chown(scene.path(name), Some(NOBODY), Some(NOBODY)).unwrap();
        }
        fs::copy(program(), scene.path("program")).unwrap();
        scene.copy_tree();
        scene
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    pub(crate) fn tmp(&self) -> PathBuf {
        self.path("tmp")
    }

    pub(crate) fn results(&self) -> PathBuf {
        self.path("results")
    }

    /// Makes a copy of the tests' fstests that this test may change, and that runs use from now on.
    pub(crate) fn copy_tree(&self) -> PathBuf {
        let copy = self.path("tree");
        let copied = Command::new("cp").arg("-r").arg(tree()).arg(&copy).status();
        assert!(copied.unwrap().success());
        copy
    }

    /// The program with these arguments, and nothing of this process's environment that it heeds.
    pub(crate) fn program<S: AsRef<OsStr>>(&self, args: impl IntoIterator<Item = S>) -> Command {
        let mut command = match self.user {
            None => Command::new(program()),
            Some(_) => Command::new(self.path("program")),
        };
        // A session of its own, by which all that comes of it can be told. It begins before the program, and so before
        // the process has the environment by which it is known: not a process in this session ever has that, and
        // `Left` ends all processes of a session in which one has.
        // SAFETY: setsid(2) is safe between fork and exec.
        unsafe {
            command.pre_exec(|| {
                setsid()?;
                Ok(())
            });
        }
        for (name, _) in env::vars_os() {
            let text = name.to_string_lossy();
            let is_heeded = |prefix| text.starts_with(prefix);
            if ["NEXTEST", "CARGO", "KDEV_", "KERNELDEV_", "SUDO_"]
                .into_iter()
                .any(is_heeded)
            {
                command.env_remove(&name);
            }
        }
        command
            .args(args)
            .env("KDEV_STATE_DIR", self.path("state"))
            .env("TMPDIR", self.tmp())
            .current_dir(self.path(""))
            .stdin(Stdio::null());
        if let Some(user) = self.user {
            command.uid(user).gid(user).env("HOME", self.path("home"));
        }
        command
    }

    /// A run on this kernel, with two small volumes. Limits are such as no busy machine exceeds.
    pub(crate) fn command(&self, kernel: Kernel, args: &[&str]) -> Command {
        self.seven(kernel, &[&["--scratch"], args].concat())
    }

    /// The same with fstests' seven disks.
    pub(crate) fn seven(&self, kernel: Kernel, args: &[&str]) -> Command {
        let tree = Some(self.path("tree")).filter(|copy| copy.exists());
        let is_said = |option: &str| {
            args.iter()
                .any(|arg| arg.split('=').next() == option.split('=').next())
        };
        let defaults = ["--accel=tcg", "--size=256M", "--memory=512M", "--boot-limit=5m"];
        let mut command = self.program(defaults.into_iter().filter(|option| !is_said(option)));
        command.arg("--kernel").arg(kernel.path());
        command.arg("--fstests").arg(tree.unwrap_or_else(self::tree));
        command.arg("--results").arg(self.results()).args(args);
        command
    }

    /// Starts a run that says what happens as JSON.
    pub(crate) fn start(&self, kernel: Kernel, args: &[&str]) -> Running<'_> {
        Running::start(self, self.command(kernel, &[&["--json"], args].concat()))
    }

    pub(crate) fn run(&self, kernel: Kernel, args: &[&str]) -> Ran {
        self.start(kernel, args).wait()
    }

    /// Runs the command to its end.
    pub(crate) fn ran(&self, command: Command) -> Ran {
        Running::start(self, command).wait()
    }

    /// What is left of runs here: processes, volumes, records, files.
    pub(crate) fn left(&self) -> &Left {
        &self.left
    }
}

impl Drop for Scene {
    fn drop(&mut self) {
        self.left.remove();
    }
}

/// The directory of this package. Under nextest it may be elsewhere than when this was built.
pub(crate) fn manifest_dir() -> PathBuf {
    let now = env::var_os("CARGO_MANIFEST_DIR").map(PathBuf::from);
    now.unwrap_or_else(|| env!("CARGO_MANIFEST_DIR").into())
}

fn tree() -> PathBuf {
    manifest_dir().join("tests/tree")
}

fn program() -> PathBuf {
    let now = env::var_os("NEXTEST_BIN_EXE_fstests-vm").map(PathBuf::from);
    now.unwrap_or_else(|| Path::new(env!("CARGO_BIN_EXE_fstests-vm")).to_owned())
}
