//! All that a process inherits is the caller's choice. Here it is made ours.

use std::env;
use std::fs;

use nix::errno::Errno;
use nix::sys::resource::{RLIM_INFINITY, Resource, setrlimit};
use nix::sys::signal::{SigHandler, SigSet, Signal, signal};
use nix::sys::stat::{Mode, umask};
use nix::unistd::close;

use crate::error::{Error, Result};

/// How many files may be open.
const FILES: u64 = 1024;

/// As the kernel has it from the first.
const STACK: u64 = 8 << 20;

/// Leaves nothing of what was inherited but the three standard streams.
pub(super) fn reset() -> Result<()> {
    let failed = |doing, what: &str, err: Errno| Error::io(doing, what, err.into());
    close_descriptors()?;
    reset_signals().map_err(|err| failed("reset", "the signals", err))?;
    // A limit that is hit kills, or has half a file written: in the middle of a change of LVM's metadata.
    let unlimited = [
        Resource::RLIMIT_CPU,
        Resource::RLIMIT_FSIZE,
        Resource::RLIMIT_AS,
        Resource::RLIMIT_DATA,
        Resource::RLIMIT_NPROC,
    ];
    let limits = unlimited.map(|resource| (resource, RLIM_INFINITY));
    // What is in memory here is root's, and none of the caller's to read.
    let others = [
        (Resource::RLIMIT_NOFILE, FILES),
        (Resource::RLIMIT_STACK, STACK),
        (Resource::RLIMIT_CORE, 0),
    ];
    for (resource, limit) in limits.into_iter().chain(others) {
        setrlimit(resource, limit, limit).map_err(|err| failed("set", "the limits", err))?;
    }
    // As the first to be killed when memory is short. It stays where even root may not say so, as in a container.
    let _ = fs::write("/proc/self/oom_score_adj", "0");
    umask(Mode::from_bits_truncate(0o022));
    env::set_current_dir("/").map_err(|err| Error::io("enter", "/", err))?;
    let names: Vec<_> = env::vars_os().map(|(name, _)| name).collect();
    for name in names {
        // SAFETY: this is the first thing that the program does, and it has one thread.
        unsafe { env::remove_var(name) }
    }
    Ok(())
}

/// Those of our own close by themselves in programs that we start. Others were meant for somebody.
fn close_descriptors() -> Result<()> {
    let dir = "/proc/self/fd";
    let failed = |err| Error::io("list", dir, err);
    let descriptors: Vec<i32> = fs::read_dir(dir)
        .map_err(failed)?
        .filter_map(|entry| entry.ok()?.file_name().to_str()?.parse().ok())
        .collect();
    for descriptor in descriptors.into_iter().filter(|&descriptor| descriptor > 2) {
        // One of them was that of the listing itself, and is closed already.
        let _ = close(descriptor);
    }
    Ok(())
}

fn reset_signals() -> nix::Result<()> {
    for number in Signal::iterator() {
        if matches!(number, Signal::SIGKILL | Signal::SIGSTOP) {
            continue;
        }
        let handler = match number {
            // Nobody may read what we say, and that ends nothing half-way; as Rust has it from the first.
            Signal::SIGPIPE => SigHandler::SigIgn,
            _ => SigHandler::SigDfl,
        };
        // SAFETY: neither runs code of ours.
        unsafe { signal(number, handler) }?;
    }
    SigSet::empty().thread_set_mask()
}
