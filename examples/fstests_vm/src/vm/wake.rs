use std::fs;
use std::io;
use std::process::{Child, ExitStatus};
use std::sync::mpsc::{self, RecvTimeoutError};
use std::thread;
use std::time::Duration;

use nix::errno::Errno;
use nix::sys::signal::{Signal, kill};
use nix::sys::wait::{Id, WaitPidFlag, waitid};
use nix::unistd::Pid;

/// Whether a machine is sent a SIGALRM while it runs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Wake {
    Never,
    /// For User-Mode Linux, whose idle loop sleeps only while its one-shot timer is armed. If an alarm is lost, the
    /// timer is never armed again, the loop spins, and the guest's time stands still for ever. An alarm too many
    /// does no harm.
    EverySecond,
}

/// How long a machine may stand still.
const PERIOD: Duration = Duration::from_secs(1);

impl Wake {
    /// The word for it in a keeper's arguments.
    pub(super) fn word(self) -> &'static str {
        match self {
            Self::Never => "unwoken",
            Self::EverySecond => "woken",
        }
    }

    pub(super) fn of_word(word: &str) -> Option<Self> {
        [Self::Never, Self::EverySecond]
            .into_iter()
            .find(|wake| wake.word() == word)
    }

    /// Waits for the end of a machine, and wakes it until then.
    ///
    /// Only its first process is signalled: the others of a User-Mode Linux kernel have no handler and would end.
    pub(super) fn until_it_ends(self, machine: &mut Child) -> io::Result<ExitStatus> {
        if self == Self::EverySecond {
            let pid = Pid::from_raw(i32::try_from(machine.id()).map_err(io::Error::other)?);
            let (ended, end) = mpsc::channel::<()>();
            let waker = thread::spawn(move || {
                while end.recv_timeout(PERIOD) == Err(RecvTimeoutError::Timeout) {
                    if handles_alarms(pid) {
                        // It may have ended just now.
                        let _ = kill(pid, Signal::SIGALRM);
                    }
                }
            });
            // It stays a zombie until the waker is gone, so that its number is no other process's.
            while let Err(Errno::EINTR) = waitid(Id::Pid(pid), WaitPidFlag::WEXITED | WaitPidFlag::WNOWAIT) {}
            drop(ended);
            // It panics nowhere.
            let _ = waker.join();
        }
        machine.wait()
    }
}

/// Whether a process has a handler for SIGALRM (`SigCgt` in proc_pid_status(5)). A kernel that is still
/// beginning has none, and would end.
fn handles_alarms(pid: Pid) -> bool {
    let status = fs::read_to_string(format!("/proc/{pid}/status")).unwrap_or_default();
    let caught = status.lines().find_map(|line| line.strip_prefix("SigCgt:"));
    let caught = caught.and_then(|mask| u64::from_str_radix(mask.trim(), 16).ok());
    caught.is_some_and(|mask| mask >> (Signal::SIGALRM as i32 - 1) & 1 == 1)
}
