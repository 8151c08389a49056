//! The one place that starts programs.

mod lookup;
mod running;
mod told;

pub(crate) use told::Told;

use std::ffi::{OsStr, OsString};
use std::fs::File;
use std::io;
use std::os::fd::{AsRawFd, BorrowedFd, OwnedFd};
use std::os::unix::process::{CommandExt, ExitStatusExt};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::Duration;

use kdev_volumes_spec::DEVICE_VARIABLES;
use nix::fcntl::{FcntlArg, FdFlag, fcntl};

use crate::command::lookup::Found;
use crate::command::running::Running;
use crate::error::{Error, Result};
use crate::fault;

/// How long a program may take before it is asked to stop.
const PATIENCE: Duration = Duration::from_secs(120);

/// A program and its arguments, as a list; no shell ever reads it.
pub(crate) struct Invocation {
    program: PathBuf,
    /// The `PATH` that it gets.
    path: OsString,
    args: Vec<OsString>,
    lock: Option<File>,
    device: Option<File>,
    changes: bool,
    /// `None`: however long it takes.
    patience: Option<Duration>,
}

/// Starts this very program again, under another name, with that input and that environment.
///
/// It has no output, a process group of its own, and is in no directory that somebody may want to unmount.
pub(crate) fn start_myself(
    name: &str,
    input: OwnedFd,
    env: impl IntoIterator<Item = (impl AsRef<OsStr>, impl AsRef<OsStr>)>,
) -> io::Result<Child> {
    Command::new("/proc/self/exe")
        .arg0(name)
        .env_clear()
        .envs(env)
        .current_dir("/")
        .stdin(input)
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .process_group(0)
        .spawn()
}

/// Starts this very program again for one of its tests, as test runners do.
///
/// Its output is piped. It stays in our process group, so that a Ctrl-C ends it too, and has our environment, but
/// for devices that are not its own.
pub(crate) fn start_test(test: &str, (name, value): (&str, &str)) -> io::Result<Child> {
    let mut command = Command::new("/proc/self/exe");
    if let Some(name) = std::env::args_os().next() {
        command.arg0(name);
    }
    for variable in DEVICE_VARIABLES {
        command.env_remove(variable);
    }
    command
        // A test that is ignored is not run unless this process was asked for it.
        .args([
            test,
            "--exact",
            "--include-ignored",
            "--nocapture",
            "--test-threads=1",
        ])
        .env(name, value)
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
}

/// How a program ended and what it wrote, the two streams apart.
pub(crate) struct Finished {
    pub(crate) command: String,
    pub(crate) status: ExitStatus,
    pub(crate) stdout: Vec<u8>,
    pub(crate) stderr: String,
}

/// Runs a program of the user's as the user would: in the user's environment and directory, and with what
/// it says in sight. Its standard output is ours to read.
///
/// # Errors
///
/// Only if it cannot be started.
#[cfg(feature = "cli")]
pub(crate) fn finish_in_sight(mut command: Command) -> Result<Finished> {
    let program = command.get_program().to_owned();
    let output = command
        .stdin(Stdio::null())
        .stderr(Stdio::inherit())
        .output()
        .map_err(|source| Error::io("run", &program, source))?;
    Ok(Finished {
        command: typed(&program, command.get_args()),
        status: output.status,
        stdout: output.stdout,
        stderr: String::new(),
    })
}

/// Tells whether a program of the user's can be run and succeeds, whatever it says.
#[cfg(feature = "cli")]
pub(crate) fn succeeds(command: &mut Command) -> bool {
    command.output().is_ok_and(|output| output.status.success())
}

impl Invocation {
    /// Finds a program of the system's where root alone can put one; the package is the one of Debian that has it, if known.
    ///
    /// For what changes what others share, and for all that root runs for others: the caller's `PATH` never counts.
    pub(crate) fn new(program: &str, package: impl Into<Option<&'static str>>) -> Result<Self> {
        Self::found(lookup::trusted(program), program, package.into())
    }

    /// Finds a program that works for its own user alone: by the user's `PATH` first, so that one that was just built is run.
    pub(crate) fn of_user(program: &str, package: impl Into<Option<&'static str>>) -> Result<Self> {
        Self::found(lookup::own(program), program, package.into())
    }

    fn found(
        found: std::result::Result<Found, String>,
        program: &str,
        package: Option<&'static str>,
    ) -> Result<Self> {
        match found {
            Ok(Found { program, path }) => Ok(Self {
                program,
                path,
                args: Vec::new(),
                lock: None,
                device: None,
                changes: false,
                patience: Some(PATIENCE),
            }),
            Err(searched) => Err(Error::NotInstalled {
                program: program.to_owned(),
                searched,
                package,
            }),
        }
    }

    /// Finds a program of sudo's, or else of sudo-rs's. Debian names those `sudo-rs` and `visudo-rs`; where sudo-rs is
    /// the one sudo of a system, as on Ubuntu, they have sudo's own names.
    pub(crate) fn of_sudo(program: &str) -> Result<Self> {
        let package = "sudo";
        match Self::new(program, package) {
            Err(missing @ Error::NotInstalled { .. }) => {
                Self::new(&format!("{program}-rs"), package).map_err(|_| missing)
            }
            found => found,
        }
    }

    pub(crate) fn arg(mut self, arg: impl AsRef<OsStr>) -> Self {
        self.args.push(arg.as_ref().to_owned());
        self
    }

    pub(crate) fn args(mut self, args: impl IntoIterator<Item = impl AsRef<OsStr>>) -> Self {
        self.args
            .extend(args.into_iter().map(|arg| arg.as_ref().to_owned()));
        self
    }

    /// Tells whether there is such an argument yet.
    pub(crate) fn has_arg(&self, is_it: impl Fn(&OsStr) -> bool) -> bool {
        self.args.iter().any(|arg| is_it(arg))
    }

    /// Says that the program changes something, so that tests may die around it.
    pub(crate) fn changing(mut self) -> Self {
        self.changes = true;
        self
    }

    /// Lets the program take as long as it needs: for what depends on the size of a disk.
    pub(crate) fn however_long(mut self) -> Self {
        self.patience = None;
        self
    }

    fn fault_point(&self, when: &str) {
        if self.changes {
            fault::point(&format!("{when}: {}", self.as_typed()));
        }
    }

    fn fault_step(&self, when: &str) -> io::Result<()> {
        match self.changes {
            true => fault::step(&format!("{when}: {}", self.as_typed())),
            false => Ok(()),
        }
    }

    /// Lets the program hold a lock on, if there is one, for as long as it runs, should we die meanwhile.
    ///
    /// The locked file becomes its standard input: lvm closes every other descriptor that it is given.
    /// The file has been written by us, so that there is nothing to read after where we are in it.
    pub(crate) fn holding(mut self, locked: impl Into<Option<File>>) -> Self {
        self.lock = locked.into();
        self
    }

    /// Lets the program have a loop device, or a file without a name, open from its first moment on, should we die
    /// meanwhile. The descriptor has the same number there.
    ///
    /// A loop device lives by who has it open. If that were only we, another session's could be under its number
    /// by the time that the program opens it by its path, and be formatted, or mounted.
    pub(crate) fn keeping(mut self, device: Option<File>) -> Self {
        self.device = device;
        self
    }

    /// Runs the program to its end, whatever its exit status.
    ///
    /// It has no input to be asked on, an environment of its own, and a process group of its own, so
    /// that a Ctrl-C or a test runner's timeout does not hit it half way. It is never killed: a
    /// killed `lvcreate` leaves a volume that was not wiped. One that takes too long gets SIGTERM,
    /// which LVM heeds where it is safe, and is waited for.
    pub(crate) fn finish(&self) -> Result<Finished> {
        let failed = |source| Error::io("run", &self.program, source);
        self.fault_step("about to run").map_err(failed)?;
        let mut running = self.start(None).map_err(failed)?;
        self.fault_point("begun");
        running.read_to_the_end(self.patience).map_err(failed)?;
        let finished = running.finished().map_err(failed)?;
        self.fault_step("done").map_err(failed)?;
        Ok(finished)
    }

    fn start(&self, last: Option<&OsStr>) -> io::Result<Running> {
        let stdin = match &self.lock {
            Some(locked) => locked.try_clone()?.into(),
            None => Stdio::null(),
        };
        let mut command = Command::new(&self.program);
        command
            .args(&self.args)
            .args(last)
            .env_clear()
            .env("PATH", &self.path)
            .env("LC_ALL", "C")
            // The caller's open files are closed for lvm and are no business of its warnings.
            .env("LVM_SUPPRESS_FD_WARNINGS", "1")
            .current_dir("/")
            .stdin(stdin)
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .process_group(0);
        if let Some(device) = &self.device {
            let number = device.as_raw_fd();
            // SAFETY: fcntl(2) is safe between fork and exec; `self` has the descriptor open until the child is
            // started, and it is the child's own copy whose flag is changed.
            unsafe {
                command.pre_exec(move || {
                    fcntl(BorrowedFd::borrow_raw(number), FcntlArg::F_SETFD(FdFlag::empty()))?;
                    Ok(())
                });
            }
        }
        Ok(Running::new(command.spawn()?, self.as_typed()))
    }

    /// Runs the program and takes any exit status but 0 for an error.
    pub(crate) fn run(&self) -> Result<Finished> {
        let finished = self.finish()?;
        match finished.status.success() {
            true => Ok(finished),
            false => Err(finished.error()),
        }
    }

    /// Makes a command that runs the program in this process's own environment and directory, for [`finish_in_sight`].
    #[cfg(feature = "cli")]
    pub(crate) fn in_own_environment(self) -> Command {
        let mut command = Command::new(self.program);
        command.args(self.args);
        command
    }

    fn as_typed(&self) -> String {
        typed(
            self.program.as_os_str(),
            self.args.iter().map(OsString::as_os_str),
        )
    }
}

impl Finished {
    /// Makes the error that says that this command failed.
    pub(crate) fn error(self) -> Error {
        Error::Command {
            ended: self.ended(),
            command: self.command,
            stderr: self.stderr,
        }
    }

    /// Says how it ended, for the middle of a sentence.
    pub(crate) fn ended(&self) -> String {
        match (self.status.code(), self.status.signal()) {
            (Some(code), _) => format!("ended with exit status {code}"),
            (None, Some(signal)) => format!("was ended by signal {signal}"),
            (None, None) => "ended".to_owned(),
        }
    }
}

/// Writes a command as one would type it.
pub(crate) fn typed<'a>(program: &'a OsStr, args: impl Iterator<Item = &'a OsStr>) -> String {
    let program = Path::new(program).file_name().unwrap_or(program);
    let words = std::iter::once(program).chain(args);
    words.map(quoted).collect::<Vec<_>>().join(" ")
}

/// Writes a word so that a shell would read it back, for people who want to try the command.
fn quoted(word: &OsStr) -> String {
    let word = word.to_string_lossy();
    let plain = |c: char| c.is_ascii_alphanumeric() || "-_./=:+,@%".contains(c);
    match !word.is_empty() && word.chars().all(plain) {
        true => word.into_owned(),
        false => format!("'{}'", word.replace('\'', r"'\''")),
    }
}

#[cfg(test)]
mod tests {
    use nix::sys::signal::Signal;

    use super::*;

    fn shell(script: &str) -> Invocation {
        Invocation::new("sh", "dash").unwrap().args(["-c", script])
    }

    #[test]
    fn the_two_streams_are_kept_apart_and_whole() {
        let script = "for i in $(seq 20000); do echo out; echo err >&2; done; printf tail";
        let finished = shell(script).run().unwrap();
        assert_eq!(finished.stdout.len(), 20000 * 4 + 4);
        assert_eq!(finished.stderr.len(), 20000 * 4);
    }

    #[test]
    fn a_failure_shows_the_command_its_end_and_what_it_said() {
        let message = shell("echo 'no such VG' >&2; exit 5")
            .run()
            .err()
            .unwrap()
            .to_string();
        assert_eq!(
            message,
            "`sh -c 'echo '\\''no such VG'\\'' >&2; exit 5'` ended with exit status 5: no such VG"
        );
    }

    #[test]
    fn a_program_that_takes_too_long_is_asked_to_stop_and_not_killed() {
        let mut slow = Invocation::new("sleep", "coreutils").unwrap().arg("infinity");
        slow.patience = Some(Duration::from_millis(1));
        assert_eq!(
            slow.finish().unwrap().status.signal(),
            Some(Signal::SIGTERM as i32)
        );
    }

    #[test]
    fn a_program_has_its_own_process_group_and_a_known_environment() {
        let finished = shell("read -r pid name state parent group rest </proc/$$/stat; echo $group; echo $$; env | grep -c KDEV")
            .finish()
            .unwrap();
        let text = String::from_utf8(finished.stdout).unwrap();
        let mut lines = text.lines().map(str::trim);
        assert_eq!(lines.next(), lines.next());
        assert_eq!(lines.next(), Some("0"));
    }

    #[test]
    fn a_program_has_the_device_open_that_it_is_to_keep_and_no_other_file_of_ours() {
        let file = tempfile::NamedTempFile::new().unwrap();
        let opened = || {
            let device = file.reopen().unwrap();
            let script = "ls -l /proc/self/fd";
            (shell(script), device)
        };
        let path = file.path().to_str().unwrap();
        let (without, _device) = opened();
        let said = String::from_utf8(without.run().unwrap().stdout).unwrap();
        assert!(!said.contains(path), "{said}");
        let (with, device) = opened();
        let said = String::from_utf8(with.keeping(Some(device)).run().unwrap().stdout).unwrap();
        assert!(said.contains(path), "{said}");
    }

    #[test]
    fn a_program_that_is_not_there_is_named_with_its_package() {
        let message = Invocation::new("kdev-no-such-program", "nothing")
            .err()
            .unwrap()
            .to_string();
        assert!(
            message.contains("kdev-no-such-program") && message.contains("apt-get install nothing"),
            "{message}"
        );
    }
}
