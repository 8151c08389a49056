//! The process between us and a virtual machine, which ends the machine whatever ends us.
//!
//! A User-Mode Linux kernel is several processes, and a SIGKILL to the first leaves the others, with
//! the disks open. So a machine is started by this program again, as its keeper: it waits for the
//! machine, and for the end of a pipe that only we hold, whichever comes first, and then ends all that
//! came of the machine.

use std::env;
use std::ffi::{OsStr, OsString};
use std::fs::{self, File};
use std::io;
use std::os::fd::{AsRawFd, FromRawFd, OwnedFd, RawFd};
use std::os::unix::process::{CommandExt, ExitStatusExt};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, Command, ExitCode, ExitStatus, Stdio};
use std::thread;

use nix::errno::Errno;
use nix::sys::prctl;
use nix::sys::signal::{Signal, kill, killpg};
use nix::sys::wait::waitpid;
use nix::unistd::{Pid, getpid, getppid, setpgid, setsid};

use crate::machine::fds::inherit;
use crate::vm::processor::Processors;
use crate::vm::wake::Wake;

/// A program that is a virtual machine.
#[derive(Debug)]
pub(crate) struct Launch {
    pub(crate) program: PathBuf,
    pub(crate) args: Vec<OsString>,
    /// What the arguments name by number. They are the machine's alone from then on.
    pub(crate) fds: Vec<OwnedFd>,
    /// Where it writes what it says itself.
    pub(crate) output: File,
    pub(crate) envs: Vec<(OsString, OsString)>,
    pub(crate) processors: Processors,
    pub(crate) wake: Wake,
    /// What starts a keeper: [`Keeper::this`] but for tests.
    pub(crate) keeper: Keeper,
}

/// The program whose main function asks [`keep_if_asked`], and what it is to be given first.
#[derive(Clone, Debug)]
pub(crate) struct Keeper {
    program: PathBuf,
    args: Vec<OsString>,
}

impl Keeper {
    /// This program, even if its file is gone or another one by now.
    pub(crate) fn this() -> Self {
        Self {
            program: "/proc/self/exe".into(),
            args: Vec::new(),
        }
    }
}

/// A machine that ends with this value, and with this process.
#[derive(Debug)]
pub(crate) struct Kept {
    keeper: Child,
    /// Its other end tells the keeper that we are gone.
    leash: Option<ChildStdin>,
}

/// The first argument of a keeper. No option of ours begins like it.
const KEEPER: &str = "__keep-machine";

impl Launch {
    pub(crate) fn start(self) -> io::Result<Kept> {
        let numbers: Vec<RawFd> = self.fds.iter().map(AsRawFd::as_raw_fd).collect();
        let listed: Vec<String> = numbers.iter().map(RawFd::to_string).collect();
        let mut command = Command::new(&self.keeper.program);
        command
            .args(&self.keeper.args)
            .arg(KEEPER)
            .arg(listed.join(","))
            .arg(self.processors.word())
            .arg(self.wake.word())
            .arg(&self.program)
            .args(&self.args)
            .envs(self.envs)
            .stdin(Stdio::piped())
            .stdout(self.output.try_clone()?)
            .stderr(self.output);
        inherit(&mut command, self.fds);
        let mut keeper = command.spawn()?;
        // And with it our copies of the descriptors.
        drop(command);
        let leash = keeper.stdin.take();
        Ok(Kept { keeper, leash })
    }
}

impl Kept {
    /// Ends the machine, at once. [`wait`](Self::wait) tells when it is gone.
    pub(crate) fn end(&mut self) {
        self.leash = None;
    }

    /// Waits until nothing of the machine is left; the status is the machine's.
    pub(crate) fn wait(mut self) -> io::Result<ExitStatus> {
        // `Child::wait` would close a pipe that is still in it, and so end the machine.
        self.keeper.wait()
    }
}

impl Drop for Kept {
    fn drop(&mut self) {
        self.end();
        // Already waited for, or gone for good; nobody is left to be told.
        let _ = self.keeper.wait();
    }
}

/// Is a keeper, and returns what it ended with, if this process was started as one.
pub(crate) fn keep_if_asked() -> Option<ExitCode> {
    keep_for(env::args_os().skip(1)).map(ExitCode::from)
}

/// Is a keeper, if that is what these arguments ask for.
fn keep_for(mut args: impl Iterator<Item = OsString>) -> Option<u8> {
    if args.next()? != KEEPER {
        return None;
    }
    let fds = args.next()?;
    let processors = Processors::of_word(args.next()?.to_str()?)?;
    let wake = Wake::of_word(args.next()?.to_str()?)?;
    let program = args.next()?;
    // Of the machine as long as its keeper is there, and then nothing of it is left.
    let _taken = processors.stay();
    let kept = keep(&fds, wake, &program, args);
    Some(kept.unwrap_or_else(|err| {
        eprintln!("cannot start {}: {err}", Path::new(&program).display());
        127
    }))
}

fn keep(fds: &OsStr, wake: Wake, program: &OsStr, args: impl Iterator<Item = OsString>) -> io::Result<u8> {
    // A Ctrl-C is the runner's to answer.
    setsid()?;
    // What the machine's processes leave behind comes to us.
    prctl::set_child_subreaper(true)?;
    let mut command = Command::new(program);
    command.args(args).stdin(Stdio::null());
    let keeper = getpid();
    // SAFETY: prctl(2), setpgid(2) and getppid(2) are safe between fork and exec.
    unsafe {
        command.pre_exec(move || {
            setpgid(Pid::from_raw(0), Pid::from_raw(0))?;
            prctl::set_pdeathsig(Signal::SIGKILL)?;
            match getppid() == keeper {
                true => Ok(()),
                false => Err(Errno::ESRCH.into()),
            }
        });
    }
    let mut machine = command.spawn()?;
    let group = Pid::from_raw(i32::try_from(machine.id()).map_err(io::Error::other)?);
    for fd in fds.to_string_lossy().split(',').filter_map(|fd| fd.parse().ok()) {
        // SAFETY: the number was handed down for the machine, which has it now; nobody else here has it.
        drop(unsafe { OwnedFd::from_raw_fd(fd) });
    }
    thread::spawn(move || {
        // Returns when the runner is gone, or has let go.
        let _ = io::copy(&mut io::stdin().lock(), &mut io::sink());
        let _ = killpg(group, Signal::SIGKILL);
    });
    let status = wake.until_it_ends(&mut machine)?;
    loop {
        // What is left of the group, and whatever left it: with its parent gone, that is our child now.
        let _ = killpg(group, Signal::SIGKILL);
        children().into_iter().for_each(|child| {
            let _ = kill(child, Signal::SIGKILL);
        });
        if let Err(Errno::ECHILD) = waitpid(None, None) {
            break;
        }
    }
    Ok(code_of(status))
}

/// Returns the children of this process (proc_pid_children(5)); none where the kernel does not say.
fn children() -> Vec<Pid> {
    let threads = fs::read_dir("/proc/self/task").into_iter().flatten().flatten();
    let listed = threads.map(|thread| fs::read_to_string(thread.path().join("children")).unwrap_or_default());
    let listed: Vec<String> = listed.collect();
    let words = listed.iter().flat_map(|children| children.split_whitespace());
    words
        .filter_map(|word| word.parse().ok())
        .map(Pid::from_raw)
        .collect()
}

/// As a shell tells it: a signal is 128 more.
fn code_of(status: ExitStatus) -> u8 {
    let code = status
        .code()
        .or_else(|| status.signal().map(|signal| 128 + signal));
    code.and_then(|code| u8::try_from(code).ok()).unwrap_or(u8::MAX)
}

#[cfg(test)]
#[path = "keeper_tests.rs"]
pub(super) mod tests;
