use std::collections::BTreeMap;
use std::time::{Duration, SystemTime};

use crate::events::{Event, What};
use crate::metrics::figures::Figures;
use crate::metrics::history::Held;

/// What figures are counted by.
///
/// ```no_run
/// # use kdev_volumes::metrics::{By, Metrics, Scope};
/// let by_test = Metrics::read(&Scope::default())?.by(By::Test);
/// # Ok::<(), kdev_volumes::Error>(())
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum By {
    /// The pool that volumes were taken from.
    #[default]
    Pool,
    /// The test that they were made for; `-` if nothing tells.
    Test,
    /// The day in UTC, as `2025-11-15`.
    Day,
}

const DAY: Duration = Duration::from_secs(24 * 3600);

pub(super) fn groups(
    by: By,
    events: &[Event],
    sessions: &[Held],
    window: (SystemTime, SystemTime),
) -> Vec<(String, Figures)> {
    let mut groups: BTreeMap<String, Vec<&Event>> = BTreeMap::new();
    for event in events.iter().filter(|event| event.what != What::Unknown) {
        groups.entry(key_of(by, event)).or_default().push(event);
    }
    let figures = |(key, events): (String, Vec<&Event>)| {
        let of_key: Vec<&Held> = sessions.iter().filter(|held| is_of(by, held, &key)).collect();
        let window = match by {
            By::Day => part_of_day(&key, window),
            By::Pool | By::Test => window,
        };
        let figures = Figures::of(events.into_iter(), &of_key, window);
        (key, figures)
    };
    groups.into_iter().map(figures).collect()
}

fn key_of(by: By, event: &Event) -> String {
    match by {
        By::Pool => event.pool.clone(),
        By::Test => event.test.clone().unwrap_or_else(|| "-".to_owned()),
        By::Day => event.at.get(..10).unwrap_or_default().to_owned(),
    }
}

/// A session is of each day on which it held something; the window tells.
fn is_of(by: By, held: &Held, key: &str) -> bool {
    match by {
        By::Pool => held.pool == key,
        By::Test => held.test.as_deref().unwrap_or("-") == key,
        By::Day => true,
    }
}

fn part_of_day(day: &str, (from, until): (SystemTime, SystemTime)) -> (SystemTime, SystemTime) {
    match humantime::parse_rfc3339(&format!("{day}T00:00:00Z")) {
        // The first moment of the next day is not of this one.
        Ok(begin) => (from.max(begin), until.min(begin + DAY - Duration::from_nanos(1))),
        // A time that cannot be read has no events either.
        Err(_) => (from, until),
    }
}
