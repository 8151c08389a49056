//! What the attribute macro's expansion calls. Not an interface for people.

use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::thread;

use kdev_volumes_spec::{Bytes, Spec, VolumeSpec};
pub use linkme;

use crate::allocate::allocate;
use crate::environment::Turn;
use crate::error::Result;
use crate::pool::Pool;
use crate::request::Request;
pub use crate::session::Session;
use crate::volume::Volume;

/// An annotated test, as its source says it.
#[derive(Debug)]
pub struct Declaration {
    /// The module, with its crate first.
    pub module: &'static str,
    /// The function.
    pub function: &'static str,
    /// The source file.
    pub file: &'static str,
    /// The line of the function.
    pub line: u32,
    /// Whether a panic is what the test wants.
    pub should_panic: bool,
    /// The volumes.
    pub volumes: &'static [DeclaredVolume],
}

/// A volume of an annotated test. The macro has checked it.
#[derive(Debug)]
pub struct DeclaredVolume {
    /// The name.
    pub name: &'static str,
    /// The size in bytes.
    pub bytes: u64,
    /// The environment variable.
    pub env: &'static str,
    /// The place among the others.
    pub order: u32,
    /// The type of its filesystem, then mkfs' arguments; empty if it has none.
    pub mkfs: &'static [&'static str],
}

impl DeclaredVolume {
    fn spec(&self) -> Result<VolumeSpec> {
        let spec = VolumeSpec::new(self.name, Bytes::new(self.bytes))?
            .with_env(self.env)?
            .with_order(self.order);
        match self.mkfs.split_first() {
            Some((fs_type, args)) => Ok(spec.with_mkfs(fs_type)?.with_mkfs_args(args.iter().copied())?),
            None => Ok(spec),
        }
    }
}

/// All annotated tests that are linked into this program.
#[linkme::distributed_slice]
pub static DECLARATIONS: [Declaration];

/// What an annotated test may return.
#[diagnostic::on_unimplemented(
    message = "`#[kdev_volumes]` takes tests that return `()` or a `Result`, not `{Self}`",
    label = "returned by this test"
)]
pub trait Outcome: Sized {
    /// Tells whether the test failed without a panic.
    fn failed(&self) -> bool;

    /// Returns what a test returns that did nothing, if it can.
    fn nothing() -> Option<Self>;
}

impl Outcome for () {
    fn failed(&self) -> bool {
        false
    }

    fn nothing() -> Option<Self> {
        Some(())
    }
}

impl<T, E> Outcome for std::result::Result<T, E> {
    fn failed(&self) -> bool {
        self.is_err()
    }

    fn nothing() -> Option<Self> {
        None
    }
}

/// Runs a test's body on volumes of its own, and gives them back.
///
/// # Panics
///
/// If the volumes cannot be had, and if a body that passed leaves volumes that cannot be removed. A
/// test that should panic must not be passed by that: it returns instead, which fails it.
#[track_caller]
pub fn run<R: Outcome>(declaration: &'static Declaration, body: impl FnOnce(Session) -> R) -> R {
    let test = test_name(declaration);
    let turn = Turn::wait();
    let session = match declared_session(declaration, &test) {
        Ok(session) => session,
        Err(err) => {
            return fail(
                declaration,
                &format!("kdev: `{test}` gets no volumes: {}", err.chain()),
            );
        }
    };
    let holding = session.holding();
    let exported = turn.export(holding.exports());
    let outcome = catch_unwind(AssertUnwindSafe(|| body(session)));
    drop(exported);
    let failed = match &outcome {
        Ok(returned) => returned.failed() || declaration.should_panic,
        Err(_) => !declaration.should_panic,
    };
    if let Err(err) = holding.finish(failed) {
        let message = format!("kdev: `{test}` left volumes behind: {}", err.chain());
        if !failed {
            return fail(declaration, &message);
        }
        eprintln!("{message}");
    }
    outcome.unwrap_or_else(|panic| resume_unwind(panic))
}

/// Fails a test: by a panic, or, where a panic would pass it, by returning. rustc lets only tests that
/// return `()` be `#[should_panic]`.
#[track_caller]
fn fail<R: Outcome>(declaration: &Declaration, message: &str) -> R {
    match R::nothing().filter(|_| declaration.should_panic) {
        Some(nothing) => {
            eprintln!("{message}");
            nothing
        }
        None => panic!("{message}"),
    }
}

/// Names a test as libtest does, with its crate before it. The thread's name tells the cases of one
/// function apart; not every thread that runs a test has it.
fn test_name(declaration: &Declaration) -> String {
    let Declaration { module, function, .. } = declaration;
    let name_of_crate = module.split("::").next().unwrap_or(module);
    match thread::current().name() {
        Some(name) if name.contains(function) => format!("{name_of_crate}::{name}"),
        _ => format!("{module}::{function}"),
    }
}

fn declared_session(declaration: &Declaration, test: &str) -> Result<Session> {
    let volumes = declaration.volumes.iter().map(DeclaredVolume::spec);
    let spec = Spec::new(volumes.collect::<Result<Vec<_>>>()?)?;
    allocate(&Pool::from_env()?, &spec, Request::for_test(test.to_owned())?)
}

/// Takes an injected guard out of the session.
///
/// # Panics
///
/// Never: the macro has checked the name and injects each volume once.
pub fn take(session: &mut Session, name: &str) -> Volume {
    session
        .take(name)
        .expect("the macro injects each volume that it knows once")
}

/// Lends an injected guard.
///
/// # Panics
///
/// Never: the macro has checked the name and injects each volume once.
pub fn lend<'session>(session: &'session Session, name: &str) -> &'session Volume {
    session
        .volume(name)
        .expect("the macro injects each volume that it knows once")
}
