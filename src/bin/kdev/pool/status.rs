use std::collections::BTreeMap;
use std::process::ExitCode;
use std::time::Duration;

use clap::builder::RangedU64ValueParser;
use kdev_volumes::pools::{Activation, PoolStatus, Pools, Thin, VolumeStatus, WaiterStatus};
use kdev_volumes::{Bytes, Error};
use nix::unistd::{Uid, User};

use crate::look::Look;
use crate::paint::{Line, Paint};
use crate::pool::{bar, json, watch};
use crate::table::Table;

const STATUS_KEYS: &str = "\
With --json: one document, {\"pools\": [POOL...]}. Every key is always there, and null if nobody
knows. Later versions may add keys and verdicts.

  POOL
    name          the pool's name; `embedded` for loop devices, `images` for image files
    vg_name       its VG; null for loop devices and images
    size_bytes    the VG's room in all
    free_bytes    of that, what a new volume may take
    thin          null, or how full a thin pool is: THIN
    trouble       why the VG cannot be looked at
    foreign       names of LVs in the VG, or of images, that are not ours
    volumes       [VOLUME...]
    queue         [WAITER...], the first first

  THIN, of a pool whose size_bytes are what it may give out
    overcommit        how much more than it has that is
    data_bytes        what it has
    given_out_bytes   the sizes of its volumes together
    data_percent      how much of its data is written; null while it is not active
    metadata_percent  how much of its metadata is

  VOLUME
    lv_name       its name, by which `kdev pool cleanup --kept` takes it
    path          the device, or the image file
    size_bytes    null until it is made
    pool          the pool that it was taken from
    pid           the process that it was made for
    uid           the user whom that ran as
    host          the machine, as eight hexadecimal digits
    session       what the names of a test's volumes have in common
    test          the test
    attempt       which attempt at it, from 1 on, where nextest said so
    run_id        which run of nextest
    allocated_at  the time, in UTC: 2025-11-15T10:30:45
    age_seconds   how long ago that was
    verdict       alive, dead, kept, unknown, removing, stuck or gone
    why           why its owner is unknown, or who holds a stuck volume
    activation    active, or inactive if the LV has no device, as after a reboot; null for others
    kept          why it was kept: always, failed or asked

  WAITER, a test that waits for room
    pid             its process
    test            the test
    attempt         which attempt at it, from 1 on, where nextest said so
    want_bytes      what it wants
    pools           the pools of which any will do
    since           the time, in UTC: 2025-11-15T10:30:45
    waited_seconds  how long ago that was";

/// Show each pool's room and volumes, what is known of their owners, and who waits for room
///
/// Verdicts: alive; dead (the next cleanup removes it); kept; unknown (nothing proves its owner
/// dead, so it is left alone); removing (somebody is at it); stuck (dead, but something holds it);
/// gone (only a record is left). A volume that is inactive too has no device, as after a reboot:
/// `kdev pool start` activates those that are kept.
///
/// In the bar, `#` is held, `+` kept, `!` dead or stuck, `?` of unknown owners, `~` not ours, `.` free.
#[derive(Debug, clap::Args)]
#[command(after_long_help = STATUS_KEYS)]
pub(crate) struct StatusArgs {
    /// Only this pool; `embedded` for loop devices, `images` for image files
    #[arg(long)]
    pool: Option<String>,
    /// One JSON document, for programs; `--help` tells its keys
    #[arg(long)]
    json: bool,
    /// Show it again every so many seconds, until Ctrl-C; with --json, a document a line
    #[arg(
        long,
        value_name = "SECONDS",
        num_args = 0..=1,
        require_equals = true,
        default_missing_value = "2",
        value_parser = RangedU64ValueParser::<u64>::new().range(1..=86400)
    )]
    watch: Option<u64>,
}

pub(super) fn run(pools: &Pools, args: &StatusArgs, out: &mut Vec<u8>) -> Result<ExitCode, Error> {
    let look = Look::of_stdout();
    let status = || pools.status(args.pool.as_deref());
    if let Some(seconds) = args.watch {
        return watch::run(status, Duration::from_secs(seconds), args.json, look);
    }
    let found = status()?;
    match args.json {
        true => out.extend_from_slice(json::status(&found).as_bytes()),
        false => {
            for line in lines(&found) {
                out.extend_from_slice(line.text(look.colours).as_bytes());
            }
        }
    }
    Ok(ExitCode::SUCCESS)
}

/// What people are shown of these pools.
pub(super) fn lines(pools: &[PoolStatus]) -> Vec<Line> {
    if pools.is_empty() {
        return vec![Line::plain("no pool is set up, and no volume is on record")];
    }
    let mut lines = Vec::new();
    for pool in pools {
        if !lines.is_empty() {
            lines.push(Line::plain(""));
        }
        lines.extend(pool_lines(pool));
    }
    lines
}

fn pool_lines(pool: &PoolStatus) -> Vec<Line> {
    let mut text = format!("pool `{}`", pool.name);
    if let Some(vg_name) = &pool.vg_name {
        text.push_str(&format!(", VG `{vg_name}`"));
    }
    if let Some((size, free)) = pool.room {
        text.push_str(&format!(": {free} of {size} free"));
    }
    let mut lines = vec![Line::painted(&text, Paint::Bold)];
    if let Some(thin) = &pool.thin {
        lines.push(thin_line(thin));
    }
    if let Some((size, free)) = pool.room {
        // At its limit it gives nothing out, and yet nobody has taken the rest.
        let free = pool.thin.map_or(free, |thin| {
            Bytes::new(size.get().saturating_sub(thin.given_out.get()))
        });
        let volumes = pool.volumes.iter();
        let volumes = volumes.filter_map(|volume| Some((volume.verdict, volume.size?)));
        lines.push(bar::bar(size, free, volumes));
    }
    if let Some(trouble) = &pool.trouble {
        lines.push(Line::painted(
            &format!("  cannot be looked at: {trouble}"),
            Paint::Red,
        ));
    }
    if !pool.volumes.is_empty() {
        let mut table = Table::new(["VOLUME", "SIZE", "AGE", "USER", "PID", "VERDICT", "TEST"]);
        let mut users = Users::default();
        for volume in &pool.volumes {
            table.row(volume_row(volume, &mut users));
        }
        let paints = pool
            .volumes
            .iter()
            .map(|volume| Paint::of_verdict(volume.verdict));
        let paints = [Paint::Dim].into_iter().chain(paints);
        let rows = table.to_string();
        lines.extend(
            rows.lines()
                .zip(paints)
                .map(|(row, paint)| Line::painted(row, paint)),
        );
    }
    if pool
        .volumes
        .iter()
        .any(|volume| volume.verdict == "kept" && is_inactive(volume))
    {
        let start = format!(
            "kept volumes that are inactive have no device; `kdev pool start --pool={}` activates them",
            pool.name
        );
        lines.push(Line::plain(&start));
    }
    if !pool.queue.is_empty() {
        let mut table = Table::new(["WAITS FOR", "SINCE", "PID", "TEST"]);
        for waiter in &pool.queue {
            table.row(waiter_row(waiter));
        }
        lines.extend(table.to_string().lines().map(Line::plain));
    }
    for name in &pool.foreign {
        lines.push(Line::plain(&format!("not ours, and never touched: {name}")));
    }
    lines
}

fn is_inactive(volume: &VolumeStatus) -> bool {
    volume.activation == Some(Activation::Inactive)
}

fn thin_line(thin: &Thin) -> Line {
    let written = thin.data_percent.max(thin.metadata_percent);
    let paint = match written.unwrap_or(0) {
        0..80 => Paint::Plain,
        _ => Paint::Red,
    };
    Line::painted(&format!("  thin: {thin}"), paint)
}

fn volume_row(volume: &VolumeStatus, users: &mut Users) -> [String; 7] {
    let dash = || "-".to_owned();
    let mut verdict = volume.verdict.to_owned();
    if is_inactive(volume) {
        verdict.push_str(", inactive");
    }
    if let Some(why) = &volume.why {
        verdict.push_str(&format!(" ({why})"));
    }
    [
        volume.lv_name.clone(),
        volume.size.as_ref().map_or_else(dash, Bytes::to_string),
        volume.age.map_or_else(dash, age_text),
        volume.uid.map_or_else(dash, |uid| users.name(uid)),
        volume.pid.to_string(),
        verdict,
        volume
            .test
            .as_ref()
            .map_or_else(dash, |test| attempt_text(test, volume.attempt)),
    ]
}

/// The names of users, each of which is looked up once.
#[derive(Default)]
struct Users(BTreeMap<u32, String>);

impl Users {
    fn name(&mut self, uid: u32) -> String {
        let look_up = || {
            let user = User::from_uid(Uid::from_raw(uid)).ok().flatten();
            user.map_or_else(|| uid.to_string(), |user| user.name)
        };
        self.0.entry(uid).or_insert_with(look_up).clone()
    }
}

fn waiter_row(waiter: &WaiterStatus) -> [String; 4] {
    let dash = || "-".to_owned();
    let test = waiter.test.as_ref();
    [
        waiter.want.to_string(),
        waiter.waited.map_or_else(dash, age_text),
        waiter.pid.to_string(),
        test.map_or_else(dash, |test| attempt_text(test, waiter.attempt)),
    ]
}

/// The first attempt at a test is not worth a word.
fn attempt_text(test: &str, attempt: Option<u32>) -> String {
    match attempt {
        Some(attempt @ 2..) => format!("{test} #{attempt}"),
        _ => test.to_owned(),
    }
}

/// The two largest units are enough to tell a leak from a test that runs.
fn age_text(age: Duration) -> String {
    let seconds = age.as_secs();
    match seconds {
        0..60 => format!("{seconds}s"),
        60..3600 => format!("{}m{}s", seconds / 60, seconds % 60),
        3600..86400 => format!("{}h{}m", seconds / 3600, seconds / 60 % 60),
        _ => format!("{}d{}h", seconds / 86400, seconds / 3600 % 24),
    }
}
