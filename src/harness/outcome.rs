use std::convert::Infallible;
use std::process::{ExitCode, Termination};

/// What an annotated test may return.
#[diagnostic::on_unimplemented(
    message = "`#[kdev_volumes]` takes tests that return `()`, a `Result`, an `ExitCode` or `impl Termination`, not `{Self}`",
    label = "returned by this test",
    note = "a test that returns a type of its own is written `-> impl std::process::Termination`"
)]
pub trait Outcome: Sized {
    /// Tells whether the test failed without a panic.
    fn failed(&self) -> bool;

    /// Returns what a test returns that passed; `None` if it cannot have.
    fn passed() -> Option<Self>;

    /// Returns what a test returns that failed without a panic; `None` if it cannot have.
    fn nothing() -> Option<Self> {
        None
    }
}

impl Outcome for () {
    fn failed(&self) -> bool {
        false
    }

    fn passed() -> Option<Self> {
        Some(())
    }

    fn nothing() -> Option<Self> {
        Some(())
    }
}

impl Outcome for ExitCode {
    fn failed(&self) -> bool {
        *self != Self::SUCCESS
    }

    fn passed() -> Option<Self> {
        Some(Self::SUCCESS)
    }
}

impl Outcome for Infallible {
    fn failed(&self) -> bool {
        match *self {}
    }

    fn passed() -> Option<Self> {
        None
    }
}

impl<T: Outcome, E> Outcome for Result<T, E> {
    fn failed(&self) -> bool {
        self.as_ref().map_or(true, T::failed)
    }

    fn passed() -> Option<Self> {
        T::passed().map(Ok)
    }
}

/// What a test that returns `impl Termination` returns in the end: what its own value comes to.
#[derive(Debug)]
pub struct Ended(ExitCode);

impl Ended {
    /// Has a value say what it comes to.
    pub fn of(returned: impl Termination) -> Self {
        Self(returned.report())
    }
}

impl Termination for Ended {
    fn report(self) -> ExitCode {
        self.0
    }
}

impl Outcome for Ended {
    fn failed(&self) -> bool {
        self.0.failed()
    }

    fn passed() -> Option<Self> {
        ExitCode::passed().map(Self)
    }
}
