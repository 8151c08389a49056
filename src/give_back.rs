use std::collections::BTreeSet;

use crate::backend::{Backend, Leftover, Named};
use crate::clock;
use crate::error::{Error, Result};
use crate::fault;
use crate::lease::Lease;
use crate::owner::OwnerTag;
use crate::state::{Failure, Phase, Records, State};

/// What is given back of one session.
#[derive(Debug)]
pub(crate) struct Share {
    pub(crate) tag: OwnerTag,
    pub(crate) volumes: Vec<Named>,
    /// Is gone when the session has nothing left.
    pub(crate) lease: Option<Lease>,
}

/// Gives volumes of one session back, as [`give_back_all`] does.
pub(crate) fn give_back(
    state: &State,
    backend: &Backend,
    tag: &OwnerTag,
    volumes: &[Named],
    lease: &mut Option<Lease>,
) -> Result<Vec<Leftover>> {
    let mut share = Share {
        tag: tag.clone(),
        volumes: volumes.to_owned(),
        lease: lease.take(),
    };
    let left = give_back_all(state, backend, std::slice::from_mut(&mut share));
    *lease = share.lease;
    left
}

/// Gives volumes back: the volumes first, and when they are known to be gone their
/// records, and when a session has none left its lease.
///
/// Returns the volumes that could not be removed. Their records stay, with the reason, and the lease
/// stays as a file whose lock is free once its holder drops it, which makes them a reaper's work.
pub(crate) fn give_back_all(state: &State, backend: &Backend, shares: &mut [Share]) -> Result<Vec<Leftover>> {
    let volumes = shares.iter().flat_map(|share| &share.volumes);
    let names: BTreeSet<String> = volumes.map(|volume| volume.lv_name.clone()).collect();
    state.update(|records| {
        for record in records.named_mut(&names) {
            record.phase = Phase::Removing;
            record.failure = None;
        }
        Ok(())
    })?;
    let owned: Vec<(&OwnerTag, &[Named])> = shares
        .iter()
        .map(|share| (&share.tag, share.volumes.as_slice()))
        .collect();
    let left = backend.remove(&owned)?;
    fault::point("volumes removed");
    state.update_then(
        |records| {
            settle(records, &names, &left);
            Ok(())
        },
        |records, ()| {
            shares
                .iter_mut()
                .filter(|share| !records.has_session(&share.tag.session))
                .filter_map(|share| share.lease.take())
                .try_for_each(Lease::end)
        },
    )?;
    Ok(left)
}

fn settle(records: &mut Records, names: &BTreeSet<String>, left: &[Leftover]) {
    let left_of = |name: &str| left.iter().find(|left| left.lv_name == name);
    records.drop_named(|name| names.contains(name) && left_of(name).is_none());
    for record in records.named_mut(names) {
        if let Some(left) = left_of(&record.lv_name) {
            // A kept one that could not be removed is kept still.
            record.phase = match record.kept {
                Some(_) => Phase::Active,
                None => Phase::Removing,
            };
            record.failure = Some(Failure {
                at: clock::now(),
                why: left.why.clone(),
            });
        }
    }
}

/// Makes an error of what is left, if anything is.
pub(crate) fn all_gone(left: &[Leftover]) -> Result<()> {
    match left {
        [] => Ok(()),
        _ => Err(Error::Busy {
            volumes: left.iter().map(Leftover::to_string).collect(),
        }),
    }
}
