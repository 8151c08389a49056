//! The watchdog: a process that outlives its owner, and then gives back what the owner held.
//!
//! It is this very program, started anew and caught in our constructor, so that there is nothing to
//! install. It waits on a pidfd, which nobody else's open files or children can keep from firing; it
//! has nothing of the owner's open, so that no test runner waits for it; it belongs to no group that a
//! runner or a terminal kills; and it is no child of the owner's, which may wait for all of its own.
//! Where it cannot be started, and if it is killed itself, the next reaper does its work.

use std::collections::BTreeSet;
use std::env;
use std::ffi::OsString;
use std::fs;
use std::os::fd::AsFd;
use std::panic::catch_unwind;
use std::path::{Path, PathBuf};
use std::process::{self, Child};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use nix::errno::Errno;
use nix::libc;
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::sys::signal::{SigHandler, Signal, signal};
use nix::unistd::{ForkResult, fork, setsid};

use crate::command;
use crate::error::{Error, Result};
use crate::fault;
use crate::here::Here;
use crate::owner::Owner;
use crate::process::pidfd;
use crate::reap;
use crate::state::State;
use crate::state_dir::{STATE_DIR_VARIABLE, StateDir};

/// The variable that keeps watchdogs from being started.
const VARIABLE: &str = "KDEV_WATCHDOG";

/// The variable by which a watchdog knows that it is one, and whose: `PID.STARTTIME`.
const OWNER_VARIABLE: &str = "KDEV_WATCHDOG_OF";

/// What it needs of our environment: to be loaded, to find and be allowed the same state, and to find
/// the directories on which we mount.
const PASSED_ON: [&str; 3] = ["LD_LIBRARY_PATH", "SUDO_UID", "TMPDIR"];

/// How long we wait to hear that the watchdog is in place. It is not needed for anything else.
const PATIENCE: Duration = Duration::from_secs(5);

/// Whether our constructor has run, and so would run in the watchdog too. Without it the watchdog would
/// be one more run of all tests.
static CAN_BE_CAUGHT: AtomicBool = AtomicBool::new(false);

/// To be called by the constructor, in every process but a watchdog.
pub(crate) fn constructor_has_run() {
    CAN_BE_CAUGHT.store(true, Ordering::Relaxed);
}

/// A watchdog that is on its way.
#[must_use]
#[derive(Debug)]
pub(crate) struct Starting(Option<Child>);

/// Starts this process's watchdog for a state directory, unless there is one.
///
/// Quietly does nothing where it cannot work: a reaper will do.
pub(crate) fn start(state: &State) -> Starting {
    static STARTED: Mutex<BTreeSet<(u32, PathBuf)>> = Mutex::new(BTreeSet::new());
    // A process that was forked off has a copy of this set, and needs a watchdog of its own.
    let key = (process::id(), state.dir().root().to_owned());
    let mut started = STARTED.lock().unwrap_or_else(PoisonError::into_inner);
    if is_switched_off() || !started.insert(key) {
        return Starting(None);
    }
    drop(started);
    let child = try_to_start(state).ok().flatten();
    fault::point("watchdog started");
    Starting(child)
}

impl Starting {
    /// Waits until the watchdog is in place, and no child of this process any more.
    pub(crate) fn wait(self) {
        let Some(mut child) = self.0 else { return };
        let deadline = Instant::now() + PATIENCE;
        // An error says that somebody else has waited for it, or that the kernel does so itself.
        while let Ok(None) = child.try_wait() {
            if Instant::now() >= deadline {
                return;
            }
            thread::sleep(Duration::from_micros(200));
        }
    }
}

fn is_switched_off() -> bool {
    env::var_os(VARIABLE).is_some_and(|value| value == "off" || value == "0")
}

fn try_to_start(state: &State) -> Result<Option<Child>> {
    if !CAN_BE_CAUGHT.load(Ordering::Relaxed) || !is_in_main_program() || children_are_elsewhere() {
        return Ok(None);
    }
    let failed = |err| Error::io("start", "/proc/self/exe", err);
    let owner = Owner::myself()?;
    let start_time = owner.start_time.unwrap_or_default();
    let mut env: Vec<(&str, OsString)> = PASSED_ON
        .into_iter()
        .filter_map(|name| Some((name, env::var_os(name)?)))
        .collect();
    env.extend(fault::watchdogs_environment());
    env.push((OWNER_VARIABLE, format!("{}.{start_time}", owner.pid).into()));
    env.push((STATE_DIR_VARIABLE, state.dir().root().into()));
    let child = command::start_myself("kdev-watchdog", pidfd(owner.pid).map_err(failed)?, env);
    child.map(Some).map_err(failed)
}

/// Tells whether this code is part of the program itself: a library that was loaded into some other
/// program would not be there when that is started again.
fn is_in_main_program() -> bool {
    let here = constructor_has_run as *const () as usize;
    let program = fs::read_link("/proc/self/exe").unwrap_or_default();
    let maps = fs::read_to_string("/proc/self/maps").unwrap_or_default();
    maps.lines().any(|line| {
        mapped_at(line).is_some_and(|(from, to, file)| {
            (from..to).contains(&here) && Path::new(file) == program.as_path()
        })
    })
}

/// Reads a line of proc_pid_maps(5): the addresses, and the file.
fn mapped_at(line: &str) -> Option<(usize, usize, &str)> {
    let (from, rest) = line.split_once('-')?;
    let (to, rest) = rest.split_once(' ')?;
    let file = &rest[rest.find('/')?..];
    let address = |text| usize::from_str_radix(text, 16).ok();
    Some((address(from)?, address(to)?, file))
}

/// After `unshare(CLONE_NEWPID)` the next child is the first process of a new pid namespace, which ends
/// with it. That is not for us to take. It holds for the thread that did so, and tests run in threads.
fn children_are_elsewhere() -> bool {
    let namespace = |name| fs::read_link(Path::new("/proc/thread-self/ns").join(name)).ok();
    namespace("pid") != namespace("pid_for_children")
}

/// Becomes the watchdog, and does not return, if this process was started to be one.
///
/// To be called by the constructor first of all.
pub(crate) fn serve_if_asked() {
    let Some(owner) = env::var_os(OWNER_VARIABLE) else {
        return;
    };
    if !input_is_pidfd() {
        return;
    }
    let served = catch_unwind(|| serve(&owner));
    let code = if matches!(served, Ok(Ok(()))) { 0 } else { 1 };
    // SAFETY: ends the process at once, as is wanted: neither the program's `main` nor what others
    // have registered for its end is for the watchdog to run.
    unsafe { libc::_exit(code) }
}

/// A variable alone is soon inherited; a pidfd as standard input is nobody's accident.
fn input_is_pidfd() -> bool {
    let info = fs::read_to_string("/proc/self/fdinfo/0").unwrap_or_default();
    info.lines().any(|line| line.starts_with("Pid:"))
}

fn serve(owner: &OsString) -> Result<()> {
    let here = Here::get()?;
    let state = State::new(StateDir::from_env()?);
    let Some(owner) = parse_owner(&owner.to_string_lossy(), here) else {
        return Ok(());
    };
    close_what_was_inherited();
    for of in [
        Signal::SIGHUP,
        Signal::SIGINT,
        Signal::SIGQUIT,
        Signal::SIGTERM,
        Signal::SIGTSTP,
    ] {
        // SAFETY: to ignore a signal runs no code.
        let _ = unsafe { signal(of, SigHandler::SigIgn) };
    }
    // For people who look at the list of processes.
    let _ = nix::sys::prctl::set_name(c"kdev-watchdog");
    // The owner waits for this process, and learns that its watchdog is in place; that one is a
    // grandchild, and soon the first process's.
    // SAFETY: this process is in its constructor and has started no thread.
    match unsafe { fork() } {
        Ok(ForkResult::Parent { .. }) => return Ok(()),
        Ok(ForkResult::Child) => {}
        Err(err) => return Err(Error::io("fork", "/proc/self/exe", err.into())),
    }
    // Not even a terminal that is closed is to end it. It is no leader of a group, so this works.
    let _ = setsid();
    wait_for_death();
    reap::reap_owner(&state, &owner)
}

fn parse_owner(text: &str, here: &Here) -> Option<Owner> {
    let (pid, start_time) = text.split_once('.')?;
    Some(Owner {
        pid: pid.parse().ok()?,
        start_time: Some(start_time.parse().ok()?),
        boot: Owner::short_boot(&here.boot_id),
        pid_ns: Some(here.pid_ns),
        host: Some(here.host.clone()),
        uid: None,
    })
}

/// What the owner had open without `O_CLOEXEC`, such as a copy of the pipe that its runner reads.
fn close_what_was_inherited() {
    let entries = fs::read_dir("/proc/self/fd").into_iter().flatten().flatten();
    let open: Vec<i32> = entries
        .filter_map(|entry| entry.file_name().to_str()?.parse().ok())
        .collect();
    // The last is of the directory just read, and closed already.
    for fd in open.into_iter().filter(|&fd| fd > 2) {
        let _ = nix::unistd::close(fd);
    }
}

fn wait_for_death() {
    let input = std::io::stdin();
    let mut fds = [PollFd::new(input.as_fd(), PollFlags::POLLIN)];
    while let Err(Errno::EINTR) = poll(&mut fds, PollTimeout::NONE) {}
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_mapping_is_read_with_its_file_also_if_that_has_blanks() {
        let line = "7f01-7f0a r-xp 00000000 fe:00 1234                       /tmp/a b/test (deleted)";
        assert_eq!(mapped_at(line), Some((0x7f01, 0x7f0a, "/tmp/a b/test (deleted)")));
        assert_eq!(mapped_at("7f01-7f0a rw-p 00000000 00:00 0 [heap]"), None);
    }

    #[test]
    fn this_code_is_in_the_program_that_runs() {
        assert!(is_in_main_program());
    }

    #[test]
    fn what_is_inherited_by_accident_makes_no_watchdog() {
        // This process's input is no pidfd, whatever its environment.
        assert!(!input_is_pidfd());
    }
}
