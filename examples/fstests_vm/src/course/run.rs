//! A whole run: the volumes, the machines, the plan, and what is made of it all.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::mpsc::{self, Receiver, Sender};
use std::thread;
use std::time::{Duration, Instant, SystemTime};

use kdev_volumes::Pool;

use crate::args::{Args, KeepArg};
use crate::course::allowed::{Allowed, Stop};
use crate::course::asked::Asked;
use crate::course::boot::Setup;
use crate::course::report::{Report, Reporter};
use crate::course::shard::{Course, Done, NoPlan, Shard};
use crate::error::Error;
use crate::results::check_args::CheckArgs;
use crate::results::outcome::{Outcome, TestResult};
use crate::results::split::{of_share, split};
use crate::results::test_name::TestName;
use crate::results::xunit::Planned;
use crate::volumes::{self, Disks, Lay, Volumes};

/// A run that is over.
#[derive(Debug)]
pub(crate) struct Run {
    pub(crate) results: RunResults,
    pub(crate) dir: PathBuf,
}

/// Runs what the arguments ask for, and tells of it while it runs.
pub(crate) fn run(args: &Args, teller: &mut Teller, stop: &Stop) -> Result<Run, Error> {
    let began = Instant::now();
    let started = SystemTime::now();
    let check = CheckArgs::parse(&args.check)?;
    let setup = Setup::prepare(args)?;
    let asked = Asked::in_tree(&setup.fstests);
    let dir = make_run_dir(&args.results.results)?;
    let selection = with_excludes(&check, &args.fstests.exclude)?;
    let last = last_times(args);
    setup.notes().iter().for_each(|note| teller.tell(&Told::Note { text: note }));

    let named = named_tests(&check, &selection, &setup.fstests);
    let wanted = match &named {
        Some(tests) => args.course.shards.min(u32::try_from(tests.len()).unwrap_or(u32::MAX)),
        None => args.course.shards,
    };
    let volumes = take_volumes(args, wanted.max(1), teller)?;
    let allowed = Allowed {
        stop: stop.clone(),
        until: args.limits.limit.map(|limit| began + setup.scaled(limit)),
        whole: args.limits.limit.map(|limit| setup.scaled(limit)).unwrap_or_default(),
        boot: setup.scaled(args.limits.boot_limit),
        tests: Limits {
            floor: FLOOR.min(args.limits.test_limit),
            default: args.limits.test_limit,
            scale: setup.scale(),
        },
        last: Arc::clone(&last),
    };
    let course = Course {
        goes_on: args.course.go_on,
        repeat: args.course.repeat,
        retry_failed: args.course.retry_failed,
    };
    todo!()
}
