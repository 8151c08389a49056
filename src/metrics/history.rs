//! Who held what when, put together from the lines of the log.

use std::collections::{BTreeMap, BTreeSet};
use std::time::{Duration, SystemTime};

use crate::events::{Event, LoggedVolume, Occasion, Was, What};
use crate::metrics::volume::HeldVolume;
use crate::session_id::SessionId;

/// What is there now.
#[derive(Debug, Default)]
pub(super) struct OnRecord {
    /// The names of volumes.
    pub(super) names: BTreeSet<String>,
    /// The sessions of which volumes are kept and nobody holds any.
    pub(super) kept: BTreeSet<String>,
}

/// A session as the log tells of it.
///
/// ```no_run
/// # use kdev_volumes::metrics::{HowEnded, Metrics, Scope};
/// let metrics = Metrics::read(&Scope::default())?;
/// for held in metrics.sessions.iter().filter(|held| held.ended == HowEnded::NotYet) {
///     println!("{} holds {} volumes", held.session, held.volumes.len());
/// }
/// # Ok::<(), kdev_volumes::Error>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Held {
    /// The session.
    pub session: String,
    /// The pool.
    pub pool: String,
    /// The test; `None` if nothing tells.
    pub test: Option<String>,
    /// Which attempt at it; `None` if the test's runner did not say.
    pub attempt: Option<u32>,
    /// The process that held it; `None` if the log goes back only to its end.
    pub pid: Option<u32>,
    /// Its volumes.
    pub volumes: Vec<HeldVolume>,
    /// Since when.
    pub from: SystemTime,
    /// Until when its owner held the last of them; `None` if it does still.
    pub until: Option<SystemTime>,
    /// How that ended.
    pub ended: HowEnded,
}

/// How a session's time ended.
///
/// ```no_run
/// # use kdev_volumes::metrics::{HowEnded, Metrics, Scope};
/// let metrics = Metrics::read(&Scope::default())?;
/// let killed = metrics.sessions.iter().filter(|held| held.ended == HowEnded::Reaped).count();
/// # Ok::<(), kdev_volumes::Error>(())
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum HowEnded {
    /// It has not: its volumes are on record.
    NotYet,
    /// Its volumes were given back.
    Released,
    /// Volumes were kept. Of one that died it is not known when, and it is taken to have ended at once.
    Kept,
    /// Its owner could not give its volumes back.
    Stuck,
    /// Its owner died, and its volumes were reaped.
    Reaped,
    /// Nothing tells: it is not on record, and the log lacks its end. It is taken to have ended at once.
    Unknown,
}

impl Held {
    /// Returns when the last of its volumes was gone; `None` if one is there still.
    pub(super) fn gone(&self) -> Option<SystemTime> {
        let ends = self.volumes.iter().map(|volume| volume.until);
        // `None` is less than any time, and here it is the latest.
        ends.collect::<Option<Vec<SystemTime>>>()?.into_iter().max()
    }

    fn new(session: &str, event: &Event, from: SystemTime) -> Self {
        Self {
            session: session.to_owned(),
            pool: event.pool.clone(),
            test: event.test.clone(),
            attempt: event.attempt,
            pid: None,
            volumes: Vec::new(),
            from,
            until: None,
            ended: HowEnded::NotYet,
        }
    }

    /// Returns what is known of a volume; if nothing was, it is there since the session began.
    fn volume(&mut self, of: &LoggedVolume) -> &mut HeldVolume {
        let known = self
            .volumes
            .iter()
            .position(|volume| volume.lv_name == of.lv_name);
        let at = known.unwrap_or_else(|| {
            self.volumes.push(HeldVolume::new(of, self.from));
            self.volumes.len() - 1
        });
        &mut self.volumes[at]
    }

    fn take(&mut self, event: &Event, at: SystemTime) {
        match &event.what {
            What::Allocated { volumes, .. } => {
                self.pid = Some(event.pid);
                for volume in volumes {
                    self.volume(volume).from = at;
                }
            }
            What::Released { volumes, .. } => {
                self.has_ended(HowEnded::Released, at);
                self.are_gone(volumes, at);
            }
            What::Kept { volumes, .. } => {
                self.has_ended(HowEnded::Kept, at);
                volumes.iter().for_each(|volume| {
                    self.volume(volume);
                });
            }
            What::Stuck { volumes, .. } => {
                self.has_ended(HowEnded::Stuck, at);
                volumes.iter().for_each(|volume| {
                    self.volume(volume);
                });
            }
            What::Reaped { volumes, was, .. } => {
                if self.until.is_none() {
                    // Who was to be kept if it died has no event of its own.
                    self.has_ended(
                        if *was == Was::Kept {
                            HowEnded::Kept
                        } else {
                            HowEnded::Reaped
                        },
                        at,
                    );
                }
                self.are_gone(volumes, at);
            }
            What::Snapshot { volumes, .. } => {
                for volume in volumes {
                    self.volume(volume).from = at;
                }
            }
            What::Resized { volumes, from_bytes } => {
                for volume in volumes {
                    self.volume(volume).resize(at, *from_bytes, volume.bytes);
                }
            }
            What::Failed { .. } | What::Waited { .. } | What::Unknown => {}
        }
    }

    fn has_ended(&mut self, how: HowEnded, at: SystemTime) {
        // What was kept counts, also if others were given back after that.
        if !matches!(self.ended, HowEnded::Kept | HowEnded::Stuck) {
            self.ended = how;
        }
        self.until = Some(at);
    }

    fn are_gone(&mut self, volumes: &[LoggedVolume], at: SystemTime) {
        for volume in volumes {
            let volume = self.volume(volume);
            volume.until = Some(at.max(volume.from));
        }
    }

    /// Ends what the log does not: by what is on record now.
    fn settle(&mut self, on_record: &OnRecord) {
        for volume in &mut self.volumes {
            if !on_record.names.contains(&volume.lv_name) {
                volume.until.get_or_insert(self.until.unwrap_or(self.from));
            }
        }
        let is_there = self.volumes.iter().any(|volume| volume.until.is_none());
        match (self.until, is_there) {
            // Some were given back, and the others are held still.
            (Some(_), true) if self.ended == HowEnded::Released => {
                self.until = None;
                self.ended = HowEnded::NotYet;
            }
            // Its owner died, and wanted this to be kept if it did; when that was nothing tells.
            (None, true) if on_record.kept.contains(&self.session) => {
                self.until = Some(self.from);
                self.ended = HowEnded::Kept;
            }
            (None, false) => {
                self.until = Some(self.from);
                self.ended = HowEnded::Unknown;
            }
            _ => {}
        }
    }
}

/// Puts the sessions together, by when they began. Of one of whose beginning the log tells no more, its end
/// or its name does.
pub(super) fn history(events: &[Event], on_record: &OnRecord) -> Vec<Held> {
    let mut sessions: BTreeMap<&str, Held> = BTreeMap::new();
    for event in events {
        let (Some(session), Some(at)) = (event.session.as_deref(), time(event)) else {
            continue;
        };
        sessions
            .entry(session)
            .or_insert_with(|| Held::new(session, event, began(event, session, at)))
            .take(event, at);
    }
    let mut sessions: Vec<Held> = sessions.into_values().collect();
    for held in &mut sessions {
        held.settle(on_record);
    }
    sessions.sort_by_key(|held| held.from);
    sessions
}

fn began(event: &Event, session: &str, at: SystemTime) -> SystemTime {
    match event.what {
        What::Released { held_ms, .. } | What::Kept { held_ms, .. } | What::Stuck { held_ms, .. } => {
            at.checked_sub(Duration::from_millis(held_ms)).unwrap_or(at)
        }
        What::Reaped { .. } | What::Snapshot { .. } | What::Resized { .. } => {
            let began = SessionId::parse(session).map(|session| format!("{}Z", session.began()));
            let began = began.and_then(|began| humantime::parse_rfc3339(&began).ok());
            began.map_or(at, |began| began.min(at))
        }
        _ => at,
    }
}

/// Returns when an event was; `None` if its time cannot be read.
pub(super) fn time(event: &Event) -> Option<SystemTime> {
    humantime::parse_rfc3339(&event.at).ok()
}

/// Tells whether an event is of something that was reaped because its owner was dead.
pub(super) fn leaked(event: &Event) -> Option<(Occasion, u64)> {
    match &event.what {
        What::Reaped {
            volumes,
            occasion,
            was: Was::Dead,
        } => Some((*occasion, volumes.len() as u64)),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use rstest::rstest;
    use serde_json::json;

    use super::*;
    use crate::metrics::told::{SESSION, seconds, told, volume};
    use HowEnded::{Kept, NotYet, Reaped, Released, Stuck, Unknown};

    fn allocated(at: u64) -> Event {
        told(
            at,
            json!({"event": "allocated", "volumes": [volume("test"), volume("scratch")], "took_ms": 5}),
        )
    }

    fn ended(at: u64, event: &str, volumes: &[&str]) -> Event {
        let volumes: Vec<_> = volumes.iter().map(|name| volume(name)).collect();
        told(
            at,
            json!({"event": event, "volumes": volumes, "held_ms": 3000, "took_ms": 1, "why": "asked"}),
        )
    }

    fn reaped(at: u64, was: &str, volumes: &[&str]) -> Event {
        let volumes: Vec<_> = volumes.iter().map(|name| volume(name)).collect();
        told(
            at,
            json!({"event": "reaped", "volumes": volumes, "occasion": "watchdog", "was": was}),
        )
    }

    fn resized(at: u64) -> Event {
        let volumes = [volume("test")];
        told(
            at,
            json!({"event": "resized", "volumes": volumes, "from_bytes": 4096}),
        )
    }

    fn snapshot(at: u64) -> Event {
        let volumes = [volume("before")];
        told(at, json!({"event": "snapshot", "volumes": volumes, "of": "test"}))
    }

    const BOTH: [&str; 2] = ["test", "scratch"];

    /// Times are in seconds after the session's name, in which it says when it began.
    #[rstest]
    #[case::given_back(&[allocated(1), ended(4, "released", &BOTH)], &[], (1, Some(4), Released), Some(4))]
    #[case::one_after_the_other(
        &[allocated(1), ended(4, "released", &["test"]), ended(6, "released", &["scratch"])],
        &[], (1, Some(6), Released), Some(6)
    )]
    #[case::one_is_held_still(
        &[allocated(1), ended(4, "released", &["test"])], &["scratch"], (1, None, NotYet), None
    )]
    #[case::held(&[allocated(1)], &BOTH, (1, None, NotYet), None)]
    #[case::its_end_is_lost(&[allocated(1)], &[], (1, Some(1), Unknown), Some(1))]
    #[case::killed(&[allocated(1), reaped(9, "dead", &BOTH)], &[], (1, Some(9), Reaped), Some(9))]
    #[case::killed_and_the_kernel_was_first(
        &[allocated(1), reaped(9, "gone", &BOTH)], &[], (1, Some(9), Reaped), Some(9)
    )]
    #[case::killed_while_it_was_made(&[reaped(9, "dead", &["test"])], &[], (0, Some(9), Reaped), Some(9))]
    #[case::kept(&[allocated(1), ended(4, "kept", &BOTH)], &BOTH, (1, Some(4), Kept), None)]
    #[case::kept_and_removed(
        &[allocated(1), ended(4, "kept", &BOTH), reaped(9, "kept", &BOTH)], &[], (1, Some(4), Kept), Some(9)
    )]
    #[case::kept_and_one_given_back(
        &[allocated(1), ended(4, "kept", &["test"]), ended(5, "released", &["scratch"])],
        &["test"], (1, Some(5), Kept), None
    )]
    #[case::stuck(&[allocated(1), ended(4, "stuck", &BOTH)], &BOTH, (1, Some(4), Stuck), None)]
    #[case::stuck_and_reaped(
        &[allocated(1), ended(4, "stuck", &BOTH), reaped(9, "dead", &BOTH)], &[], (1, Some(4), Stuck), Some(9)
    )]
    #[case::resized(&[allocated(1), resized(3), ended(4, "released", &BOTH)], &[], (1, Some(4), Released), Some(4))]
    #[case::with_a_snapshot(
        &[allocated(1), snapshot(3), ended(4, "released", &BOTH), ended(4, "released", &["before"])], &[],
        (1, Some(4), Released), Some(4)
    )]
    #[case::a_snapshot_is_held_still(
        &[allocated(1), snapshot(3), ended(4, "released", &BOTH)], &["before"], (1, None, NotYet), None
    )]
    #[case::the_log_begins_with_a_snapshot(&[snapshot(3)], &["before"], (0, None, NotYet), None)]
    #[case::the_log_begins_after_it(&[ended(4, "released", &BOTH)], &[], (1, Some(4), Released), Some(4))]
    #[case::the_clock_went_back(
        &[allocated(5), ended(4, "released", &BOTH)], &[], (5, Some(4), Released), Some(5)
    )]
    fn a_session_is_put_together(
        #[case] events: &[Event],
        #[case] on_record: &[&str],
        #[case] (from, until, ended): (u64, Option<u64>, HowEnded),
        #[case] gone: Option<u64>,
    ) {
        let on_record = on_record.iter().map(|name| format!("kdev-{SESSION}-{name}"));
        let on_record = OnRecord {
            names: on_record.collect(),
            kept: BTreeSet::new(),
        };
        let [held] = history(events, &on_record).try_into().unwrap();
        assert_eq!(
            (held.from, held.until, held.ended),
            (seconds(from), until.map(seconds), ended)
        );
        assert_eq!(held.gone(), gone.map(seconds));
        assert_eq!(held.session, SESSION);
    }

    #[test]
    fn what_a_dead_owner_wanted_to_be_kept_is_kept_and_held_no_more() {
        let on_record = OnRecord {
            names: [format!("kdev-{SESSION}-test")].into(),
            kept: [SESSION.to_owned()].into(),
        };
        let [held] = history(&[allocated(1)], &on_record).try_into().unwrap();
        assert_eq!((held.until, held.ended), (Some(seconds(1)), Kept));
        assert_eq!(held.gone(), None);
    }

    #[test]
    fn what_is_of_no_session_or_of_no_time_is_no_session() {
        let mut nowhen = allocated(1);
        nowhen.at = "soon".into();
        let failed = Event {
            session: None,
            ..told(
                1,
                json!({"event": "failed", "wanted_bytes": 1, "took_ms": 1, "why": ""}),
            )
        };
        assert_eq!(history(&[nowhen, failed], &OnRecord::default()), []);
    }
}
