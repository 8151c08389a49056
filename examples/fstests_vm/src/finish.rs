//! What is made of a run that is over: its files, its summary, and what becomes of its volumes.

use std::fs;
use std::path::Path;

use crate::args::{Args, KeepArg};
use crate::course::{Over, Telling, make_latest};
use crate::error::Error;
use crate::results::check_args::CheckArgs;
use crate::results::compare::{Comparison, compare};
use crate::results::junit::junit;
use crate::results::run::{self, RunEnd, RunResults};
use crate::results::summary::summary;
use crate::results::verdict::RoundEnd;
use crate::volumes::Volumes;

/// Writes the results, tells them, and gives the volumes back or keeps them. Returns the exit status.
pub(crate) fn finish(
    args: &Args,
    check: &CheckArgs,
    over: Over,
    baseline: Option<&RunResults>,
    telling: &mut Telling,
) -> Result<u8, Error> {
    let results = results(args, check, &over);
    // The volumes' fate does not depend on what can be written.
    let written = write(&over.dir, &results, None);
    let code = results.exit_code();
    settle(args, over.volumes, code, telling);
    written?;
    make_latest(&over.dir);
    let comparison = baseline.map(|old| compare(old, &results));
    write(&over.dir, &results, comparison.as_ref())?;
    telling.summary(&results, comparison.as_ref());
    telling.note(&format!("results: {}", over.dir.display()));
    Ok(code)
}

/// Puts the parts of a run together that several hosts have run.
pub(crate) fn merge(args: &Args, baseline: Option<&RunResults>, telling: &mut Telling) -> Result<u8, Error> {
    let parts = args.results.merge.iter().map(|dir| RunResults::read(dir));
    let whole = crate::results::merge::merge(parts.collect::<Result<_, _>>()?)?;
    let comparison = baseline.map(|old| compare(old, &whole));
    let dir = crate::course::make_run_dir(&args.results.results, whole.started)?;
    write(&dir, &whole, comparison.as_ref())?;
    telling.summary(&whole, comparison.as_ref());
    telling.note(&format!("results: {}", dir.display()));
    Ok(whole.exit_code())
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
    RunResults {
        version: run::VERSION,
        id: over.dir.file_name().unwrap_or_default().to_string_lossy().into_owned(),
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
                size: disk.size.get(),
            })
            .collect(),
        shards: u32::try_from(over.volumes.len()).unwrap_or(u32::MAX),
        share: args.course.shard,
        check_args: check.all(),
        end: end_of(over),
        troubles: over.shards.iter().flat_map(|shard| shard.outside.clone()).collect(),
        tests: over.tests.clone(),
    }
}

/// The worst of how the parts ended.
fn end_of(over: &Over) -> RunEnd {
    let not_up = over.shards.iter().find_map(|shard| shard.not_up.as_ref());
    if let Some(not_up) = not_up {
        return not_up.as_end();
    }
    let ends = over.shards.iter().filter_map(|shard| shard.cut_short.clone());
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

/// Gives the volumes back, or keeps them and says how to look at them.
fn settle(args: &Args, volumes: Vec<Volumes>, code: u8, telling: &mut Telling) {
    let keeps = match args.volumes.keep_volumes {
        None => false,
        Some(KeepArg::Always) => true,
        Some(KeepArg::Failed) => code != 0,
    };
    for volumes in volumes {
        match keeps {
            true => match volumes.keep() {
                Ok(how) => {
                    telling.note("the volumes are kept; on this host, as root:");
                    how.iter().for_each(|how| telling.note(&format!("  {how}")));
                    telling.note("and to give them back: kdev pool cleanup --kept");
                }
                Err(err) => telling.note(&format!("the volumes cannot be kept: {}", err.chain())),
            },
            false => {
                if let Err(err) = volumes.close() {
                    telling.note(&format!("the volumes cannot be given back: {}", err.chain()));
                }
            }
        }
    }
}
