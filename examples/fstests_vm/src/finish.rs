//! What is made of a run that is over: its files, its summary, and what becomes of its volumes.

use std::env;
use std::fs;
use std::path::Path;

use kdev_volumes::Bytes;

use crate::args::{Args, KeepArg};
use crate::course::{Done, Over, Telling, make_latest};
use crate::error::Error;
use crate::results::check_args::CheckArgs;
use crate::results::compare::{Comparison, compare};
use crate::results::junit::junit;
use crate::results::run::{self, RunEnd, RunResults};
use crate::results::summary::summary;
use crate::results::trouble::few;
use crate::results::verdict::RoundEnd;
use crate::volumes::Volumes;

/// Writes the results, tells them, and gives the volumes back or keeps them. Returns the exit status.
pub(crate) fn finish(
    args: &Args,
    check: &CheckArgs,
    baseline: Option<&RunResults>,
    over: Over,
    telling: &mut Telling,
) -> Result<u8, Error> {
    let results = results(args, check, &over);
    let comparison = baseline.map(|old| compare(old, &results));
    // The volumes' fate does not depend on what can be written, nor does what is told.
    let written = write(&over.dir, &results, comparison.as_ref());
    if written.is_ok() {
        make_latest(&over.dir);
    }
    telling.summary(&results, comparison.as_ref());
    let variable = env::var("KDEV_KEEP").ok();
    let fate = fate(
        args.volumes.keep_volumes,
        variable.as_deref(),
        results.exit_code(),
    );
    let settled: Vec<bool> = over
        .volumes
        .into_iter()
        .map(|volumes| settle(volumes, fate, telling))
        .collect();
    telling.note(&format!("results: {}", over.dir.display()));
    written?;
    match results.exit_code() {
        0 if settled.contains(&false) => Ok(1),
        code => Ok(code),
    }
}

/// Puts the parts of a run together that several hosts have run.
pub(crate) fn merge(args: &Args, telling: &mut Telling) -> Result<u8, Error> {
    let parts = args.results.merge.iter().map(|dir| RunResults::read(dir));
    let whole = crate::results::merge::merge(parts.collect::<Result<_, _>>()?)?;
    let baseline = baseline(args)?;
    let comparison = baseline.map(|old| compare(&old, &whole));
    let dir = crate::course::make_run_dir(&args.results.results, whole.started)?;
    write(&dir, &whole, comparison.as_ref())?;
    telling.summary(&whole, comparison.as_ref());
    telling.note(&format!("results: {}", dir.display()));
    Ok(whole.exit_code())
}

/// Reads the run that is compared with.
pub(crate) fn baseline(args: &Args) -> Result<Option<RunResults>, Error> {
    let baseline = args.results.baseline.as_deref().map(RunResults::read);
    Ok(baseline.transpose()?)
}

fn write(dir: &Path, results: &RunResults, comparison: Option<&Comparison>) -> Result<(), Error> {
    results.write(dir)?;
    let write = |name: &str, text: String| {
        let path = dir.join(name);
        fs::write(&path, text).map_err(|source| Error::Io {
            doing: "write",
            path,
            source,
        })
    };
    write("junit.xml", junit(results)?)?;
    write("summary.txt", summary(results, comparison) + "\n")
}

fn results(args: &Args, check: &CheckArgs, over: &Over) -> RunResults {
    let setup = &over.setup;
    let variable = |name: &str| {
        let found = setup.environment.iter().find(|(other, _)| other == name);
        found.map(|(_, value)| value.to_string_lossy().into_owned())
    };
    let volumes = over.volumes.iter().flat_map(Volumes::disks);
    let outside = over.shards.iter().flat_map(|shard| shard.outside.clone());
    RunResults {
        version: run::VERSION,
        id: over
            .dir
            .file_name()
            .unwrap_or_default()
            .to_string_lossy()
            .into_owned(),
        started: over.started,
        seconds: over.took.as_secs_f64(),
        kernel: run::Kernel {
            release: over.release.clone(),
            image: setup.kernel.image.clone(),
        },
        filesystem: run::Filesystem {
            kind: setup.filesystem.clone(),
            mkfs_options: variable("MKFS_OPTIONS"),
            mount_options: variable("MOUNT_OPTIONS"),
        },
        fstests: run::Fstests {
            directory: setup.fstests.clone(),
            version: setup.fstests_version.clone(),
        },
        machine: run::Machine {
            kind: setup.kind(),
            accelerator: setup.accelerator(),
            root: setup.root_name().to_owned(),
            memory_mib: setup.memory.get() >> 20,
            cpus: setup.cpus(),
        },
        pool: Some(over.pool.clone()),
        volumes: volumes
            .map(|disk| run::VolumeUsed {
                name: disk.role.clone(),
                path: disk.path.clone(),
                offset: disk.offset.map(Bytes::get),
                size: disk.size.get(),
            })
            .collect(),
        shards: u32::try_from(over.volumes.len()).unwrap_or(u32::MAX),
        share: args.course.shard,
        check_args: check.all(),
        end: end_of(&over.shards),
        troubles: few(outside.collect()),
        tests: over.tests.clone(),
    }
}

/// The worst of how the parts ended.
fn end_of(shards: &[Done]) -> RunEnd {
    let not_up = shards.iter().find_map(|shard| shard.not_up.as_ref());
    if let Some(not_up) = not_up {
        return not_up.as_end();
    }
    let ends = shards.iter().filter_map(|shard| shard.cut_short.clone());
    let mut worst = RunEnd::Complete;
    for end in ends {
        worst = match end {
            RoundEnd::Interrupted => return RunEnd::Interrupted,
            RoundEnd::OutOfTime { .. } if worst == RunEnd::Complete => RunEnd::OutOfTime,
            RoundEnd::OutOfTime { .. } | RoundEnd::Finished { .. } => worst,
            RoundEnd::Crashed { why } | RoundEnd::Died { why } => RunEnd::Crashed { why },
            RoundEnd::Hung { limit } => RunEnd::Crashed {
                why: format!("a test hung for more than {} s", limit.as_secs()),
            },
        };
    }
    worst
}

/// What becomes of volumes after a run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Fate {
    GivenBack,
    Kept,
    /// By the crate itself, when they are given back.
    KeptByVariable,
}

/// Decides what becomes of the volumes of a run that ends with this status.
///
/// `variable` is the crate's own `KDEV_KEEP`. By `failed` the crate keeps them only of a process that panics or dies,
/// and a run whose tests fail does neither.
fn fate(keep: Option<KeepArg>, variable: Option<&str>, code: u8) -> Fate {
    match (keep, code) {
        (Some(KeepArg::Always), _) | (Some(KeepArg::Failed), 1..) => Fate::Kept,
        _ if matches!(variable, Some("1" | "always")) => Fate::KeptByVariable,
        (Some(KeepArg::Failed), 0) | (None, _) => Fate::GivenBack,
    }
}

/// Gives volumes back, or keeps them and says how to look at them. Tells whether that could be done.
fn settle(volumes: Volumes, fate: Fate, telling: &mut Telling) -> bool {
    let how = volumes.how_to_look();
    let are_lvs = volumes.are_lvs();
    let (done, doing) = match fate {
        Fate::GivenBack => (volumes.close(), "given back"),
        Fate::KeptByVariable => (volumes.close(), "kept"),
        Fate::Kept => (volumes.keep(), "kept"),
    };
    if let Err(err) = done {
        let err = err.chain();
        telling.note(&format!(
            "the volumes cannot be {doing}: {err} (try `kdev pool cleanup`)"
        ));
        return false;
    }
    if fate != Fate::GivenBack {
        telling.note("the volumes are kept; on this host, as root:");
        how.iter().for_each(|how| telling.note(&format!("  {how}")));
        telling.note("and to give them back: kdev pool cleanup --kept");
        if are_lvs {
            telling.note("after a reboot, to activate them: kdev pool start");
        }
    }
    true
}

#[cfg(test)]
#[path = "finish_tests.rs"]
mod tests;
