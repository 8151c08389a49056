use std::collections::BTreeMap;

use crate::backend::{Leftover, Named};
use crate::error::Result;
use crate::events::{self, Occasion, Was};
use crate::give_back::{Share, give_back_all};
use crate::owner::OwnerTag;
use crate::reap::books::Survey;
use crate::reap::entry::Entry;
use crate::reap::judge::Verdict;
use crate::reap::reaped::Reaped;
use crate::reap::take_back::take_back;
use crate::state::{Kind, Record, State};

/// How many volumes are removed by one command. LVM takes longer to start than to remove one; but if one of
/// them is busy it removes none, and they are tried one by one.
const AT_ONCE: usize = 64;

/// The volumes that a sweep removes.
#[derive(Default)]
pub(super) struct Doomed(BTreeMap<Place, BTreeMap<String, Theirs>>);

/// What can be removed by one command. From what was kept nothing is taken away: somebody may be looking at it.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord)]
struct Place {
    kind: Kind,
    vg_name: String,
    is_kept: bool,
}

/// One owner's volumes of a session: by the tag, not only by the session, so that what goes has exactly this
/// owner.
struct Theirs {
    tag: OwnerTag,
    /// Of one of the volumes.
    record: Option<Record>,
    volumes: Vec<Named>,
}

impl Doomed {
    pub(super) fn add(&mut self, entry: &Entry) {
        let place = Place {
            kind: entry.kind,
            vg_name: entry.vg_name.clone(),
            is_kept: entry.verdict == Verdict::Kept,
        };
        let sessions = self.0.entry(place).or_default();
        let theirs = sessions.entry(entry.tag.to_string()).or_insert_with(|| Theirs {
            tag: entry.tag.clone(),
            record: entry.record.clone(),
            volumes: Vec::new(),
        });
        theirs.volumes.push(entry.named());
    }

    /// Removes them. `progress` is told how many have been dealt with, and of how many.
    pub(super) fn remove(
        self,
        state: &State,
        survey: &mut Survey,
        occasion: Occasion,
        progress: &mut dyn FnMut(usize, usize),
        reaped: &mut Reaped,
    ) {
        let all = self.0.values().flat_map(BTreeMap::values);
        let all = all.map(|theirs| theirs.volumes.len()).sum();
        let mut done = 0;
        for (place, sessions) in self.0 {
            for batch in batches(sessions.into_values().collect()) {
                let count: usize = batch.iter().map(|theirs| theirs.volumes.len()).sum();
                remove_batch(state, survey, occasion, &place, batch, reaped);
                done += count;
                progress(done, all);
            }
        }
    }
}

/// Puts together what is removed at once; a session's volumes always are.
fn batches(sessions: Vec<Theirs>) -> Vec<Vec<Theirs>> {
    let mut batches: Vec<Vec<Theirs>> = Vec::new();
    let mut room = 0;
    for theirs in sessions {
        let count = theirs.volumes.len();
        if count > room {
            batches.push(Vec::new());
            room = AT_ONCE;
        }
        room = room.saturating_sub(count);
        batches.last_mut().expect("there is one").push(theirs);
    }
    batches
}

fn remove_batch(
    state: &State,
    survey: &mut Survey,
    occasion: Occasion,
    place: &Place,
    batch: Vec<Theirs>,
    reaped: &mut Reaped,
) {
    let Some(backend) = survey.backends.of(place.kind, &place.vg_name) else {
        // A volume that is there was seen in its VG; nothing is removed by any other knowledge.
        return;
    };
    let mut shares: Vec<Share> = batch
        .iter()
        .map(|theirs| Share {
            tag: theirs.tag.clone(),
            volumes: theirs.volumes.clone(),
            lease: survey.leases.remove(&theirs.tag.session),
        })
        .collect();
    let left = match place.is_kept {
        true => give_back_all(state, &backend, &mut shares),
        false => take_back(state, &backend, &mut shares),
    };
    note(state, occasion, place, &batch, left, reaped);
    // One lease may stand for volumes in several VGs, if somebody moved them.
    let leases = shares
        .into_iter()
        .filter_map(|share| Some((share.tag.session, share.lease?)));
    survey.leases.extend(leases);
}

fn note(
    state: &State,
    occasion: Occasion,
    place: &Place,
    batch: &[Theirs],
    left: Result<Vec<Leftover>>,
    reaped: &mut Reaped,
) {
    let left = match left {
        Ok(left) => left,
        Err(err) => {
            let sessions: Vec<String> = batch
                .iter()
                .map(|theirs| theirs.tag.session.to_string())
                .collect();
            let which = if sessions.len() == 1 {
                "session"
            } else {
                "sessions"
            };
            reaped.failures.push(format!(
                "could not remove volumes of {which} {}: {}",
                sessions.join(", "),
                err.chain()
            ));
            return;
        }
    };
    let is_left = |volume: &&Named| left.iter().any(|left| left.lv_name == volume.lv_name);
    for theirs in batch {
        let gone: Vec<&Named> = theirs.volumes.iter().filter(|volume| !is_left(volume)).collect();
        if !gone.is_empty() {
            let was = if place.is_kept { Was::Kept } else { Was::Dead };
            let whose = (
                &theirs.tag.session,
                place.vg_name.as_str(),
                theirs.record.as_ref(),
            );
            events::reaped(state.dir(), whose, gone.iter().copied(), occasion, was);
        }
        reaped
            .removed
            .extend(gone.into_iter().map(|volume| volume.lv_name.clone()));
    }
    reaped.left.extend(left);
}

#[cfg(test)]
mod tests {
    use kdev_volumes_spec::Bytes;
    use rstest::rstest;

    use super::*;

    fn theirs(count: usize) -> Theirs {
        let volume = Named {
            lv_name: "a".into(),
            path: "/dev/vg/a".into(),
            size: Bytes::new(0),
            uuid: None,
        };
        Theirs {
            tag: OwnerTag::parse("kdev:s=20251115103045-a3f9d2:p=1.2:b=f5a2b1c0:n=3:h=1a2b3c4d:u=0").unwrap(),
            record: None,
            volumes: vec![volume; count],
        }
    }

    #[rstest]
    #[case::none(vec![], vec![])]
    #[case::few_are_removed_together(vec![1, 7, 2], vec![vec![1, 7, 2]])]
    #[case::as_many_as_may(vec![32, 32, 1], vec![vec![32, 32], vec![1]])]
    #[case::a_session_is_not_torn(vec![40, 40, 24], vec![vec![40], vec![40, 24]])]
    #[case::nor_one_that_is_larger(vec![1, 80, 1], vec![vec![1], vec![80], vec![1]])]
    fn volumes_are_removed_in_batches_of_whole_sessions(
        #[case] counts: Vec<usize>,
        #[case] expected: Vec<Vec<usize>>,
    ) {
        let batches = batches(counts.into_iter().map(theirs).collect());
        let counts: Vec<Vec<usize>> = batches
            .iter()
            .map(|batch| batch.iter().map(|theirs| theirs.volumes.len()).collect())
            .collect();
        assert_eq!(counts, expected);
    }
}
