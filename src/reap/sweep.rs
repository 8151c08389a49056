use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use crate::backend::Named;
use crate::clock;
use crate::error::{Error, Result};
use crate::events::{self, Occasion, Was};
use crate::images;
use crate::lease::Lease;
use crate::mount_point;
use crate::reap::adopt::{adopt, mark_kept};
use crate::reap::books::Survey;
use crate::reap::doomed::Doomed;
use crate::reap::entry::Entry;
use crate::reap::judge::{Action, Presence, Verdict, Wish, action};
use crate::reap::off_record::images_of;
use crate::reap::reaped::Reaped;
use crate::session_id::SessionId;
use crate::state::{Failure, Kind, Record, State};

/// What is wanted of a sweep, why now, and who is told how far it is.
pub(super) struct Errand<'a> {
    pub(super) wish: &'a Wish,
    pub(super) occasion: Occasion,
    /// Is told how many volumes have been dealt with, and of how many.
    pub(super) progress: &'a mut dyn FnMut(usize, usize),
}

/// Acts on what a survey has found.
pub(super) fn sweep(state: &State, mut survey: Survey, errand: Errand<'_>) -> Result<Reaped> {
    let Errand {
        wish,
        occasion,
        progress,
    } = errand;
    let mut reaped = Reaped::default();
    adopt(state, &mut survey)?;
    reaped.failures.extend(mark_kept(&survey));
    for (group, part) in &survey.wedged {
        if let Err(err) = group.unwedge(part) {
            reaped.failures.push(err.chain());
        }
    }
    let mut doomed = Doomed::default();
    let mut forgotten: Vec<&Entry> = Vec::new();
    for entry in &survey.entries {
        let phase = entry.record.as_ref().map(|record| record.phase);
        let age = age_of(entry);
        match action(&entry.lv_name, entry.verdict, entry.presence, phase, age, wish) {
            Action::Leave => {
                let is_meant = entry.verdict == Verdict::Kept && entry.presence == Presence::There;
                if is_meant && age.is_none() && matches!(wish, Wish::KeptOlder(_)) {
                    reaped.failures.push(of_unknown_age(&entry.lv_name));
                }
            }
            Action::Forget => forgotten.push(entry),
            // A kept one: of others' dead ones nothing is known.
            Action::Remove if entry.is_anothers() => {
                if matches!(wish, Wish::KeptNamed(_) | Wish::Named(_)) {
                    let whose = entry.whose_it_is();
                    reaped
                        .failures
                        .push(format!("`{}` stays: {whose}", entry.lv_name));
                }
            }
            Action::Remove => doomed.add(entry),
        }
    }
    reaped.forgotten = forgotten.iter().map(|entry| entry.lv_name.clone()).collect();
    for entry in &forgotten {
        mount_point::remove_all_of(&entry.lv_name, &entry.tag.owner);
        if entry.kind == Kind::Image {
            // Who removed it may have died over its mark. One that cannot be removed harms nobody.
            let _ = images::remove_marker(&entry.path, &entry.lv_name);
        }
    }
    if !forgotten.is_empty() {
        state.update(|records| {
            records.drop_if(|record| reaped.forgotten.contains(&record.lv_name));
            Ok(())
        })?;
        tell_of_forgotten(state, &forgotten, occasion);
    }
    doomed.remove(state, &mut survey, occasion, progress, &mut reaped);
    reaped
        .failures
        .extend(survey.unseen.iter().map(|(_, err)| err.chain()));
    remember_what_was_not_seen(state, &survey)?;
    end_leases_of_nobody(state, survey, &reaped)?;
    state.tidy()?;
    Ok(reaped)
}

/// One event for each session, as for those of which there is something to remove.
fn tell_of_forgotten(state: &State, forgotten: &[&Entry], occasion: Occasion) {
    let mut sessions: BTreeMap<&SessionId, Vec<&Entry>> = BTreeMap::new();
    for &entry in forgotten {
        sessions.entry(&entry.tag.session).or_default().push(entry);
    }
    for (session, entries) in sessions {
        let whose = (session, entries[0].vg_name.as_str(), entries[0].record.as_ref());
        let volumes: Vec<Named> = entries.iter().map(|entry| entry.named()).collect();
        events::reaped(state.dir(), whose, &volumes, occasion, Was::Gone);
    }
}

/// Takes the record's word, else that of the volume's name.
fn age_of(entry: &Entry) -> Option<Duration> {
    let on_record = entry.record.as_ref();
    on_record
        .and_then(|record| clock::age(&record.allocated_at))
        .or_else(|| clock::age(&entry.tag.session.began()))
}

fn of_unknown_age(lv_name: &str) -> String {
    format!(
        "`{lv_name}` stays: nothing tells how old it is, or it is from the future (remove it with `kdev pool cleanup --kept {lv_name}`)"
    )
}

/// Writes the reason to the records of volumes whose VG cannot be looked at, so that not every process
/// that starts looks again.
fn remember_what_was_not_seen(state: &State, survey: &Survey) -> Result<()> {
    if survey.unseen.is_empty() {
        return Ok(());
    }
    state.update(|records| {
        for record in records.iter_mut().filter(|record| !record.is_kept()) {
            if let Some((_, err)) = survey
                .unseen
                .iter()
                .find(|(vg_name, _)| *vg_name == record.vg_name)
            {
                record.failure = Some(Failure {
                    at: clock::now(),
                    why: err.chain(),
                });
            }
        }
        Ok(())
    })
}

/// Removes the leases whose owners are dead and that no record and no LV needs any more.
///
/// Under the lock of the records, in which a new session takes its lease *and* writes its records, so
/// that a lease without records is one that nobody is about to need.
fn end_leases_of_nobody(state: &State, survey: Survey, reaped: &Reaped) -> Result<()> {
    let is_left = |entry: &&Entry| {
        !reaped.removed.contains(&entry.lv_name) && !reaped.forgotten.contains(&entry.lv_name)
    };
    let in_use: BTreeSet<SessionId> = survey
        .entries
        .iter()
        .filter(is_left)
        .map(|entry| entry.tag.session.clone())
        .collect();
    // Our own hold on dead leases would make them look alive below.
    drop(survey.leases);
    state.update(|records| {
        let recorded: BTreeSet<SessionId> = records.iter().filter_map(Record::session).collect();
        let sessions =
            Lease::sessions(state.dir()).map_err(|err| Error::io("list", state.dir().leases(), err))?;
        for session in sessions {
            if recorded.contains(&session) || in_use.contains(&session) || may_be_needed(state, &session) {
                continue;
            }
            if let (_, Some(lease)) = Lease::probe(state.dir(), &session) {
                lease.end()?;
            }
        }
        Ok(())
    })
}

/// Tells whether there may be something of a session where this sweep did not look.
fn may_be_needed(state: &State, session: &SessionId) -> bool {
    let me = nix::unistd::geteuid();
    // What root has made, others cannot see.
    let is_mine = || Lease::tag(state.dir(), session).is_some_and(|tag| tag.owner.uid == Some(me.as_raw()));
    let has_images = images_of(state, session).map_or(true, |images| !images.is_empty());
    has_images || !(me.is_root() || is_mine())
}
