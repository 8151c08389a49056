use std::any::Any;
use std::future::poll_fn;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::pin::pin;
use std::process::Termination;
use std::sync::Arc;
use std::task::Poll;
use std::thread;

use crate::allocate::allocate;
use crate::environment::{Exported, export};
use crate::error::Result;
use crate::harness::again::run_again;
use crate::harness::alone::{Place, VARIABLE, place};
use crate::harness::declaration::Declaration;
use crate::harness::outcome::{Ended, Outcome};
use crate::harness::replay::Marks;
use crate::harness::report::{Reporter, Told};
use crate::harness::unfinished::Unfinished;
use crate::harness::verdict::{Failure, Verdict};
use crate::holding::Holding;
use crate::pool::Pool;
use crate::request::Request;
use crate::session::Session;
use crate::volume::Volume;

/// Runs a test's body on volumes of its own, and gives them back.
///
/// Where other tests run in this process, this is done in another one, and what it comes to there is
/// done here: its output written, its panic repeated.
///
/// # Panics
///
/// If the volumes cannot be had, and if a body that passed leaves volumes that cannot be removed. A
/// test that should panic must not be passed by that: it returns instead, which fails it.
#[track_caller]
pub fn run<R: Outcome>(declaration: &'static Declaration, body: impl FnOnce(Session) -> R) -> R {
    match Stage::enter(declaration) {
        Ok((stage, session)) => {
            let outcome = catch_unwind(AssertUnwindSafe(|| body(session)));
            stage.leave(outcome)
        }
        Err(verdict) => enact(declaration, verdict),
    }
}

/// Does so for an async test, within the runtime that the test has.
///
/// # Panics
///
/// As [`run`] does.
pub async fn run_async<R: Outcome>(
    declaration: &'static Declaration,
    body: impl AsyncFnOnce(Session) -> R,
) -> R {
    match Stage::enter(declaration) {
        Ok((stage, session)) => {
            let outcome = {
                let mut future = pin!(body(session));
                poll_fn(
                    |context| match catch_unwind(AssertUnwindSafe(|| future.as_mut().poll(context))) {
                        Ok(Poll::Pending) => Poll::Pending,
                        Ok(Poll::Ready(returned)) => Poll::Ready(Ok(returned)),
                        Err(panic) => Poll::Ready(Err(panic)),
                    },
                )
                .await
            };
            stage.leave(outcome)
        }
        Err(verdict) => enact(declaration, verdict),
    }
}

/// Runs a test whose return type has no name.
///
/// # Panics
///
/// As [`run`] does.
#[track_caller]
pub fn run_opaque<R: Termination>(
    declaration: &'static Declaration,
    body: impl FnOnce(Session) -> R,
) -> Ended {
    run(declaration, |session| Ended::of(body(session)))
}

/// Runs an async test whose return type has no name.
///
/// # Panics
///
/// As [`run`] does.
pub async fn run_opaque_async<R: Termination>(
    declaration: &'static Declaration,
    body: impl AsyncFnOnce(Session) -> R,
) -> Ended {
    run_async(declaration, async |session| Ended::of(body(session).await)).await
}

/// A test in the process in which it runs.
struct Stage {
    declaration: &'static Declaration,
    test: String,
    /// The text that a panic has to hold to pass the test, if one does.
    wanted_panic: Option<&'static str>,
    audience: Option<Audience>,
    exported: Option<Exported>,
    holding: Arc<Holding>,
    /// Dropped when all of it is over.
    _unfinished: Unfinished,
}

impl Stage {
    /// Gets a test its volumes, or has it run elsewhere and returns what that came to.
    fn enter(declaration: &'static Declaration) -> std::result::Result<(Self, Session), Verdict> {
        let name = declaration.name_in_runner();
        let test = declaration.full_name(&name);
        let wanted_panic = declaration.wanted_panic(&name);
        let place = match declaration.in_process {
            true => Place::Alone,
            false => place(&name),
        };
        let unsaid = |text: String| Verdict::Fail(Failure::Unsaid(text));
        let mut audience = match place {
            Place::Shared => return Err(run_again(&name, wanted_panic.is_some())),
            Place::Alone => None,
            Place::StartedBy(parent) => {
                let audience = Audience::find(parent.pid, parent.report, &parent.nonce);
                Some(audience.map_err(|err| unsaid(format!("nobody can be told of it: {err}")))?)
            }
        };
        let session = match session(declaration, &test) {
            Ok(session) => session,
            Err(err) => {
                if let Some(audience) = &mut audience {
                    audience.hears(&Told::Refused);
                }
                return Err(unsaid(format!("it gets no volumes: {}", err.chain())));
            }
        };
        let holding = session.holding();
        // Nobody who is started by the test is to take himself for it.
        let exported = (!declaration.in_process).then(|| export(holding.exports(), &[VARIABLE]));
        let stage = Self {
            declaration,
            test,
            wanted_panic,
            audience,
            exported,
            holding,
            _unfinished: Unfinished::begin(),
        };
        Ok((stage, session))
    }

    #[track_caller]
    fn leave<R: Outcome>(mut self, outcome: thread::Result<R>) -> R {
        drop(self.exported.take());
        let (failed, mut told) = match &outcome {
            Ok(returned) if returned.failed() => (true, Told::Failed),
            Ok(_) => (self.wanted_panic.is_some(), Told::Returned),
            Err(panic) => {
                let message = message(panic.as_ref());
                (
                    !is_wanted(message.as_deref(), self.wanted_panic),
                    Told::Panicked(message),
                )
            }
        };
        let given_back = self.holding.finish(failed);
        if given_back.is_err() && !failed {
            told = Told::Refused;
        }
        if let Some(audience) = &mut self.audience {
            audience.hears(&told);
            audience.leaves();
        }
        if let Err(err) = given_back {
            let text = format!("it left volumes behind: {}", err.chain());
            if !failed {
                return enact(self.declaration, Verdict::Fail(Failure::Unsaid(text)));
            }
            eprintln!("kdev: `{}` failed, and {text}", self.test);
        }
        outcome.unwrap_or_else(|panic| resume_unwind(panic))
    }
}

/// The process that has started this one for the test, and waits for what it comes to.
struct Audience {
    reporter: Reporter,
    marks: Marks,
}

impl Audience {
    fn find(pid: u32, report: i32, nonce: &str) -> std::io::Result<Self> {
        let mut reporter = Reporter::to(pid, report)?;
        reporter.tell(&Told::Began)?;
        let marks = Marks::new(nonce);
        marks.write_begin()?;
        Ok(Self { reporter, marks })
    }

    /// If it cannot be told, it takes the test for one that has died over its body, and fails it.
    fn hears(&mut self, told: &Told) {
        if let Err(err) = self.reporter.tell(told) {
            eprintln!("kdev: could not tell what the test has come to: {err}");
        }
    }

    fn leaves(&self) {
        // A test may close its standard output; then there is nothing to mark the end of.
        let _ = self.marks.write_end();
    }
}

/// Does what a test came to in another process, or what its trouble comes to.
///
/// A failure of ours is a panic, or, where a panic would pass the test, a return. rustc lets only tests
/// that return `()` be `#[should_panic]`.
#[track_caller]
fn enact<R: Outcome>(declaration: &Declaration, verdict: Verdict) -> R {
    let failure = match verdict {
        Verdict::Return => match R::passed() {
            Some(passed) => return passed,
            None => Failure::Unsaid("it returned what cannot be returned".to_owned()),
        },
        Verdict::Panic(Some(message)) => resume_unwind(Box::new(message)),
        Verdict::Panic(None) => resume_unwind(Box::new("a panic without a text")),
        Verdict::Fail(failure) => failure,
    };
    let name = declaration.name_in_runner();
    let nothing = R::nothing().filter(|_| declaration.wanted_panic(&name).is_some());
    let name = declaration.full_name(&name);
    let (text, is_said) = match failure {
        Failure::Said(text) => (text.to_owned(), true),
        Failure::Unsaid(text) => (text, false),
    };
    let text = format!("kdev: `{name}` failed: {text}");
    match nothing {
        Some(nothing) => {
            eprintln!("{text}");
            nothing
        }
        None if is_said => {
            eprintln!("{text}");
            resume_unwind(Box::new(text));
        }
        None => panic!("{text}"),
    }
}

fn message(panic: &(dyn Any + Send)) -> Option<String> {
    let text = panic.downcast_ref::<&str>().map(|text| (*text).to_owned());
    text.or_else(|| panic.downcast_ref::<String>().cloned())
}

/// Tells whether a panic passes the test, as libtest judges it: any does, or any with a text that holds
/// what was expected.
fn is_wanted(message: Option<&str>, wanted: Option<&str>) -> bool {
    match (wanted, message) {
        (None, _) => false,
        (Some(""), _) => true,
        (Some(wanted), message) => message.is_some_and(|message| message.contains(wanted)),
    }
}

fn session(declaration: &Declaration, test: &str) -> Result<Session> {
    let spec = declaration.spec()?;
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

#[cfg(test)]
mod tests {
    use rstest::rstest;

    use super::*;

    #[rstest]
    #[case(Some("text"), None, false)]
    #[case(None, Some(""), true)]
    #[case(Some("text"), Some(""), true)]
    #[case(Some("some text"), Some("text"), true)]
    #[case(Some("other"), Some("text"), false)]
    #[case(None, Some("text"), false)]
    fn a_panic_passes_a_test_that_wants_this_one(
        #[case] message: Option<&str>,
        #[case] wanted: Option<&str>,
        #[case] expected: bool,
    ) {
        assert_eq!(is_wanted(message, wanted), expected);
    }
}
