//! Whether a test is the only one of its process: then the environment is its own.

use std::env;
use std::ffi::OsStr;
use std::os::unix::process::parent_id;
use std::process;
use std::sync::atomic::{AtomicBool, Ordering};

use nix::libc;
use nix::sys::prctl::set_pdeathsig;
use nix::sys::signal::Signal;

/// The variable by which the process of a test knows that it is one, and who started it.
pub(super) const VARIABLE: &str = "KDEV_TEST_OF";

/// Where a test runs.
#[derive(Debug)]
pub(super) enum Place {
    /// In a process of its own, which we have started.
    StartedBy(Parent),
    /// In a process of its own.
    Alone,
    /// In a process of many tests.
    Shared,
}

/// The process that has started this one for a test: `PID.DESCRIPTOR.NONCE.NAME`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Parent {
    pub(super) pid: u32,
    /// Its report; see [`Report::number`](super::report::Report::number).
    pub(super) report: i32,
    /// What the marks in standard output hold.
    pub(super) nonce: String,
    /// The test, as the runner knows it.
    pub(super) test: String,
}

impl Parent {
    pub(super) fn to_variable(&self) -> String {
        let Self {
            pid,
            report,
            nonce,
            test,
        } = self;
        format!("{pid}.{report}.{nonce}.{test}")
    }

    fn parse(text: &str) -> Option<Self> {
        let mut parts = text.splitn(4, '.');
        Some(Self {
            pid: parts.next()?.parse().ok()?,
            report: parts.next()?.parse().ok()?,
            nonce: parts.next()?.to_owned(),
            test: parts.next()?.to_owned(),
        })
    }

    /// Reads the variable. It is inherited by what a test starts, which is not what it speaks of.
    fn of_this_process() -> Option<Self> {
        let parent = Self::parse(env::var_os(VARIABLE)?.to_str()?)?;
        (parent.pid == parent_id()).then_some(parent)
    }
}

/// Finds out where the test of that name runs.
pub(super) fn place(test: &str) -> Place {
    /// A test alone in its process stays so, also when it takes the variable out of the environment.
    static IS_ALONE: AtomicBool = AtomicBool::new(false);
    let parent = Parent::of_this_process().filter(|parent| parent.test == test);
    let is_alone = IS_ALONE.load(Ordering::Relaxed) || parent.is_some() || is_alone_under_nextest();
    IS_ALONE.store(is_alone, Ordering::Relaxed);
    match (parent, is_alone) {
        (Some(parent), _) => Place::StartedBy(parent),
        (None, true) => Place::Alone,
        (None, false) => Place::Shared,
    }
}

/// nextest says so itself; and since a `cargo test` that a test starts inherits what it says, the
/// arguments, which are this process's own, have to be those that nextest gives.
fn is_alone_under_nextest() -> bool {
    let says_so = env::var_os("NEXTEST_EXECUTION_MODE").is_some_and(|mode| mode == "process-per-test");
    let has = |wanted: &OsStr| env::args_os().any(|arg| arg == wanted);
    // The name is there since nextest 0.9.116.
    let test = env::var_os("NEXTEST_TEST_NAME");
    says_so && has("--exact".as_ref()) && test.is_none_or(|test| has(&test))
}

/// Makes this process end with the one that has started it for a test; to be called by the constructor.
///
/// The kernel sends the signal when the thread ends that has started us, and that one waits for us.
pub(crate) fn end_with_parent() {
    let Some(parent) = Parent::of_this_process() else {
        return;
    };
    let armed = set_pdeathsig(Signal::SIGKILL);
    if armed.is_ok() && parent_id() != parent.pid {
        // It has died in between.
        // SAFETY: ends the process at once; nothing of it has begun.
        unsafe { libc::_exit(1) }
    }
}

/// Describes this process to the one that it is about to start for a test.
pub(super) fn as_parent(report: i32, nonce: String, test: &str) -> Parent {
    Parent {
        pid: process::id(),
        report,
        nonce,
        test: test.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_said_of_a_parent_is_read_back() {
        let parent = as_parent(7, "0123".into(), "mod::test::case_1_0.5");
        assert_eq!(Parent::parse(&parent.to_variable()), Some(parent));
    }

    #[test]
    fn anything_else_is_no_parent() {
        for text in ["", "1", "1.2.3", "x.2.3.test", "1.x.3.test", "-1.2.3.test"] {
            assert_eq!(Parent::parse(text), None, "{text}");
        }
    }
}
