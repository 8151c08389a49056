//! What happens before `main` in every program with annotated tests: a look for what the dead left. While
//! a program lists its tests, only `kdev plan` is told what they ask for, if it wants to know.

use std::env;
use std::fs;
use std::panic::catch_unwind;

use crate::declared;
use crate::harness::{self, DECLARATIONS};
use crate::reap;
use crate::root::IS_ROOT_PROGRAM;
use crate::state::State;
use crate::state_dir::StateDir;
use crate::watchdog;

/// The variable that switches the look off.
const REAPER_VARIABLE: &str = "KDEV_REAPER";

// A panic that left a constructor would abort every test program, also when it only lists its tests.
// SAFETY: before `main`, std works on Linux as far as it is used here: the environment, files and
// child processes, no threads; nothing is written to standard output, which test runners parse.
#[ctor::ctor(unsafe)]
fn at_startup() {
    if !IS_ROOT_PROGRAM.is_empty() {
        return;
    }
    watchdog::serve_if_asked();
    harness::end_with_parent();
    watchdog::constructor_has_run();
    // The panic itself has been told on standard error.
    let _ = catch_unwind(begin);
}

fn begin() {
    if DECLARATIONS.is_empty() {
        return;
    }
    tell_what_is_declared();
    if !is_switched_off() && !has_argument("--list") {
        look_after_the_dead();
    }
}

fn tell_what_is_declared() {
    let Some(directory) = declared::wanted_in() else {
        return;
    };
    // Runners list the ignored tests apart, at the same time. Both would tell the same.
    if !has_argument("--list") || has_argument("--ignored") {
        return;
    }
    if let Err(err) = declared::tell(&directory) {
        eprintln!(
            "kdev: could not tell `kdev plan` what tests ask for: {}",
            err.chain()
        );
    }
}

/// Nothing to do is the usual case, and costs a few system calls: no lock, no child process.
fn look_after_the_dead() {
    let Ok(dir) = StateDir::from_env() else { return };
    let state = State::new(dir);
    match reap::reap_if_any_died(&state) {
        Ok(reaped) => reaped.tell(),
        // The test that needs volumes will meet the same trouble and report it.
        Err(err) => eprintln!(
            "kdev: could not look for volumes of dead processes: {}",
            err.chain()
        ),
    }
}

fn is_switched_off() -> bool {
    env::var_os(REAPER_VARIABLE).is_some_and(|value| value == "off" || value == "0")
}

/// Runners start each program with `--list` first, several at a time.
fn has_argument(name: &str) -> bool {
    // Not std's arguments: some C libraries do not give them to constructors.
    let command_line = fs::read("/proc/self/cmdline").unwrap_or_default();
    command_line
        .split(|&byte| byte == 0)
        .any(|arg| arg == name.as_bytes())
}
