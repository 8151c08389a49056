//! `kdev metrics`: what has happened to volumes, in figures, for people, programs, Prometheus and browsers.

mod html;
mod json;
mod prometheus;
mod text;

use std::fs::Permissions;
use std::io::{self, Write};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::Duration;

use clap::ValueEnum;
use kdev_volumes::Error;
use kdev_volumes::metrics::{By, Metrics, Scope};
use kdev_volumes::pools::Pools;

const KEYS: &str = "\
With --json: one document, {\"from\", \"until\", \"unreadable_lines\", \"by\", \"all\": FIGURES,
\"groups\": [{\"name\", FIGURES...}...]}. Times of day are in UTC. Later versions may add keys.

  FIGURES
    sessions        that got their volumes
    volumes         of these sessions, and snapshots of them
    size_bytes      of these, together, as they were made
    failures        sessions that could not be had
    released        volumes that their owners gave back
    kept            volumes that their owners kept
    stuck           volumes that their owners could not give back
    leaked          volumes that had to be reaped, in all
    reaped          of these, by whom: watchdog, constructor, full_pool, cleanup
    forgotten       records of dead owners whose volumes the kernel had taken back already
    kept_removed    kept volumes that were removed
    making          how long it took to make a session's volumes, or null: count, median_ms,
                    p99_ms, longest_ms
    held            how long volumes were held, in the same way
    waits           how long tests waited for room, in the same way
    waits_in_vain   how many of these did not get it
    peak_volumes    at once at most
    peak_bytes      at once at most

With --prometheus: all are gauges, since the log forgets; `kdev_pool_*` and `kdev_volumes` tell what
is there now.";

/// Show what has happened to volumes: how many, how large, how long, and what leaked
///
/// Each allocation, release, wait, failure and reaping is a line of `events.jsonl` in the state
/// directory. That file is set aside at 4 MiB, as `events.jsonl.1`, so that the figures go back some ten
/// thousand sessions.
#[derive(Debug, clap::Args)]
#[command(after_long_help = KEYS)]
pub(crate) struct MetricsArgs {
    /// Only what happened so long ago or less, such as 12h or 7d
    #[arg(long, value_name = "AGE", value_parser = humantime::parse_duration)]
    since: Option<Duration>,
    /// Only this pool; `embedded` for loop devices, `images` for image files
    #[arg(long)]
    pool: Option<String>,
    /// What to count by
    #[arg(long, value_enum, default_value_t, conflicts_with_all = ["prometheus", "html"])]
    by: ByArg,
    /// One JSON document, for programs; `--help` tells its keys
    #[arg(long, conflicts_with_all = ["prometheus", "html"])]
    json: bool,
    /// In the text format of Prometheus; to a FILE for the textfile collector of node_exporter
    #[arg(long, value_name = "FILE", num_args = 0..=1, require_equals = true, conflicts_with = "html")]
    prometheus: Option<Option<PathBuf>>,
    /// Write a page with a timeline of who held what when, for a browser; it needs nothing else
    #[arg(long, value_name = "FILE")]
    html: Option<PathBuf>,
}

#[derive(Clone, Copy, Debug, Default, ValueEnum)]
enum ByArg {
    /// By pool
    #[default]
    Pool,
    /// By test
    Test,
    /// By day, in UTC
    Day,
}

pub(crate) fn run(args: &MetricsArgs, out: &mut Vec<u8>) -> Result<ExitCode, Error> {
    let scope = Scope {
        since: args.since,
        pool: args.pool.clone(),
    };
    let metrics = Metrics::read(&scope)?;
    let (by, name) = match args.by {
        ByArg::Pool => (By::Pool, "pool"),
        ByArg::Test => (By::Test, "test"),
        ByArg::Day => (By::Day, "day"),
    };
    if let Some(file) = &args.html {
        write_by_rename(file, &html::page(&metrics))?;
        out.extend_from_slice(format!("wrote `{}`\n", file.display()).as_bytes());
    } else if let Some(file) = &args.prometheus {
        let pools = match Pools::from_env()?.status(args.pool.as_deref()) {
            // It may be gone, and the log still tell of it.
            Err(Error::NoPool { .. }) => Vec::new(),
            found => found?,
        };
        let text = prometheus::text(&metrics, &pools);
        match file {
            Some(file) => write_by_rename(file, &text)?,
            None => out.extend_from_slice(text.as_bytes()),
        }
    } else {
        let text = match args.json {
            true => json::document(&metrics, by, name),
            false => text::tables(&metrics, by, name),
        };
        out.extend_from_slice(text.as_bytes());
    }
    Ok(ExitCode::SUCCESS)
}

/// Whoever reads finds the old file or the new one, and may be another user: neither page nor figures are
/// secret to those who may look into the directory.
fn write_by_rename(file: &Path, text: &str) -> Result<(), Error> {
    let directory = match file.parent() {
        Some(above) if !above.as_os_str().is_empty() => above,
        _ => Path::new("."),
    };
    let write = || -> io::Result<()> {
        let mut new = tempfile::Builder::new().prefix(".kdev-").tempfile_in(directory)?;
        new.write_all(text.as_bytes())?;
        new.as_file().set_permissions(Permissions::from_mode(0o644))?;
        new.persist(file)?;
        Ok(())
    };
    write().map_err(|source| Error::Io {
        doing: "write",
        path: file.to_owned(),
        source,
    })
}
