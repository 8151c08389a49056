//! A whole run: the volumes, the machines, the plan, and what is made of it all.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime};

use crate::args::Args;
use crate::course::allowed::{Allowed, Stop};
use crate::course::asked::Asked;
use crate::course::common::Common;
use crate::course::plan::{Excludes, Plan};
use crate::course::run_dir::{last_times, make_run_dir};
use crate::course::setup::Setup;
use crate::course::shard::{Course, Done};
use crate::course::telling::Telling;
use crate::error::Error;
use crate::results::check_args::CheckArgs;
use crate::results::outcome::TestResult;
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

/// Runs what the arguments ask for, and tells of it while it runs.
pub(crate) fn run(args: &Args, check: &CheckArgs, telling: &mut Telling, stop: &Stop) -> Result<Over, Error> {
    let began = Instant::now();
    let started = SystemTime::now();
    let excludes = Excludes::read(check, &args.fstests.exclude)?;
    let setup = Setup::prepare(args)?;
    setup.notes().iter().for_each(|note| telling.note(note));
    if check.is_default_selection() {
        telling.note("no test is named and no group: `check` runs group auto, which takes hours");
    }
    let plan = Plan::from_arguments(check, &excludes, &setup.fstests, args.course.shard);
    let machines = plan.machines(args.course.shards as usize);
    let (pool, volumes) = volumes::take(&args.volumes, machines, telling)?;
    // Only a run that has volumes leaves anything.
    let dir = make_run_dir(&args.results.results, started)?;
    let mut allowed = Allowed::new(&args.limits, &setup, stop, began);
    allowed.last = Arc::new(last_times(
        &args.results.results,
        &setup.filesystem,
        setup.accelerator().as_deref(),
    ));
    let course = Course {
        goes_on: args.course.go_on,
        repeat: args.course.repeat,
        retry_failed: args.course.retry_failed,
    };
    telling.of_machines(&setup.kernel.release, &setup.in_words(), volumes.len());
    let common = Common {
        setup: &setup,
        dir: &dir,
        asked: &Asked::in_tree(&setup.fstests),
        allowed: &allowed,
        check,
        excludes: &excludes,
    };
    let ran = common.run(&volumes, &plan, course, telling);
    let ran = ran.map_err(|source| Error::no_plan(&dir, source))?;
    let (mut tests, mut shards) = (ran.expunged, ran.done);
    for shard in &mut shards {
        tests.append(&mut shard.results);
    }
    Ok(Over {
        tests,
        took: began.elapsed(),
        pool: pool.name().to_owned(),
        setup,
        dir,
        started,
        volumes,
        shards,
        release: ran.release,
    })
}

/// Returns the tests that [`run`] would run, as `check` itself says in a machine.
pub(crate) fn list(
    args: &Args,
    check: &CheckArgs,
    telling: &mut Telling,
    stop: &Stop,
) -> Result<Vec<TestName>, Error> {
    let excludes = Excludes::read(check, &args.fstests.exclude)?;
    let setup = Setup::prepare(args)?;
    setup.notes().iter().for_each(|note| telling.note(note));
    let dir = tempfile::tempdir().map_err(|source| Error::Io {
        doing: "make a directory for the machine in",
        path: std::env::temp_dir(),
        source,
    })?;
    let (_, volumes) = volumes::take(&args.volumes, 1, telling)?;
    let common = Common {
        setup: &setup,
        dir: dir.path(),
        asked: &Asked::in_tree(&setup.fstests),
        allowed: &Allowed::new(&args.limits, &setup, stop, Instant::now()),
        check,
        excludes: &excludes,
    };
    let listed = match common.ask(&volumes[0], telling) {
        Ok(planned) => Ok(Plan::AskCheck(args.course.shard).of_planned(&planned)),
        // What the machine has said is what shows why.
        Err(source) => Err(Error::no_plan(&dir.keep(), source)),
    };
    let closed: Result<Vec<()>, _> = volumes.into_iter().map(Volumes::close).collect();
    let listed = listed?;
    closed.map_err(Error::Volumes)?;
    Ok(listed)
}
