//! What the other rooms tell. None of it can fail.

use std::process;
use std::time::Duration;

use kdev_volumes_spec::Bytes;

use crate::backend::Named;
use crate::clock;
use crate::error::Error;
use crate::events::event::{Event, LoggedVolume, Occasion, WaitEnd, Was, What};
use crate::events::log::append;
use crate::pool::Pool;
use crate::request::Request;
use crate::session_id::SessionId;
use crate::source::Source;
use crate::state::Record;
use crate::state_dir::StateDir;

/// How much of a name or a reason is written: the whole line is one write.
const LONGEST: usize = 500;

/// Tells that a session has its volumes.
pub(crate) fn allocated(
    source: &Source,
    request: &Request,
    session: &SessionId,
    volumes: &[Named],
    took: Duration,
) {
    let what = What::Allocated {
        volumes: logged(volumes),
        took_ms: millis(took),
    };
    tell(
        (source.state().dir(), source.name()),
        request,
        Some(session),
        what,
    );
}

/// Tells that a session could not be had; of several pools that were asked, the names as they were given.
pub(crate) fn failed(pool: &Pool, request: &Request, wanted: Bytes, took: Duration, why: &Error) {
    let what = What::Failed {
        wanted_bytes: wanted.get(),
        took_ms: millis(took),
        why: cut(&why.chain()),
    };
    tell((pool.state().dir(), pool.name()), request, None, what);
}

/// Tells that somebody waited for room, and how that ended: in the pool `from`, or in vain.
pub(crate) fn waited(pool: &Pool, request: &Request, wanted: Bytes, took: Duration, from: Option<&str>) {
    let what = What::Waited {
        wanted_bytes: wanted.get(),
        took_ms: millis(took),
        ended: from.map_or(WaitEnd::InVain, |_| WaitEnd::Room),
    };
    let name = from.unwrap_or(pool.name());
    tell((pool.state().dir(), name), request, None, what);
}

/// Tells that their owner gave volumes back, and of those that it could not.
pub(crate) fn released(
    dir: &StateDir,
    record: &Record,
    gone: &[&Named],
    left: Option<(&[&Named], String)>,
    held: Duration,
    took: Duration,
) {
    let gone = (!gone.is_empty()).then(|| What::Released {
        volumes: logged(gone.iter().copied()),
        held_ms: millis(held),
        took_ms: millis(took),
    });
    let left = left.map(|(volumes, why)| What::Stuck {
        volumes: logged(volumes.iter().copied()),
        held_ms: millis(held),
        why: cut(&why),
    });
    let events: Vec<Event> = [gone, left]
        .into_iter()
        .flatten()
        .map(|what| of_record(record, what))
        .collect();
    append(dir, &events);
}

/// Tells that their owner keeps volumes.
pub(crate) fn kept(dir: &StateDir, record: &Record, volumes: &[&Named], held: Duration, why: &str) {
    let what = What::Kept {
        volumes: logged(volumes.iter().copied()),
        held_ms: millis(held),
        why: why.to_owned(),
    };
    append(dir, &[of_record(record, what)]);
}

/// Tells that volumes of one session were removed that were nobody's any more. `pool` is where they were,
/// should no record tell.
pub(crate) fn reaped<'a>(
    dir: &StateDir,
    (session, pool, record): (&SessionId, &str, Option<&Record>),
    volumes: impl IntoIterator<Item = &'a Named>,
    occasion: Occasion,
    was: Was,
) {
    let what = What::Reaped {
        volumes: logged(volumes),
        occasion,
        was,
    };
    let event = Event {
        session: Some(session.to_string()),
        test: record.and_then(|record| record.test.as_deref()).map(cut),
        attempt: record.and_then(|record| record.attempt),
        ..event(record.map_or(pool, |record| record.pool_name.as_str()), what)
    };
    append(dir, &[event]);
}

/// Tells that a volume has become one of another size.
pub(crate) fn resized(dir: &StateDir, record: &Record, from: Bytes) {
    let what = What::Resized {
        volumes: logged([&Named::on_record(record)]),
        from_bytes: from.get(),
    };
    append(dir, &[of_record(record, what)]);
}

/// Tells that a volume was made that is what another one was.
pub(crate) fn snapshot(dir: &StateDir, record: &Record, of: &str) {
    let what = What::Snapshot {
        volumes: logged([&Named::on_record(record)]),
        of: of.to_owned(),
    };
    append(dir, &[of_record(record, what)]);
}

fn tell((dir, pool): (&StateDir, &str), request: &Request, session: Option<&SessionId>, what: What) {
    let event = Event {
        session: session.map(SessionId::to_string),
        test: request.test.as_deref().map(cut),
        attempt: request.attempt,
        ..event(pool, what)
    };
    append(dir, &[event]);
}

fn of_record(record: &Record, what: What) -> Event {
    Event {
        session: record.session().map(|session| session.to_string()),
        test: record.test.as_deref().map(cut),
        attempt: record.attempt,
        ..event(&record.pool_name, what)
    }
}

fn event(pool: &str, what: What) -> Event {
    Event {
        at: clock::exact(),
        pid: process::id(),
        pool: pool.to_owned(),
        session: None,
        test: None,
        attempt: None,
        what,
    }
}

fn logged<'a>(volumes: impl IntoIterator<Item = &'a Named>) -> Vec<LoggedVolume> {
    volumes.into_iter().map(LoggedVolume::from).collect()
}

fn millis(time: Duration) -> u64 {
    u64::try_from(time.as_millis()).unwrap_or(u64::MAX)
}

fn cut(text: &str) -> String {
    text.chars().take(LONGEST).collect()
}
