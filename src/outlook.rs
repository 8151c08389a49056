//! What of a pool tests may come to have: what is free, and what will be when those who hold it have given
//! it back.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use kdev_volumes_spec::Bytes;

use crate::error::{Error, Result};
use crate::keep::Keep;
use crate::lease::Lease;
use crate::liveness::LeaseState;
use crate::lvm::Room;
use crate::reap::{Entry, Places, Presence, Verdict, survey};
use crate::state::{Record, State};
use crate::thin::Thin;

/// A pool as it will be when all is gone that goes by itself.
#[derive(Clone, Debug)]
pub(crate) struct Outlook {
    /// The VG's room in all.
    pub(crate) size: Bytes,
    /// What is free, and what tests hold or dead ones have left.
    #[cfg_attr(not(feature = "cli"), expect(dead_code, reason = "of plans only"))]
    pub(crate) free_in_time: Bytes,
    /// What sizes are rounded up to.
    #[cfg_attr(not(feature = "cli"), expect(dead_code, reason = "of plans only"))]
    pub(crate) unit: Bytes,
    /// What stays until somebody does something about it.
    pub(crate) staying: Vec<Staying>,
    /// How it is now, if it is a thin pool.
    pub(crate) thin: Option<Thin>,
    /// Whether what stays has written so much of a thin pool that it gives nothing out.
    pub(crate) stays_full: bool,
}

/// A volume, or an LV that is not ours, that will not go by itself.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Staying {
    pub(crate) lv_name: String,
    pub(crate) size: Bytes,
    pub(crate) why: &'static str,
}

impl fmt::Display for Staying {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} by `{}` ({})", self.size, self.lv_name, self.why)
    }
}

/// Looks at a pool's VG, and at those who hold what is in it.
///
/// # Errors
///
/// If the VG cannot be looked at, or the records cannot be read.
pub(crate) fn outlook(state: &State, vg_name: &str) -> Result<Outlook> {
    let places = Places {
        vgs: BTreeSet::from([vg_name.to_owned()]),
        ..Places::default()
    };
    let mut survey = survey(state, &places, BTreeMap::new())?;
    let Some(Room {
        size,
        free,
        extent,
        thin,
    }) = survey.backends.room(vg_name)
    else {
        let (_, err) = survey
            .unseen
            .pop()
            .expect("what cannot be looked at is noted with its reason");
        return Err(err);
    };
    let (mut leaving, mut written, mut staying) = (0, 0, Vec::new());
    for entry in survey
        .entries
        .iter()
        .filter(|entry| entry.presence == Presence::There)
    {
        let size = entry.size.unwrap_or_default();
        match Holding::of(entry).why_it_stays() {
            None => {
                leaving += size.get();
                written += entry.written.unwrap_or_default().get();
            }
            Some(why) => staying.push(Staying {
                lv_name: entry.lv_name.clone(),
                size,
                why,
            }),
        }
    }
    let foreign = survey.foreign.into_iter().map(|(_, lv)| Staying {
        lv_name: lv.name,
        size: lv.size,
        why: "not ours",
    });
    staying.extend(foreign);
    let stays_full = thin.is_some_and(|thin| thin.would_stay_at_limit(written));
    let free = thin.map_or(free, |thin| {
        Bytes::new(size.get().saturating_sub(thin.given_out.get()))
    });
    Ok(Outlook {
        size,
        free_in_time: match stays_full {
            true => Bytes::new(0),
            false => Bytes::new(free.get() + leaving),
        },
        unit: extent,
        staying,
        thin,
        stays_full,
    })
}

impl Outlook {
    /// Returns what no request may exceed: all but what stays.
    ///
    /// A volume that went between LVM's two answers, on the VG and on its LVs, is in neither, and so not in
    /// `free_in_time`. That must not pass for room that will never be there; what stays is in both.
    pub(crate) fn most(&self) -> Bytes {
        if self.stays_full {
            return Bytes::new(0);
        }
        let staying = self.staying.iter().map(|staying| staying.size.get());
        let taken = staying.fold(0, u64::saturating_add);
        Bytes::new(self.size.get().saturating_sub(taken))
    }
}

/// Tells whether room that is not there would be if those gave back who are known to live. If so, LVM need not
/// be asked what stays.
pub(crate) fn would_do(state: &State, pool: &str, full: &Error) -> Result<bool> {
    let Error::NoSpace { free, want, .. } = full else {
        return Ok(false);
    };
    let goes_by_itself = |record: &&Record| {
        let is_alive = |session| Lease::probe(state.dir(), &session).0 == LeaseState::Held;
        record.pool_name == pool
            && record.failure.is_none()
            && (!record.is_kept() || goes_if_it_passes(record))
            && record.session().is_some_and(is_alive)
    };
    let records = state.snapshot()?;
    let going = records.iter().filter(goes_by_itself);
    let sizes = going.filter_map(|record| record.size_bytes);
    Ok(sizes.fold(free.get(), u64::saturating_add) >= want.get())
}

/// Most tests do not fail, and what only a failed one keeps goes with the others.
fn goes_if_it_passes(record: &Record) -> bool {
    let kept = record.kept.as_deref();
    kept.is_some() && kept == Keep::Failed.reason(true)
}

/// What decides whether the room of a volume that is there is going to be free.
#[derive(Clone, Copy, Debug)]
struct Holding {
    verdict: Verdict,
    /// Whether it is to stay however its test ends.
    is_to_stay: bool,
    has_failed_to_go: bool,
}

impl Holding {
    fn of(entry: &Entry) -> Self {
        let record = entry.record.as_ref();
        let unless_it_passes = record.is_some_and(goes_if_it_passes);
        Self {
            verdict: entry.verdict,
            is_to_stay: !unless_it_passes && (entry.is_marked_kept || record.is_some_and(Record::is_kept)),
            has_failed_to_go: record.is_some_and(|record| record.failure.is_some()),
        }
    }

    fn why_it_stays(self) -> Option<&'static str> {
        match self.verdict {
            Verdict::Kept => Some("kept"),
            Verdict::Unknown(_) => Some("of an unknown owner"),
            Verdict::Alive if self.is_to_stay => Some("to be kept"),
            Verdict::Alive | Verdict::Dead if self.has_failed_to_go => Some("stuck"),
            Verdict::Alive | Verdict::Dead => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use rstest::rstest;

    use super::*;
    use crate::liveness::Doubt;

    #[test]
    fn what_went_between_two_looks_is_not_what_can_never_be_had() {
        let outlook = Outlook {
            size: Bytes::new(100),
            free_in_time: Bytes::new(40), // and 30 that were free a moment later
            unit: Bytes::new(1),
            staying: vec![Staying {
                lv_name: "foreign".into(),
                size: Bytes::new(30),
                why: "not ours",
            }],
            thin: None,
            stays_full: false,
        };
        assert_eq!(outlook.most(), Bytes::new(70));
        let outlook = Outlook {
            stays_full: true,
            ..outlook
        };
        assert_eq!(outlook.most(), Bytes::new(0), "whatever has been given out");
    }

    #[rstest]
    #[case::of_a_test_that_runs(Verdict::Alive, false, false, None)]
    #[case::of_a_dead_test(Verdict::Dead, false, false, None)]
    #[case::kept(Verdict::Kept, true, false, Some("kept"))]
    #[case::that_its_owner_wants_to_stay(Verdict::Alive, true, false, Some("to be kept"))]
    #[case::of_nobody_knows_whom(
        Verdict::Unknown(Doubt::OtherHost),
        false,
        false,
        Some("of an unknown owner")
    )]
    #[case::stuck(Verdict::Dead, false, true, Some("stuck"))]
    #[case::of_a_dead_test_that_wanted_it_to_stay(Verdict::Dead, true, false, None)]
    fn the_room_stays_taken(
        #[case] verdict: Verdict,
        #[case] is_to_stay: bool,
        #[case] has_failed_to_go: bool,
        #[case] expected: Option<&str>,
    ) {
        let holding = Holding {
            verdict,
            is_to_stay,
            has_failed_to_go,
        };
        assert_eq!(holding.why_it_stays(), expected);
    }
}
