//! What a machine is allowed: how long it may take, and whether it is to go on at all.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use crate::args::LimitArgs;
use crate::course::setup::Setup;
use crate::results::limits::{self, Limits};
use crate::results::test_name::TestName;

/// How often the clock is looked at while nothing is heard of a machine.
pub(super) const PULSE: Duration = Duration::from_millis(200);

/// Whether somebody wants the run to end.
#[derive(Clone, Debug, Default)]
pub(crate) struct Stop(Arc<AtomicBool>);

impl Stop {
    pub(crate) fn is_asked_for(&self) -> bool {
        self.0.load(Ordering::Relaxed)
    }

    /// Returns the flag itself, for a signal to set.
    pub(crate) fn flag(&self) -> Arc<AtomicBool> {
        Arc::clone(&self.0)
    }
}

/// What one machine is allowed. Times are the machine's: scaled to how fast it is.
#[derive(Clone, Debug)]
pub(crate) struct Allowed {
    pub(crate) stop: Stop,
    /// When the whole run has to be over, and how long that was from its beginning.
    pub(crate) until: Option<Instant>,
    pub(crate) whole: Duration,
    pub(crate) boot: Duration,
    pub(crate) tests: Limits,
    /// How long tests took the last time, in seconds.
    pub(crate) last: Arc<BTreeMap<TestName, f64>>,
}

/// The least limit of a test with a known time: a busy host may keep it waiting.
const FLOOR: Duration = Duration::from_secs(60);

impl Allowed {
    /// Allows what the arguments say to a machine of this kind, for a run that began then.
    pub(super) fn new(limits: &LimitArgs, setup: &Setup, stop: &Stop, began: Instant) -> Self {
        Self {
            stop: stop.clone(),
            until: limits.limit.map(|limit| began + setup.scaled(limit)),
            whole: limits.limit.map_or(Duration::MAX, |limit| setup.scaled(limit)),
            boot: setup.scaled(limits.boot_limit),
            tests: Limits {
                floor: FLOOR.min(limits.test_limit),
                default: limits.test_limit,
                scale: setup.scale(),
            },
            last: Arc::default(),
        }
    }

    /// Returns how long the test may take; with none, what comes before the first one.
    pub(crate) fn for_test(&self, test: Option<&TestName>) -> Duration {
        let last = test.and_then(|test| self.last.get(test)).copied();
        limits::limit(last, &self.tests)
    }
}

#[cfg(test)]
mod tests {
    use rstest::rstest;

    use super::*;

    #[rstest]
    #[case::known(Some("generic/001"), 120 * 4)]
    #[case::quick(Some("generic/002"), 60 * 4)]
    #[case::never_seen(Some("generic/003"), 900 * 4)]
    #[case::before_the_first(None, 900 * 4)]
    fn a_test_may_take_what_it_took_the_last_time_and_more(#[case] test: Option<&str>, #[case] seconds: u64) {
        let last = [("generic/001", 12.0), ("generic/002", 0.1)];
        let allowed = Allowed {
            stop: Stop::default(),
            until: None,
            whole: Duration::MAX,
            boot: Duration::from_secs(60),
            tests: Limits {
                floor: FLOOR,
                default: Duration::from_secs(900),
                scale: 4.0,
            },
            last: Arc::new(
                last.map(|(name, seconds)| (name.parse().unwrap(), seconds))
                    .into(),
            ),
        };
        let test: Option<TestName> = test.map(|name| name.parse().unwrap());
        assert_eq!(allowed.for_test(test.as_ref()), Duration::from_secs(seconds));
    }

    #[test]
    fn whoever_has_the_flag_can_stop_all_who_look() {
        let stop = Stop::default();
        let looks = stop.clone();
        assert!(!looks.is_asked_for());
        stop.flag().store(true, Ordering::Relaxed);
        assert!(looks.is_asked_for());
    }
}
