//! Places at which a test can have this process die, as by SIGKILL from outside, or what has just been
//! done fail.
//!
//! They are there only in builds for this crate's own tests (feature `fault-points`); elsewhere they
//! are nothing. `KDEV_FAULT_LOG` names a file to which each place writes its name as it is passed, and
//! `KDEV_FAULT_AT` is the number of the place, counted from 0, at which to die. So a test passes
//! through once to learn which places there are, and then dies at each of them in turn.
//!
//! Those of the places that are steps are numbered apart, with `KDEV_FAULT_STEPS` for the names and
//! `KDEV_FAULT_FAIL` for the one that fails: what it names has been done, and is reported as an error.

/// A place to die at. The name tells people what has just been done.
#[cfg(not(feature = "fault-points"))]
#[inline(always)]
pub(crate) fn point(_done: &str) {}

/// A place to die or to fail at. The name tells people what has just been done.
#[cfg(not(feature = "fault-points"))]
#[inline(always)]
pub(crate) fn step(_done: &str) -> std::io::Result<()> {
    Ok(())
}

#[cfg(feature = "fault-points")]
pub(crate) fn point(done: &str) {
    use std::sync::atomic::{AtomicU64, Ordering};
    static PASSED: AtomicU64 = AtomicU64::new(0);

    let number = PASSED.fetch_add(1, Ordering::Relaxed);
    note(LOG, done);
    if number_in(AT) == Some(number) {
        // Nothing of this process runs after this: no destructor, no other thread.
        let _ = nix::sys::signal::kill(nix::unistd::getpid(), nix::sys::signal::Signal::SIGKILL);
        loop {
            std::thread::park();
        }
    }
}

#[cfg(feature = "fault-points")]
pub(crate) fn step(done: &str) -> std::io::Result<()> {
    use std::sync::atomic::{AtomicU64, Ordering};
    static PASSED: AtomicU64 = AtomicU64::new(0);

    point(done);
    let number = PASSED.fetch_add(1, Ordering::Relaxed);
    note("KDEV_FAULT_STEPS", done);
    match number_in("KDEV_FAULT_FAIL") {
        Some(at) if at == number => Err(std::io::Error::other(format!("a test had this fail: {done}"))),
        _ => Ok(()),
    }
}

/// Tells whether a test sets a pool up where the kernel has no device-mapper. LVM makes PVs and VGs without it.
#[cfg(not(feature = "fault-points"))]
#[inline(always)]
pub(crate) fn is_device_mapper_assumed() -> bool {
    false
}

#[cfg(feature = "fault-points")]
pub(crate) fn is_device_mapper_assumed() -> bool {
    std::env::var_os("KDEV_ASSUME_DEVICE_MAPPER").is_some()
}

#[cfg(feature = "fault-points")]
fn note(variable: &str, done: &str) {
    if let Some(log) = std::env::var_os(variable) {
        let line = format!("{done}\n");
        let file = std::fs::OpenOptions::new().create(true).append(true).open(log);
        std::io::Write::write_all(&mut file.expect("the test gave a writable file"), line.as_bytes())
            .expect("the test gave a writable file");
    }
}

#[cfg(feature = "fault-points")]
fn number_in(variable: &str) -> Option<u64> {
    std::env::var(variable).ok()?.parse().ok()
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
