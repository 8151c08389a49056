use crate::backend::{Backend, Leftover, Named};
use crate::clock;
use crate::error::{Error, Result};
use crate::fault;
use crate::lease::Lease;
use crate::owner::OwnerTag;
use crate::state::{Failure, Phase, Record, Records, State};

/// Gives volumes of one session back: the volumes first, and when they are known to be gone their
/// records, and when the session has none left its lease.
///
/// Returns the volumes that could not be removed. Their records stay, with the reason, and the lease
/// stays as a file whose lock is free once its holder drops it, which makes them a reaper's work.
pub(crate) fn give_back(
    state: &State,
    backend: &Backend,
    tag: &OwnerTag,
    volumes: &[Named],
    lease: &mut Option<Lease>,
) -> Result<Vec<Leftover>> {
    state.update(|records| {
        for record in records.iter_mut() {
            if volumes.iter().any(|volume| volume.lv_name == record.lv_name) {
                record.phase = Phase::Removing;
                record.failure = None;
            }
        }
        Ok(())
    })?;
    let left = backend.remove(volumes, tag)?;
    fault::point("volumes removed");
    state.update_then(
        |records| {
            settle(records, volumes, &left);
            Ok(())
        },
        |records, ()| {
            let is_of_session = |record: &Record| record.session().as_ref() == Some(&tag.session);
            match records.iter().any(is_of_session) {
                true => Ok(()),
                false => lease.take().map_or(Ok(()), Lease::end),
            }
        },
    )?;
    Ok(left)
}

fn settle(records: &mut Records, volumes: &[Named], left: &[Leftover]) {
    let left_of = |name: &str| left.iter().find(|left| left.lv_name == name);
    records.drop_if(|record| {
        volumes.iter().any(|volume| volume.lv_name == record.lv_name) && left_of(&record.lv_name).is_none()
    });
    for record in records.iter_mut() {
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
