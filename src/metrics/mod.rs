//! What has happened to volumes, in figures: what `kdev metrics` shows.

mod figures;
mod group;
mod history;
mod peak;
mod spread;
#[cfg(test)]
mod told;
mod volume;

use std::time::{Duration, SystemTime};

pub use figures::Figures;
pub use group::By;
pub use history::{Held, HowEnded};
pub use spread::Spread;
pub use volume::HeldVolume;

use crate::error::Result;
use crate::events::{self, Event, Log};
use crate::lease::Lease;
use crate::liveness::LeaseState;
use crate::metrics::history::OnRecord;
use crate::session_id::SessionId;
use crate::state::State;
use crate::state_dir::StateDir;

/// Of what figures are wanted.
///
/// ```no_run
/// use std::time::Duration;
/// use kdev_volumes::metrics::{Metrics, Scope};
///
/// let week = Duration::from_secs(7 * 24 * 3600);
/// let scope = Scope { since: Some(week), pool: Some("default".into()) };
/// let metrics = Metrics::read(&scope)?;
/// # Ok::<(), kdev_volumes::Error>(())
/// ```
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Scope {
    /// Only what happened so long ago, or less; `None` for as far back as the log goes.
    pub since: Option<Duration>,
    /// Only this pool.
    pub pool: Option<String>,
}

/// What the log of events tells, with the records of what is there now.
///
/// ```no_run
/// use kdev_volumes::metrics::{By, Metrics, Scope};
///
/// for (pool, figures) in Metrics::read(&Scope::default())?.by(By::Pool) {
///     println!("{pool}: {} sessions, at most {} at once", figures.sessions, figures.peak_bytes);
/// }
/// # Ok::<(), kdev_volumes::Error>(())
/// ```
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Metrics {
    /// Since when: the beginning of the log, or of the time asked for; `None` if there is no event.
    pub from: Option<SystemTime>,
    /// Until when: the time at which the log was read.
    pub until: SystemTime,
    /// How many lines of the log could not be read.
    pub unreadable: u64,
    /// The sessions that held something in that time, by when they began.
    pub sessions: Vec<Held>,
    events: Vec<Event>,
}

impl Metrics {
    /// Reads the log in `KDEV_STATE_DIR`, else `~/.kerneldev-mcp`, and the records beside it. No pool is
    /// looked at.
    ///
    /// ```no_run
    /// # use kdev_volumes::metrics::{Metrics, Scope};
    /// let leaked = Metrics::read(&Scope::default())?.all().leaked();
    /// # Ok::<(), kdev_volumes::Error>(())
    /// ```
    ///
    /// # Errors
    ///
    /// If one of the files cannot be read. A line of the log that cannot is counted.
    pub fn read(scope: &Scope) -> Result<Self> {
        let state = State::new(StateDir::from_env()?);
        // The log first: what ends in between has an end on record, or none in either.
        let log = events::read(state.dir())?;
        let records = state.snapshot()?;
        let is_nobodys = |session: &SessionId| Lease::probe(state.dir(), session).0 != LeaseState::Held;
        let kept = records.iter().filter(|record| record.is_kept());
        let kept = kept.filter_map(|record| record.session().filter(is_nobodys));
        let on_record = OnRecord {
            names: records.iter().map(|record| record.lv_name.clone()).collect(),
            kept: kept.map(|session| session.to_string()).collect(),
        };
        Ok(Self::of(log, &on_record, scope, SystemTime::now()))
    }

    fn of(log: Log, on_record: &OnRecord, scope: &Scope, now: SystemTime) -> Self {
        let Log {
            mut events,
            unreadable,
        } = log;
        if let Some(pool) = &scope.pool {
            events.retain(|event| event.pool == *pool);
        }
        let mut sessions = history::history(&events, on_record);
        let from = match scope.since {
            Some(since) => now.checked_sub(since),
            None => events.iter().filter_map(history::time).min(),
        };
        if let Some(from) = from {
            events.retain(|event| history::time(event).is_some_and(|at| at >= from));
            sessions.retain(|held| held.gone().is_none_or(|gone| gone >= from));
        }
        Self {
            from,
            until: now,
            unreadable,
            sessions,
            events,
        }
    }

    /// Returns the figures of all together.
    ///
    /// ```no_run
    /// # use kdev_volumes::metrics::{Metrics, Scope};
    /// if let Some(making) = Metrics::read(&Scope::default())?.all().making {
    ///     println!("half of all sessions were made in {:?}", making.median);
    /// }
    /// # Ok::<(), kdev_volumes::Error>(())
    /// ```
    pub fn all(&self) -> Figures {
        let held: Vec<&Held> = self.sessions.iter().collect();
        let window = (self.from.unwrap_or(self.until), self.until);
        Figures::of(self.events.iter(), &held, window)
    }

    /// Returns the figures by pool, by test or by day, with the names of these, in their order.
    ///
    /// ```no_run
    /// # use kdev_volumes::metrics::{By, Metrics, Scope};
    /// for (day, figures) in Metrics::read(&Scope::default())?.by(By::Day) {
    ///     println!("{day}: {} volumes, {} leaked", figures.volumes, figures.leaked());
    /// }
    /// # Ok::<(), kdev_volumes::Error>(())
    /// ```
    pub fn by(&self, by: By) -> Vec<(String, Figures)> {
        let window = (self.from.unwrap_or(self.until), self.until);
        group::groups(by, &self.events, &self.sessions, window)
    }
}

#[cfg(test)]
mod tests {
    use kdev_volumes_spec::Bytes;
    use serde_json::{Value, json};

    use super::told::{seconds, told};
    use super::*;

    const G: u64 = 1 << 30;
    const DAY: u64 = 24 * 3600;

    fn volume(session: &str, bytes: u64) -> Value {
        json!({"lv_name": format!("kdev-{session}-test"), "bytes": bytes})
    }

    /// An event of another session than the usual one.
    fn of(session: &str, at: u64, mut keys: Value) -> Event {
        keys["session"] = session.into();
        told(at, keys)
    }

    fn allocated(session: &str, at: u64, bytes: u64, took_ms: u64, pool: &str, test: &str) -> Event {
        of(
            session,
            at,
            json!({"event": "allocated", "volumes": [volume(session, bytes)], "took_ms": took_ms, "pool": pool, "test": test}),
        )
    }

    fn released(session: &str, at: u64, held_ms: u64, pool: &str, test: &str) -> Event {
        of(
            session,
            at,
            json!({"event": "released", "volumes": [volume(session, 0)], "held_ms": held_ms, "took_ms": 1, "pool": pool, "test": test}),
        )
    }

    fn reaped(session: &str, at: u64, occasion: &str, was: &str) -> Event {
        of(
            session,
            at,
            json!({"event": "reaped", "volumes": [volume(session, 0)], "occasion": occasion, "was": was, "test": "t2"}),
        )
    }

    /// Two sessions at once in `default`, of which one is killed; a third the day after; one in `nvme`.
    fn log() -> Log {
        let events = vec![
            allocated("s1", 0, G, 10, "default", "t1"),
            allocated("s2", 1, 2 * G, 30, "default", "t2"),
            allocated("n1", 1, 8 * G, 20, "nvme", "t1"),
            told(
                2,
                json!({"event": "failed", "session": null, "wanted_bytes": 9, "took_ms": 1, "why": "full"}),
            ),
            told(
                3,
                json!({"event": "waited", "session": null, "wanted_bytes": 9, "took_ms": 700, "ended": "room"}),
            ),
            told(
                3,
                json!({"event": "waited", "session": null, "wanted_bytes": 9, "took_ms": 900, "ended": "in_vain"}),
            ),
            released("s1", 5, 5000, "default", "t1"),
            released("n1", 6, 5000, "nvme", "t1"),
            reaped("s2", 7, "watchdog", "dead"),
            told(7, json!({"event": "cloned"})),
            allocated("s3", DAY, 4 * G, 20, "default", "t1"),
            reaped("s0", DAY + 2, "cleanup", "kept"),
            reaped("s9", DAY + 3, "constructor", "gone"),
            reaped("s8", DAY + 4, "constructor", "dead"),
            reaped("s7", DAY + 5, "full_pool", "dead"),
            reaped("s6", DAY + 6, "cleanup", "dead"),
            released("s3", DAY + 1, 1000, "default", "t1"),
        ];
        Log {
            events,
            unreadable: 2,
        }
    }

    fn metrics(since: Option<u64>, pool: Option<&str>) -> Metrics {
        let scope = Scope {
            since: since.map(Duration::from_secs),
            pool: pool.map(str::to_owned),
        };
        Metrics::of(log(), &OnRecord::default(), &scope, seconds(DAY + 10))
    }

    fn of_key(groups: &[(String, Figures)], key: &str) -> Figures {
        let found = groups.iter().find(|(of, _)| of == key);
        found
            .unwrap_or_else(|| panic!("no `{key}` in {groups:?}"))
            .1
            .clone()
    }

    #[test]
    fn all_is_counted() {
        let metrics = metrics(None, None);
        let all = metrics.all();
        assert_eq!((metrics.unreadable, metrics.from), (2, Some(seconds(0))));
        assert_eq!((all.sessions, all.volumes, all.bytes), (4, 4, Bytes::new(15 * G)));
        assert_eq!(
            (all.failures, all.released, all.kept_removed, all.forgotten),
            (1, 3, 1, 1)
        );
        assert_eq!(
            (
                all.by_watchdog,
                all.by_constructor,
                all.by_full_pool,
                all.by_cleanup,
                all.leaked()
            ),
            (1, 1, 1, 1, 4)
        );
        let making = all.making.unwrap();
        assert_eq!((making.count, making.median), (4, Duration::from_millis(20)));
        assert_eq!(all.held.unwrap().longest, Duration::from_secs(5));
        assert_eq!(all.waits.unwrap().median, Duration::from_millis(700));
        assert_eq!(all.waits_in_vain, 1);
        assert_eq!((all.peak_volumes, all.peak_bytes), (3, Bytes::new(11 * G)));
    }

    #[test]
    fn pools_have_figures_and_peaks_of_their_own() {
        let groups = metrics(None, None).by(By::Pool);
        let (default, nvme) = (of_key(&groups, "default"), of_key(&groups, "nvme"));
        assert_eq!((default.sessions, nvme.sessions, groups.len()), (3, 1, 2));
        assert_eq!((default.peak_volumes, default.peak_bytes), (2, Bytes::new(4 * G)));
        assert_eq!((nvme.peak_volumes, nvme.peak_bytes), (1, Bytes::new(8 * G)));
        assert_eq!((default.leaked(), nvme.leaked()), (4, 0));
        assert_eq!(metrics(None, Some("nvme")).all(), nvme);
    }

    #[test]
    fn tests_and_days_have_figures_of_their_own() {
        let tests = metrics(None, None).by(By::Test);
        assert_eq!(of_key(&tests, "t1").sessions, 3);
        assert_eq!(of_key(&tests, "t2").leaked(), 4);
        let days = metrics(None, None).by(By::Day);
        let names: Vec<&str> = days.iter().map(|(day, _)| day.as_str()).collect();
        assert_eq!(names, ["2025-11-15", "2025-11-16"]);
        assert_eq!((days[0].1.sessions, days[1].1.sessions), (3, 1));
        assert_eq!(days[0].1.peak_bytes, Bytes::new(11 * G));
        assert_eq!(
            days[1].1.peak_bytes,
            Bytes::new(4 * G),
            "what was before does not count"
        );
    }

    #[test]
    fn what_was_before_the_time_asked_for_does_not_count() {
        let metrics = metrics(Some(3600), None);
        let all = metrics.all();
        assert_eq!((all.sessions, all.failures, all.by_watchdog), (1, 0, 0));
        assert_eq!(all.peak_bytes, Bytes::new(4 * G));
        let sessions = metrics.sessions.iter().map(|held| held.session.as_str());
        assert!(sessions.clone().any(|session| session == "s3"));
        assert!(sessions.clone().all(|session| session != "s1"));
    }

    #[test]
    fn without_events_there_are_no_figures() {
        let none = Metrics::of(
            Log::default(),
            &OnRecord::default(),
            &Scope::default(),
            seconds(0),
        );
        assert_eq!(
            (none.from, none.all(), none.by(By::Pool)),
            (None, Figures::default(), vec![])
        );
    }
}
