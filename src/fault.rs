//! Places at which a test can have this process die, as by SIGKILL from outside.
//!
//! They are there only in builds for this crate's own tests (feature `fault-points`); elsewhere they
//! are nothing. `KDEV_FAULT_LOG` names a file to which each place writes its name as it is passed, and
//! `KDEV_FAULT_AT` is the number of the place, counted from 0, at which to die. So a test passes
//! through once to learn which places there are, and then dies at each of them in turn.

/// A place to die at. The name tells people what has just been done.
#[cfg(not(feature = "fault-points"))]
#[inline(always)]
pub(crate) fn point(_done: &str) {}

#[cfg(feature = "fault-points")]
pub(crate) fn point(done: &str) {
    use std::sync::atomic::{AtomicU64, Ordering};
    static PASSED: AtomicU64 = AtomicU64::new(0);

    let number = PASSED.fetch_add(1, Ordering::Relaxed);
    if let Some(log) = std::env::var_os(LOG) {
        let line = format!("{done}\n");
        let file = std::fs::OpenOptions::new().create(true).append(true).open(log);
        std::io::Write::write_all(&mut file.expect("the test gave a writable file"), line.as_bytes())
            .expect("the test gave a writable file");
    }
    let at = std::env::var(AT).ok().and_then(|at| at.parse().ok());
    if at == Some(number) {
        // Nothing of this process runs after this: no destructor, no other thread.
        let _ = nix::sys::signal::kill(nix::unistd::getpid(), nix::sys::signal::Signal::SIGKILL);
        loop {
            std::thread::park();
        }
    }
}

#[cfg(feature = "fault-points")]
const LOG: &str = "KDEV_FAULT_LOG";
#[cfg(feature = "fault-points")]
const AT: &str = "KDEV_FAULT_AT";

/// The environment by which a test reaches into the watchdog: ours with `KDEV_WATCHDOG_` in front.
pub(crate) fn watchdogs_environment() -> Vec<(&'static str, std::ffi::OsString)> {
    #[cfg(not(feature = "fault-points"))]
    return Vec::new();
    #[cfg(feature = "fault-points")]
    [(LOG, "KDEV_WATCHDOG_FAULT_LOG"), (AT, "KDEV_WATCHDOG_FAULT_AT")]
        .into_iter()
        .filter_map(|(to, from)| Some((to, std::env::var_os(from)?)))
        .collect()
}
