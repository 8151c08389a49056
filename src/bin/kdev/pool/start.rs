use std::process::ExitCode;

use kdev_volumes::Error;
use kdev_volumes::pools::{Pools, StartStep, Started};

/// Start pools, as is needed after each boot: attach files, activate thin pools and kept volumes
///
/// A file that does not hold the pool's PV, or to which others than root may write, is refused. What is
/// started already stays as it is. If a pool cannot be started, the others are.
#[derive(Debug, clap::Args)]
pub(crate) struct StartArgs {
    /// Only this pool
    #[arg(long)]
    pool: Option<String>,
}

pub(super) fn run(pools: &Pools, args: &StartArgs, out: &mut Vec<u8>) -> Result<ExitCode, Error> {
    let names = match &args.pool {
        Some(pool) => vec![pool.clone()],
        None => pools.list()?.into_iter().map(|pool| pool.name).collect(),
    };
    let mut code = ExitCode::SUCCESS;
    for name in &names {
        let started = match pools.start(Some(name)) {
            Ok(started) => started,
            Err(err) if args.pool.is_some() => return Err(err),
            Err(err) => {
                eprintln!("kdev: pool `{name}` is not started: {}", err.chain());
                code = ExitCode::FAILURE;
                continue;
            }
        };
        for pool in &started {
            out.extend_from_slice(text(pool).as_bytes());
            for failure in &pool.failures {
                eprintln!("kdev: {failure}");
                code = ExitCode::FAILURE;
            }
        }
    }
    if names.is_empty() {
        // An interrupted setup is finished.
        pools.start(None)?;
        out.extend_from_slice(b"nothing to start: no pool is set up\n");
    }
    Ok(code)
}

fn text(pool: &Started) -> String {
    let Started { name, device, .. } = pool;
    let device = device.display();
    let place = match &pool.file {
        Some(file) => format!("{} on {device}", file.display()),
        None => device.to_string(),
    };
    if pool.steps.is_empty() && pool.failures.is_empty() {
        return format!("pool `{name}` was started already: {place}\n");
    }
    let mut text = format!("pool `{name}` is started: {place}\n");
    for step in &pool.steps {
        match step {
            StartStep::ThinPool => text.push_str("  activated its thin pool\n"),
            StartStep::Volume { path, .. } => {
                text.push_str(&format!("  activated {} (kept)\n", path.display()));
            }
            _ => {}
        }
    }
    text
}
