//! A whole run: the volumes, the machines, the plan, and what is made of it all.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::mpsc::{self, Receiver, RecvTimeoutError, Sender};
use std::thread;
use std::time::{Duration, Instant, SystemTime};

use crate::args::Args;
use crate::course::allowed::{Allowed, Stop};
use crate::course::asked::Asked;
use crate::course::plan::{Excludes, Plan};
use crate::course::report::{Report, Reporter};
use crate::course::run_dir::{last_times, make_run_dir};
use crate::course::setup::Setup;
use crate::course::shard::{Course, Done, NoPlan, Shard};
use crate::course::telling::Telling;
use crate::error::Error;
use crate::results::check_args::CheckArgs;
use crate::results::limits::Limits;
use crate::results::outcome::TestResult;
use crate::results::split::split;
use crate::results::test_name::TestName;
use crate::volumes::{self, Volumes};

/// A run that is over, with the volumes that it had.
#[derive(Debug)]
pub(crate) struct Over {
    pub(crate) setup: Setup,
    pub(crate) dir: PathBuf,
    pub(crate) started: SystemTime,
    pub(crate) took: Duration,
    pub(crate) pool: String,
    /// Each machine's.
    pub(crate) volumes: Vec<Volumes>,
    pub(crate) tests: Vec<TestResult>,
    pub(crate) shards: Vec<Done>,
    /// The kernel's release, as it said itself.
    pub(crate) release: Option<String>,
}

/// The least limit of a test with a known time: a busy host may keep it waiting.
const FLOOR: Duration = Duration::from_secs(60);

/// Runs what the arguments ask for, and tells of it while it runs.
pub(crate) fn run(args: &Args, check: &CheckArgs, telling: &mut Telling, stop: &Stop) -> Result<Over, Error> {
    let began = Instant::now();
    let started = SystemTime::now();
    let excludes = Excludes::read(check, &args.fstests.exclude)?;
    let setup = Setup::prepare(args)?;
    setup.notes().iter().for_each(|note| telling.note(note));
    let asked = Asked::in_tree(&setup.fstests);
    let plan = Plan::from_arguments(check, &excludes, &setup.fstests, args.course.shard);
    let shards = match &plan {
        Plan::Known(tests) => tests.len().clamp(1, args.course.shards as usize),
        Plan::AskCheck(_) => args.course.shards as usize,
    };
    let (pool, volumes) = volumes::take(&args.volumes, shards, telling).map_err(Error::Volumes)?;
    let dir = make_run_dir(&args.results.results, started)?;
    let allowed = Allowed {
        stop: stop.clone(),
        until: args.limits.limit.map(|limit| began + setup.scaled(limit)),
        whole: args.limits.limit.map_or(Duration::MAX, |limit| setup.scaled(limit)),
        boot: setup.scaled(args.limits.boot_limit),
        tests: Limits {
            floor: FLOOR.min(args.limits.test_limit),
            default: args.limits.test_limit,
            scale: setup.scale(),
        },
        last: Arc::new(last_times(&args.results.results, &setup)),
    };
    let course = Course {
        goes_on: args.course.go_on,
        repeat: args.course.repeat,
        retry_failed: args.course.retry_failed,
    };
    telling.of_machines(&setup.kernel.release, &setup.in_words(), volumes.len());
    let common = Common { setup: &setup, dir: &dir, asked: &asked, allowed: &allowed, check, excludes: &excludes };
    let (mut shards, release, mut tests) = common.run(&volumes, &plan, course, telling)?;
    tests.extend(shards.iter_mut().flat_map(|shard| std::mem::take(&mut shard.results)));
    Ok(Over {
        took: began.elapsed(),
        pool: pool.name().to_owned(),
        setup,
        dir,
        started,
        volumes,
        tests,
        shards,
        release,
    })
}

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

/// What a machine's thread sends.
type FromShard = (u32, Report);

impl Common<'_> {
    /// Runs a machine for each of the sessions, all at once. Returns what came of them, the kernel's release, and the
    /// verdicts on tests that no machine was to run.
    fn run(
        &self,
        volumes: &[Volumes],
        plan: &Plan,
        course: Course,
        telling: &mut Telling,
    ) -> Result<(Vec<Done>, Option<String>, Vec<TestResult>), Error> {
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
                        expunged.iter().for_each(|result| telling.report(shard, &Report::Ended(result.clone())));
                    }
                    // Nobody waits for tests that will never be known.
                    Report::NoPlan => work.clear(),
                    Report::Booted(kernel) => release = Some(kernel),
                    report => telling.report(shard, &report),
                }
            }
            let done = threads.into_iter().map(|thread| match thread.join() {
                Ok(done) => done.map_err(Error::from),
                Err(panic) => std::panic::resume_unwind(panic),
            });
            Ok((done.collect::<Result<Vec<_>, _>>()?, release, expunged))
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
        match tests.recv() {
            Ok(tests) => Ok(shard.run(&tests, course)),
            Err(_) => Ok(shard.run(&[], course)),
        }
    }
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
