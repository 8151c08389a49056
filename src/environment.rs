use std::env;
use std::ffi::OsString;
use std::sync::{Mutex, MutexGuard, PoisonError};

use kdev_volumes_spec::DEVICE_VARIABLES;

/// One annotated test at a time: the environment belongs to the process, not to the thread.
static TURN: Mutex<()> = Mutex::new(());

/// A test's turn to have the environment of this process.
pub(crate) struct Turn {
    _guard: MutexGuard<'static, ()>,
}

impl Turn {
    /// Waits until no other annotated test of this process runs.
    pub(crate) fn wait() -> Self {
        // A test that failed has given the environment back all the same.
        Self {
            _guard: TURN.lock().unwrap_or_else(PoisonError::into_inner),
        }
    }

    /// Sets the variables of a session until the value that is returned is dropped.
    ///
    /// Variables in which fstests looks for devices and which are not the session's are unset: a test
    /// must not find a disk that somebody exported in the surrounding shell.
    pub(crate) fn export(&self, exports: &[(String, OsString)]) -> Exported<'_> {
        let foreign = DEVICE_VARIABLES
            .iter()
            .filter(|name| exports.iter().all(|(export, _)| export != *name));
        let wanted = foreign.map(|name| ((*name).to_owned(), None));
        let wanted: Vec<(String, Option<OsString>)> = wanted
            .chain(
                exports
                    .iter()
                    .map(|(name, value)| (name.clone(), Some(value.clone()))),
            )
            .collect();
        let before = wanted
            .iter()
            .map(|(name, _)| (name.clone(), env::var_os(name)))
            .collect();
        wanted.into_iter().for_each(set);
        Exported { before, _turn: self }
    }
}

/// The variables as they were, to be restored.
pub(crate) struct Exported<'turn> {
    before: Vec<(String, Option<OsString>)>,
    _turn: &'turn Turn,
}

impl Drop for Exported<'_> {
    fn drop(&mut self) {
        self.before.drain(..).for_each(set);
    }
}

fn set((name, value): (String, Option<OsString>)) {
    // SAFETY: no other thread may use the environment meanwhile. Annotated tests of one process take
    // turns. Under nextest a test is the only one of its process, and no thread of its own runs yet; one
    // that it leaves behind, and under plain `cargo test` tests without our attribute, must keep off the
    // environment: the README ("Limits") and the macro's page say so.
    unsafe {
        match value {
            Some(value) => env::set_var(name, value),
            None => env::remove_var(name),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn variables_are_set_for_the_turn_and_restored_after() {
        let turn = Turn::wait();
        set(("SCRATCH_DEV".into(), Some("/dev/somebodys-disk".into())));
        set(("TEST_DEV".into(), None));
        let exported = turn.export(&[("TEST_DEV".into(), "/dev/loop7".into())]);
        assert_eq!(env::var("TEST_DEV").as_deref(), Ok("/dev/loop7"));
        assert!(
            env::var_os("SCRATCH_DEV").is_none(),
            "a foreign disk is not passed on"
        );
        drop(exported);
        assert!(env::var_os("TEST_DEV").is_none());
        assert_eq!(env::var("SCRATCH_DEV").as_deref(), Ok("/dev/somebodys-disk"));
        set(("SCRATCH_DEV".into(), None));
    }
}
