//! The machines of a run, each in a thread of its own, and the one place where all they say arrives.

use std::path::Path;
use std::sync::mpsc::{self, Receiver, RecvTimeoutError, Sender};
use std::thread::{self, ScopedJoinHandle};

use crate::course::allowed::Allowed;
use crate::course::asked::Asked;
use crate::course::no_plan::NoPlan;
use crate::course::plan::{Excludes, Plan};
use crate::course::report::{Report, Reporter};
use crate::course::setup::Setup;
use crate::course::shard::{Course, Done, Shard};
use crate::course::telling::Telling;
use crate::results::check_args::CheckArgs;
use crate::results::listing::Planned;
use crate::results::outcome::TestResult;
use crate::results::split::split;
use crate::results::test_name::TestName;
use crate::volumes::Volumes;

/// What all parts of a run have in common.
pub(super) struct Common<'a> {
    pub(super) setup: &'a Setup,
    /// The run's directory.
    pub(super) dir: &'a Path,
    pub(super) asked: &'a Asked,
    pub(super) allowed: &'a Allowed,
    pub(super) check: &'a CheckArgs,
    pub(super) excludes: &'a Excludes,
}

/// What all machines came to.
#[derive(Debug)]
pub(super) struct Ran {
    /// Each machine's part.
    pub(super) done: Vec<Done>,
    /// The verdicts on the tests that no machine was to run.
    pub(super) expunged: Vec<TestResult>,
    /// The kernel's release, as it says itself.
    pub(super) release: Option<String>,
}

/// What a machine's thread sends.
type FromShard = (u32, Report);

impl Common<'_> {
    /// Runs a machine for each of the sessions, all at once.
    pub(super) fn run(
        &self,
        volumes: &[Volumes],
        plan: &Plan,
        course: Course,
        telling: &mut Telling,
    ) -> Result<Ran, NoPlan> {
        let (to_us, from_shards) = mpsc::channel::<FromShard>();
        thread::scope(|scope| {
            let mut threads = Vec::new();
            let mut work = Vec::new();
            for (number, volumes) in (1u32..).zip(volumes) {
                let (to_shard, tests) = mpsc::channel();
                work.push(to_shard);
                let reporter = Reporter::new(number, to_us.clone());
                let asks = (number == 1).then_some(plan);
                threads.push(scope.spawn(move || self.shard(volumes, reporter, asks, &tests, course)));
            }
            // What comes ends when the last machine's thread does.
            drop(to_us);
            if let Plan::Known(tests) = plan {
                self.hand_out(tests, &mut work, telling);
            }
            let mut release = None;
            let mut expunged = Vec::new();
            while let Some((shard, report)) = next(&from_shards, telling) {
                match report {
                    Report::Planned(planned) => {
                        self.hand_out(&plan.of_planned(&planned), &mut work, telling);
                        expunged = plan.expunged(&planned);
                        let ended = expunged.iter().cloned().map(Report::Ended);
                        ended.for_each(|report| telling.report(shard, &report));
                    }
                    // Nobody waits for tests that will never be known.
                    Report::NoPlan => work.clear(),
                    Report::Booted(kernel) => release = Some(kernel),
                    report => telling.report(shard, &report),
                }
            }
            let done = threads.into_iter().map(join).collect::<Result<_, _>>()?;
            Ok(Ran {
                done,
                expunged,
                release,
            })
        })
    }

    /// Boots one machine to ask which tests there are, and ends it.
    pub(super) fn ask(&self, volumes: &Volumes, telling: &mut Telling) -> Result<Vec<Planned>, NoPlan> {
        let (to_us, from_shard) = mpsc::channel::<FromShard>();
        thread::scope(|scope| {
            let asking = scope.spawn(move || {
                let mut shard = Shard::new(self, volumes.disks(), Reporter::new(1, to_us));
                let planned = shard.plan();
                shard.power_off();
                planned
            });
            while let Some((shard, report)) = next(&from_shard, telling) {
                telling.report(shard, &report);
            }
            join(asking)
        })
    }

    /// Gives each machine its part of the tests.
    fn hand_out(&self, tests: &[TestName], work: &mut Vec<Sender<Vec<TestName>>>, telling: &mut Telling) {
        telling.planned(tests, &self.allowed.last);
        let parts = split(tests, work.len(), &|name| self.allowed.last.get(name).copied());
        for (part, work) in parts.into_iter().zip(work.drain(..)) {
            // A machine that did not come up says so itself.
            let _ = work.send(part);
        }
    }

    /// One machine's thread: it boots while others list the tests, and runs what it is given.
    fn shard(
        &self,
        volumes: &Volumes,
        reporter: Reporter,
        plan: Option<&Plan>,
        tests: &Receiver<Vec<TestName>>,
        course: Course,
    ) -> Result<Done, NoPlan> {
        let mut shard = Shard::new(self, volumes.disks(), reporter.clone());
        if let Some(Plan::AskCheck(_)) = plan {
            match shard.plan() {
                Ok(planned) => reporter.planned(planned),
                Err(err) => {
                    reporter.no_plan();
                    return Err(err);
                }
            }
        }
        // If it does not come up, that is what its tests are told to have died of.
        let _ = shard.boot();
        // Without a list of tests there are none for this machine.
        let tests = tests.recv().unwrap_or_default();
        Ok(shard.run(&tests, course))
    }
}

/// Returns what a machine's thread came to. A panic in it is this one's.
fn join<T>(thread: ScopedJoinHandle<'_, T>) -> T {
    thread
        .join()
        .unwrap_or_else(|panic| std::panic::resume_unwind(panic))
}

/// Waits for what is reported next, and keeps what is shown up to date meanwhile; `None` after the last.
fn next(from_shards: &Receiver<FromShard>, telling: &Telling) -> Option<FromShard> {
    loop {
        match telling.tick() {
            None => return from_shards.recv().ok(),
            Some(pause) => match from_shards.recv_timeout(pause) {
                Ok(report) => return Some(report),
                Err(RecvTimeoutError::Disconnected) => return None,
                Err(RecvTimeoutError::Timeout) => {}
            },
        }
    }
}
