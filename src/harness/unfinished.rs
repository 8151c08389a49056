//! A process that ends before its test is over has failed it, also with exit status 0: a runner that has
//! nothing but the status, as nextest, would take it for a pass.

use std::process;
use std::sync::Once;
use std::sync::atomic::{AtomicU32, AtomicUsize, Ordering};

use nix::libc;

/// How many tests are not over.
static RUNNING: AtomicUsize = AtomicUsize::new(0);

/// In which process. One that was forked off has a copy of the above, and ends as it likes.
static PROCESS: AtomicU32 = AtomicU32::new(0);

const WORDS: &[u8] = b"kdev: the process ends before its test is over, and so has failed it\n";

/// What libtest ends with when a test failed.
const FAILED: i32 = 101;

/// A test that is not over, until this value is dropped.
#[derive(Debug)]
pub(super) struct Unfinished(());

impl Unfinished {
    pub(super) fn begin() -> Self {
        static REGISTERED: Once = Once::new();
        // SAFETY: the function is there as long as the program is.
        REGISTERED.call_once(|| unsafe {
            // If it cannot be registered, the runner sees what it saw before.
            libc::atexit(at_exit);
        });
        PROCESS.store(process::id(), Ordering::Relaxed);
        RUNNING.fetch_add(1, Ordering::Relaxed);
        Self(())
    }
}

impl Drop for Unfinished {
    fn drop(&mut self) {
        RUNNING.fetch_sub(1, Ordering::Relaxed);
    }
}

extern "C" fn at_exit() {
    if RUNNING.load(Ordering::Relaxed) > 0 && PROCESS.load(Ordering::Relaxed) == process::id() {
        // Not through std: another thread may hold its lock, and this one must not wait.
        // SAFETY: the words are as long as is said.
        unsafe { libc::write(2, WORDS.as_ptr().cast(), WORDS.len()) };
        // SAFETY: ends the process at once. std has flushed its output before it came here.
        unsafe { libc::_exit(FAILED) }
    }
}
