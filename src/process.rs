//! What `/proc` says of a process (proc_pid_stat(5)).

use std::fs;
use std::io::{self, ErrorKind};
use std::os::fd::{FromRawFd, OwnedFd};

use nix::errno::Errno;
use nix::libc;
use nix::sys::signal::kill;
use nix::unistd::Pid;

/// A process as it is found by its pid.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Process {
    /// No process has that pid.
    Absent,
    /// It is dead and waits for its parent to notice.
    Zombie,
    /// It runs, since this many clock ticks after boot.
    Running { start_time: u64 },
    /// There is one, of which `/proc` tells us nothing (`hidepid`).
    Hidden,
}

impl Process {
    /// Looks a pid up in our own pid namespace.
    pub(crate) fn find(pid: u32) -> Self {
        match fs::read_to_string(format!("/proc/{pid}/stat")) {
            Ok(stat) => parse(&stat).unwrap_or(Self::Hidden),
            Err(err) if err.kind() == ErrorKind::NotFound => Self::signalled(pid),
            Err(_) => Self::Hidden,
        }
    }

    /// Returns when a child of ours started that was not waited for. It may have ended already.
    pub(crate) fn start_of_child(pid: u32) -> Option<u64> {
        let stat = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
        Some(Stat::parse(&stat)?.start_time)
    }

    /// `/proc` may hide other users' processes, the existence check of kill(2) does not: EPERM is a life sign.
    fn signalled(pid: u32) -> Self {
        match i32::try_from(pid).map(|pid| kill(Pid::from_raw(pid), None)) {
            Ok(Err(Errno::ESRCH)) | Err(_) => Self::Absent,
            Ok(_) => Self::Hidden,
        }
    }
}

/// Opens a descriptor that can be read as soon as a process has died (pidfd_open(2)).
///
/// The process must be ourselves or a child that was not waited for, so that its pid is nobody else's.
pub(crate) fn pidfd(pid: u32) -> io::Result<OwnedFd> {
    // SAFETY: the call takes two integers and gives a new descriptor or an error.
    let fd = unsafe { libc::syscall(libc::SYS_pidfd_open, pid, 0) };
    let fd = Errno::result(fd)?;
    let fd = i32::try_from(fd).map_err(io::Error::other)?;
    // SAFETY: the descriptor is new, so that nobody else owns it.
    Ok(unsafe { OwnedFd::from_raw_fd(fd) })
}

struct Stat<'a> {
    state: &'a str,
    threads: u64,
    start_time: u64,
}

impl<'a> Stat<'a> {
    fn parse(stat: &'a str) -> Option<Self> {
        // The second field is the program's name in parentheses; it may hold spaces and `)` itself.
        let after_name = &stat[stat.rfind(')')? + 1..];
        let mut fields = after_name.split_ascii_whitespace();
        // The state is field 3 of all; the number of threads is field 20, and the start time field 22.
        Some(Self {
            state: fields.next()?,
            threads: fields.nth(16)?.parse().ok()?,
            start_time: fields.nth(1)?.parse().ok()?,
        })
    }
}

fn parse(stat: &str) -> Option<Process> {
    let Stat {
        state,
        threads,
        start_time,
    } = Stat::parse(stat)?;
    Some(match state {
        // A process whose first thread has ended looks like a zombie, and lives in its other threads.
        "Z" | "X" | "x" if threads <= 1 => Process::Zombie,
        _ => Process::Running { start_time },
    })
}

#[cfg(test)]
mod tests {
    use rstest::rstest;

    use super::*;

    const TAIL: &str = "4 5 6 7 8 9 10 11 12 13 14 15 16 17 18 19 1 21 81234567 23 24";
    const TWO_THREADS: &str = "4 5 6 7 8 9 10 11 12 13 14 15 16 17 18 19 2 21 81234567 23 24";

    #[rstest]
    #[case("12 (cargo) S ", Some(Process::Running { start_time: 81_234_567 }))]
    #[case("12 (a) b) (c) R ", Some(Process::Running { start_time: 81_234_567 }))]
    #[case("12 (cargo) Z ", Some(Process::Zombie))]
    #[case("12 cargo S ", None)]
    fn a_stat_line_is_read_after_its_last_parenthesis(#[case] head: &str, #[case] process: Option<Process>) {
        assert_eq!(parse(&format!("{head}{TAIL}")), process);
    }

    #[test]
    fn what_has_a_thread_left_is_no_zombie() {
        assert_eq!(
            parse(&format!("12 (cargo) Z {TWO_THREADS}")),
            Some(Process::Running {
                start_time: 81_234_567
            })
        );
    }

    #[test]
    fn a_cut_off_stat_line_says_nothing() {
        assert_eq!(parse("12 (cargo) S 1 2"), None);
    }

    #[test]
    fn a_child_that_has_ended_still_tells_when_it_started() {
        let mut child = std::process::Command::new("true").spawn().unwrap();
        let pid = child.id();
        while Process::find(pid) != Process::Zombie {
            std::thread::yield_now();
        }
        assert!(Process::start_of_child(pid).is_some_and(|start| start > 0));
        child.wait().unwrap();
        assert_eq!(Process::start_of_child(pid), None);
    }

    #[test]
    fn this_process_runs() {
        assert!(matches!(
            Process::find(std::process::id()),
            Process::Running { .. }
        ));
    }

    #[test]
    fn a_pid_beyond_the_kernels_limit_is_absent() {
        assert_eq!(Process::find(u32::MAX), Process::Absent);
        assert_eq!(Process::find(i32::MAX as u32), Process::Absent);
    }
}
