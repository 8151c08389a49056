//! All that one process held, when it is known that it is dead.

use std::collections::{BTreeMap, BTreeSet};

use crate::backend::{Backend, Named};
use crate::error::Result;
use crate::events::{self, Occasion, Was};
use crate::give_back::Share;
use crate::images::ImageDir;
use crate::lease::Lease;
use crate::loops::LoopDir;
use crate::lvm::Group;
use crate::owner::{Owner, OwnerTag};
use crate::reap::books::survey;
use crate::reap::judge::Wish;
use crate::reap::occasions::{all_places, sessions_with_leases, wait_for_reapers};
use crate::reap::sweep::{Errand, sweep};
use crate::reap::take_back::take_back;
use crate::session_id::SessionId;
use crate::state::{Kind, Record, Records, State};

/// Removes all that a process held of which is known that it is dead. For its watchdog.
pub(crate) fn reap_owner(state: &State, owner: &Owner) -> Result<()> {
    let mut done = BTreeSet::new();
    loop {
        let mut sessions = sessions_of(state, owner)?;
        sessions.retain(|session| !done.contains(session));
        let Some(first) = sessions.first() else {
            return Ok(());
        };
        let mut seized = BTreeMap::new();
        let mut without_lease = false;
        for session in &sessions {
            match Lease::seize(state.dir(), session) {
                Ok(Some(lease)) => {
                    seized.insert(session.clone(), lease);
                    done.insert(session.clone());
                }
                Ok(None) => {}
                Err(_) => {
                    without_lease = true;
                    done.insert(session.clone());
                }
            }
        }
        if seized.is_empty() && !without_lease {
            // Whoever holds it lets go of it at some time; perhaps when all is done.
            if let Ok(lease) = Lease::seize_when_free(state.dir(), first) {
                seized.insert(first.clone(), lease);
            }
            done.insert(first.clone());
        }
        sessions.retain(|session| done.contains(session));
        reap_sessions(state, &sessions, seized)?;
    }
}

/// The sessions whose records say whose they are. Those that kerneldev-mcp has written anew do not.
fn told_of(records: &Records) -> BTreeSet<SessionId> {
    records
        .iter()
        .filter(|record| record.start_time.is_some())
        .filter_map(Record::session)
        .collect()
}

/// Removes by the records, without a look at LVM first; where these do not tell enough, by a survey.
fn reap_sessions(
    state: &State,
    sessions: &[SessionId],
    mut seized: BTreeMap<SessionId, Lease>,
) -> Result<()> {
    let records = state.snapshot()?;
    /// What is given back of a session, and the record of one of its volumes.
    type Theirs<'a> = BTreeMap<SessionId, (OwnerTag, &'a Record, Vec<Named>)>;
    let mut by_place: BTreeMap<(Kind, &str), Theirs<'_>> = BTreeMap::new();
    let told_of = told_of(&records);
    for record in records.iter().filter(|record| !record.is_kept()) {
        let is_meant = |session: &SessionId| sessions.contains(session) && told_of.contains(session);
        let Some(session) = record.session().filter(is_meant) else {
            continue;
        };
        let tag = OwnerTag::new(session.clone(), record.owner());
        let sessions = by_place
            .entry((record.kind, record.vg_name.as_str()))
            .or_default();
        let (_, _, volumes) = sessions
            .entry(session)
            .or_insert_with(|| (tag, record, Vec::new()));
        volumes.push(Named::on_record(record));
    }
    for ((kind, vg_name), sessions) in by_place {
        let backend = match kind {
            Kind::Lvm => Backend::Lvm(Group::on_record(vg_name)),
            Kind::Loop => Backend::Loop(LoopDir::from_env()),
            Kind::Image => Backend::Image(ImageDir::from_env()),
        };
        let mut shares: Vec<Share> = sessions
            .iter()
            .map(|(session, (tag, _, volumes))| Share {
                tag: tag.clone(),
                volumes: volumes.clone(),
                lease: seized.remove(session),
            })
            .collect();
        // What could not be removed is on record with the reason. If not even that is known, the next
        // reaper has it to tell.
        let Ok(left) = take_back(state, &backend, &mut shares) else {
            continue;
        };
        let is_left = |volume: &&Named| left.iter().any(|left| left.lv_name == volume.lv_name);
        for (session, (_, record, volumes)) in &sessions {
            let gone: Vec<&Named> = volumes.iter().filter(|volume| !is_left(volume)).collect();
            if !gone.is_empty() {
                let whose = (session, vg_name, Some(*record));
                events::reaped(state.dir(), whose, gone, Occasion::Watchdog, Was::Dead);
            }
        }
    }
    seized.retain(|session, _| !told_of.contains(session));
    if !seized.is_empty() {
        let _lock = wait_for_reapers(state)?;
        let places = all_places(state)?;
        let errand = Errand {
            wish: &Wish::Orphans,
            occasion: Occasion::Watchdog,
            progress: &mut |_, _| {},
        };
        sweep(state, survey(state, &places, seized)?, errand)?;
    }
    Ok(())
}

/// Finds the sessions of a process that have anything to give back: by the records, and where those do
/// not tell by the leases.
fn sessions_of(state: &State, owner: &Owner) -> Result<Vec<SessionId>> {
    let records = state.snapshot()?;
    let told_of = told_of(&records);
    let his = records
        .iter()
        .filter(|record| !record.is_kept() && record.owner().is_same_process(owner))
        .filter_map(Record::session);
    let mut sessions: BTreeSet<SessionId> = his.collect();
    let lost = sessions_with_leases(state)?
        .into_iter()
        .filter(|session| !told_of.contains(session));
    sessions.extend(lost.filter(|session| {
        Lease::tag(state.dir(), session).is_some_and(|tag| tag.owner.is_same_process(owner))
    }));
    Ok(sessions.into_iter().collect())
}
