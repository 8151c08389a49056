//! What `kdev pool status --json` prints. The keys are a promise: programs read them.

use kdev_volumes::Bytes;
use kdev_volumes::pools::{Activation, PoolStatus, Thin, VolumeStatus, WaiterStatus};
use serde::Serialize;

#[derive(Serialize)]
struct Document<'a> {
    pools: Vec<Pool<'a>>,
}

#[derive(Serialize)]
struct Pool<'a> {
    name: &'a str,
    vg_name: Option<&'a str>,
    size_bytes: Option<u64>,
    free_bytes: Option<u64>,
    thin: Option<ThinPool>,
    trouble: Option<&'a str>,
    foreign: &'a [String],
    volumes: Vec<Volume<'a>>,
    queue: Vec<Waiter<'a>>,
}

#[derive(Serialize)]
struct ThinPool {
    overcommit: u8,
    data_bytes: u64,
    given_out_bytes: u64,
    data_percent: Option<u8>,
    metadata_percent: Option<u8>,
}

#[derive(Serialize)]
struct Volume<'a> {
    lv_name: &'a str,
    /// JSON has text only; what is none is shown as well as it can be.
    path: String,
    size_bytes: Option<u64>,
    pool: &'a str,
    pid: u32,
    uid: Option<u32>,
    host: Option<&'a str>,
    session: &'a str,
    test: Option<&'a str>,
    attempt: Option<u32>,
    run_id: Option<&'a str>,
    allocated_at: Option<&'a str>,
    age_seconds: Option<u64>,
    verdict: &'a str,
    why: Option<&'a str>,
    activation: Option<String>,
    kept: Option<&'a str>,
}

#[derive(Serialize)]
struct Waiter<'a> {
    pid: u32,
    test: Option<&'a str>,
    attempt: Option<u32>,
    want_bytes: u64,
    pools: &'a [String],
    since: &'a str,
    waited_seconds: Option<u64>,
}

/// Writes the status of pools as one JSON document.
pub(crate) fn status(pools: &[PoolStatus]) -> String {
    let text = serde_json::to_string_pretty(&document(pools));
    text.expect("it has string keys and plain values only") + "\n"
}

/// Does so on one line.
pub(crate) fn status_line(pools: &[PoolStatus]) -> String {
    let text = serde_json::to_string(&document(pools));
    text.expect("it has string keys and plain values only") + "\n"
}

fn document(pools: &[PoolStatus]) -> Document<'_> {
    Document {
        pools: pools.iter().map(Pool::from).collect(),
    }
}

impl<'a> From<&'a PoolStatus> for Pool<'a> {
    fn from(status: &'a PoolStatus) -> Self {
        let room = status.room.as_ref();
        Self {
            name: &status.name,
            vg_name: status.vg_name.as_deref(),
            size_bytes: room.map(|(size, _)| size.get()),
            free_bytes: room.map(|(_, free)| free.get()),
            thin: status.thin.as_ref().map(ThinPool::from),
            trouble: status.trouble.as_deref(),
            foreign: &status.foreign,
            volumes: status
                .volumes
                .iter()
                .map(|volume| Volume::new(volume, &status.name))
                .collect(),
            queue: status.queue.iter().map(Waiter::from).collect(),
        }
    }
}

impl From<&Thin> for ThinPool {
    fn from(thin: &Thin) -> Self {
        Self {
            overcommit: thin.overcommit.get(),
            data_bytes: thin.size.get(),
            given_out_bytes: thin.given_out.get(),
            data_percent: thin.data_percent,
            metadata_percent: thin.metadata_percent,
        }
    }
}

impl<'a> From<&'a WaiterStatus> for Waiter<'a> {
    fn from(waiter: &'a WaiterStatus) -> Self {
        Self {
            pid: waiter.pid,
            test: waiter.test.as_deref(),
            attempt: waiter.attempt,
            want_bytes: waiter.want.get(),
            pools: &waiter.pools,
            since: &waiter.since,
            waited_seconds: waiter.waited.map(|waited| waited.as_secs()),
        }
    }
}

impl<'a> Volume<'a> {
    /// `pool` is where the volume was found; its record knows better where it came from.
    fn new(status: &'a VolumeStatus, pool: &'a str) -> Self {
        Self {
            lv_name: &status.lv_name,
            path: status.path.display().to_string(),
            size_bytes: status.size.map(Bytes::get),
            pool: status.pool.as_deref().unwrap_or(pool),
            pid: status.pid,
            uid: status.uid,
            host: status.host.as_deref(),
            session: &status.session,
            test: status.test.as_deref(),
            attempt: status.attempt,
            run_id: status.run_id.as_deref(),
            allocated_at: status.allocated_at.as_deref(),
            age_seconds: status.age.map(|age| age.as_secs()),
            verdict: status.verdict,
            why: status.why.as_deref(),
            activation: status.activation.as_ref().map(Activation::to_string),
            kept: status.kept.as_deref(),
        }
    }
}
