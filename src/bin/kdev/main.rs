//! The command `kdev`: sets device pools up, shows them, cleans them, takes them down; plans who fits.

mod args;
mod json;
mod plan;
mod table;

use std::io::{self, ErrorKind, Write};
use std::process::ExitCode;
use std::time::Duration;

use clap::Parser;
use kdev_volumes::pools::{Cleaned, Kept, NewPool, PoolStatus, Pools, StuckVolume, VolumeStatus};
use kdev_volumes::{Bytes, Error};

use args::{Args, Command, PoolCommand};
use table::Table;

/// `EX_UNAVAILABLE` of sysexits(3): this host lacks what is needed.
const HOST_CANNOT: u8 = 69;

fn main() -> ExitCode {
    let Args { command } = Args::parse();
    let mut out = Vec::new();
    let done = match command {
        Command::Pool { command } => run(command, &mut out),
        Command::Plan(args) => plan::run(args, &mut out),
    };
    let code = match done {
        Ok(code) => code,
        Err(err) => {
            eprintln!("kdev: {}", err.chain());
            exit_code(&err)
        }
    };
    match io::stdout().write_all(&out) {
        Ok(()) => code,
        // Whoever reads has read enough.
        Err(err) if err.kind() == ErrorKind::BrokenPipe => code,
        Err(err) => {
            eprintln!("kdev: could not write to standard output: {err}");
            ExitCode::FAILURE
        }
    }
}

fn exit_code(err: &Error) -> ExitCode {
    match err {
        Error::NotRoot { .. }
        | Error::NotInstalled { .. }
        | Error::NoNextest
        | Error::NoDeviceMapper
        | Error::NoLoop { .. } => ExitCode::from(HOST_CANNOT),
        _ => ExitCode::FAILURE,
    }
}

fn run(command: PoolCommand, out: &mut Vec<u8>) -> Result<ExitCode, Error> {
    let pools = Pools::from_env()?;
    let text = match command {
        PoolCommand::Setup {
            device,
            pool,
            vg_name,
            lv_prefix,
        } => {
            let made = pools.setup(&NewPool {
                name: pool,
                device,
                vg_name,
                lv_prefix,
            })?;
            format!(
                "pool `{}` is set up: VG `{}` on {}\nuse it with `export KERNELDEV_DEVICE_POOL={}`\n",
                made.name,
                made.vg_name,
                made.device.display(),
                made.name
            )
        }
        PoolCommand::List => list(&pools)?,
        PoolCommand::Status { pool, json } => {
            let found = pools.status(pool.as_deref())?;
            match json {
                true => json::status(&found),
                false => status(&found),
            }
        }
        PoolCommand::Cleanup {
            pool,
            kept,
            older_than,
            names,
        } => {
            let which = match (kept, older_than) {
                (false, _) => Kept::Stay,
                (true, Some(age)) => Kept::GoOlderThan(age),
                (true, None) if names.is_empty() => Kept::Go,
                (true, None) => Kept::GoNamed(names.clone()),
            };
            let cleaned = pools.cleanup(pool.as_deref(), &which)?;
            let missed: Vec<&String> = names.iter().filter(|name| !found(&cleaned, name)).collect();
            for name in &missed {
                eprintln!(
                    "kdev: `{name}` was not removed: no kept volume has that name (see `kdev pool status`)"
                );
            }
            for StuckVolume {
                lv_name, path, why, ..
            } in &cleaned.stuck
            {
                eprintln!(
                    "kdev: could not remove `{lv_name}` ({}): {why}; it stays on record",
                    path.display()
                );
            }
            for failure in &cleaned.failures {
                eprintln!("kdev: {failure}");
            }
            out.extend_from_slice(said_of(&cleaned).as_bytes());
            let failed = !cleaned.stuck.is_empty() || !cleaned.failures.is_empty() || !missed.is_empty();
            return Ok(if failed {
                ExitCode::FAILURE
            } else {
                ExitCode::SUCCESS
            });
        }
        PoolCommand::Teardown { pool } => {
            let gone = pools.teardown(&pool)?;
            format!(
                "pool `{}` is gone, and {} is blank\n",
                gone.name,
                gone.device.display()
            )
        }
    };
    out.extend_from_slice(text.as_bytes());
    Ok(ExitCode::SUCCESS)
}

fn found(cleaned: &Cleaned, name: &str) -> bool {
    let Cleaned {
        removed,
        forgotten,
        stuck,
        ..
    } = cleaned;
    removed.iter().chain(forgotten).any(|done| done == name)
        || stuck.iter().any(|stuck| stuck.lv_name == name)
}

fn list(pools: &Pools) -> Result<String, Error> {
    let list = pools.list()?;
    if list.is_empty() {
        return Ok("no pool is set up (make one with `kdev pool setup --device=DEVICE`)\n".to_owned());
    }
    let mut table = Table::new(["POOL", "DEVICE", "VG", "LV PREFIX", "CREATED", "BY"]);
    for pool in list {
        let device = pool.device.display().to_string();
        table.row([
            pool.name,
            device,
            pool.vg_name,
            pool.lv_prefix,
            pool.created_at,
            pool.created_by,
        ]);
    }
    Ok(table.to_string())
}

fn status(pools: &[PoolStatus]) -> String {
    if pools.is_empty() {
        return "no pool is set up, and no volume is on record\n".to_owned();
    }
    let parts: Vec<String> = pools.iter().map(pool_status).collect();
    parts.join("\n")
}

fn pool_status(pool: &PoolStatus) -> String {
    let mut text = format!("pool `{}`", pool.name);
    if let Some(vg_name) = &pool.vg_name {
        text.push_str(&format!(", VG `{vg_name}`"));
    }
    if let Some((size, free)) = pool.room {
        text.push_str(&format!(": {free} of {size} free"));
    }
    text.push('\n');
    if let Some(trouble) = &pool.trouble {
        text.push_str(&format!("  cannot be looked at: {trouble}\n"));
    }
    if !pool.volumes.is_empty() {
        let mut table = Table::new(["VOLUME", "SIZE", "AGE", "PID", "VERDICT", "TEST"]);
        for volume in &pool.volumes {
            table.row(volume_row(volume));
        }
        text.push_str(&table.to_string());
    }
    for name in &pool.foreign {
        text.push_str(&format!("not ours, and never touched: {name}\n"));
    }
    text
}

fn volume_row(volume: &VolumeStatus) -> [String; 6] {
    let dash = || "-".to_owned();
    let verdict = match &volume.why {
        Some(why) => format!("{} ({why})", volume.verdict),
        None => volume.verdict.to_owned(),
    };
    [
        volume.lv_name.clone(),
        volume.size.as_ref().map_or_else(dash, Bytes::to_string),
        volume.age.map_or_else(dash, age_text),
        volume.pid.to_string(),
        verdict,
        volume
            .test
            .as_ref()
            .map_or_else(dash, |test| attempt_text(test, volume.attempt)),
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

fn said_of(cleaned: &Cleaned) -> String {
    let mut text = String::new();
    for name in &cleaned.removed {
        text.push_str(&format!("removed {name}\n"));
    }
    for name in &cleaned.forgotten {
        text.push_str(&format!("dropped the record of {name}, which is gone\n"));
    }
    let is_nothing = text.is_empty() && cleaned.stuck.is_empty() && cleaned.failures.is_empty();
    match is_nothing {
        true => "nothing to clean up\n".to_owned(),
        false => text,
    }
}
