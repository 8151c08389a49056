use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use crate::backend::{Leftover, Named};
use crate::clock;
use crate::error::{Error, Result};
use crate::give_back::give_back;
use crate::lease::Lease;
use crate::lock::FileLock;
use crate::owner::OwnerTag;
use crate::pool::{EMBEDDED, Pool};
use crate::pools_file;
use crate::reap::books::{Entry, Survey, dead_by_their_records, survey};
use crate::reap::judge::{Action, Wish, action};
use crate::session_id::SessionId;
use crate::state::{Failure, Kind, Record, State};

/// How long a volume that could not be removed is left in peace by processes that merely start.
const BETWEEN_RETRIES: Duration = Duration::from_secs(60);

/// What a sweep has done.
#[derive(Debug, Default)]
pub(crate) struct Reaped {
    /// The names of the volumes that were removed.
    pub(crate) removed: Vec<String>,
    /// The records that were dropped because their volumes are gone.
    pub(crate) forgotten: Vec<String>,
    /// The volumes that could not be removed; they stay on record.
    pub(crate) left: Vec<Leftover>,
    /// What else could not be done, each as a sentence.
    pub(crate) failures: Vec<String>,
}

impl Reaped {
    /// Tells of it on standard error, if there is anything to tell.
    pub(crate) fn tell(&self) {
        if !self.removed.is_empty() {
            eprintln!(
                "kdev: removed {} that dead processes left: {}",
                volumes(self.removed.len()),
                self.removed.join(", ")
            );
        }
        for left in &self.left {
            eprintln!("kdev: could not remove {left}, it stays on record");
        }
        for failure in &self.failures {
            eprintln!("kdev: {failure}");
        }
    }
}

fn volumes(count: usize) -> String {
    match count {
        1 => "1 volume".to_owned(),
        _ => format!("{count} volumes"),
    }
}

/// Removes what the dead left, if a look at the records alone shows that there is any.
///
/// Costs a few system calls for each session on record if there is none. Does not wait: if another
/// reaper is at work, it is left to it.
pub(crate) fn reap_if_any_died(state: &State) -> Result<Reaped> {
    let records = state.snapshot()?;
    if records.iter().next().is_none() {
        return Ok(Reaped::default());
    }
    let is_root = nix::unistd::geteuid().is_root();
    let worth = |record: &Record| {
        let tried = record
            .failure
            .as_ref()
            .and_then(|failure| clock::age(&failure.at));
        is_root && tried.is_none_or(|age| age >= BETWEEN_RETRIES)
    };
    let dead = dead_by_their_records(state, &records, worth)?;
    if dead.is_empty() {
        return Ok(Reaped::default());
    }
    let lock = state.dir().reaper_lock();
    let Some(_lock) = FileLock::try_now(&lock).map_err(|err| Error::io("lock", lock, err))? else {
        return Ok(Reaped::default());
    };
    let vgs = dead
        .iter()
        .filter(|record| record.kind == Kind::Lvm)
        .map(|record| record.vg_name.clone())
        .collect();
    sweep(state, survey(state, &vgs, true)?, &Wish::Orphans)
}

/// Removes what the dead left in one pool. Waits for a reaper that is at work.
pub(crate) fn reap_pool(pool: &Pool) -> Result<Reaped> {
    cleanup(pool.state(), Some(pool.name()), &Wish::Orphans)
}

/// Removes the orphans of one pool, or of all, and the kept volumes that are wished away.
///
/// # Errors
///
/// [`Error::NoPool`] for a pool that is neither configured nor on record.
pub(crate) fn cleanup(state: &State, pool: Option<&str>, wish: &Wish) -> Result<Reaped> {
    state.dir().create()?;
    let lock = state.dir().reaper_lock();
    let _lock = FileLock::wait(&lock).map_err(|err| Error::io("lock", lock, err))?;
    let (vgs, loops) = places(state, pool)?;
    sweep(state, survey(state, &vgs, loops)?, wish)
}

/// Returns the VGs of one pool, or of all, and whether loop devices are meant too.
pub(crate) fn places(state: &State, pool: Option<&str>) -> Result<(BTreeSet<String>, bool)> {
    let entries = pools_file::read(state.dir())?;
    let is_meant = |name: &str| pool.is_none_or(|pool| pool == name);
    let configured = entries.values().filter(|entry| is_meant(&entry.pool_name));
    let mut vgs: BTreeSet<String> = configured.map(|entry| entry.lvm_config.vg_name.clone()).collect();
    // A pool that was taken out of the configuration may still have volumes on record.
    let records = state.snapshot()?;
    let recorded = records
        .iter()
        .filter(|record| record.kind == Kind::Lvm && is_meant(&record.pool_name));
    vgs.extend(recorded.map(|record| record.vg_name.clone()));
    let loops = is_meant(EMBEDDED);
    match pool {
        Some(name) if vgs.is_empty() && !loops => {
            Err(crate::pool::no_pool(name, state.dir(), entries.keys()))
        }
        _ => Ok((vgs, loops)),
    }
}

fn sweep(state: &State, mut survey: Survey, wish: &Wish) -> Result<Reaped> {
    let mut reaped = Reaped::default();
    let mut doomed: BTreeMap<(String, String), (OwnerTag, Kind, Vec<Named>)> = BTreeMap::new();
    let mut forgotten: Vec<&Entry> = Vec::new();
    for entry in &survey.entries {
        let phase = entry.record.as_ref().map(|record| record.phase);
        match action(&entry.lv_name, entry.verdict, entry.presence, phase, wish) {
            Action::Leave => {}
            Action::Forget => forgotten.push(entry),
            Action::Remove => {
                // By the tag, not only by the session: what is removed has exactly this owner.
                let key = (entry.vg_name.clone(), entry.tag.to_string());
                let (_, _, volumes) = doomed
                    .entry(key)
                    .or_insert_with(|| (entry.tag.clone(), entry.kind, Vec::new()));
                volumes.push(Named {
                    lv_name: entry.lv_name.clone(),
                    path: entry.path.clone(),
                    size: entry.size.unwrap_or_default(),
                });
            }
        }
    }
    reaped.forgotten = forgotten.iter().map(|entry| entry.lv_name.clone()).collect();
    if !forgotten.is_empty() {
        state.update(|records| {
            records.drop_if(|record| reaped.forgotten.contains(&record.lv_name));
            Ok(())
        })?;
    }
    for ((vg_name, _), (tag, kind, volumes)) in doomed {
        let Some(backend) = survey.backends.of(kind, &vg_name) else {
            // A volume that is there was seen in its VG; nothing is removed by any other knowledge.
            continue;
        };
        let mut lease = survey.leases.remove(&tag.session);
        match give_back(state, &backend, &tag, &volumes, &mut lease) {
            Ok(left) => {
                let is_left = |name: &str| left.iter().any(|left| left.lv_name == name);
                reaped.removed.extend(
                    volumes
                        .into_iter()
                        .map(|volume| volume.lv_name)
                        .filter(|name| !is_left(name)),
                );
                reaped.left.extend(left);
            }
            Err(err) => reaped.failures.push(format!(
                "could not remove volumes of session {}: {}",
                tag.session,
                err.chain()
            )),
        }
        // One lease may stand for volumes in several VGs, if somebody moved them.
        if let Some(lease) = lease {
            survey.leases.insert(tag.session, lease);
        }
    }
    reaped
        .failures
        .extend(survey.unseen.iter().map(|(_, err)| err.chain()));
    remember_what_was_not_seen(state, &survey)?;
    end_leases_of_nobody(state, survey, &reaped)?;
    Ok(reaped)
}

/// Writes the reason to the records of volumes whose VG cannot be looked at, so that not every process
/// that starts looks again.
fn remember_what_was_not_seen(state: &State, survey: &Survey) -> Result<()> {
    if survey.unseen.is_empty() {
        return Ok(());
    }
    state.update(|records| {
        for record in records.iter_mut().filter(|record| record.kept.is_none()) {
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
            if recorded.contains(&session) || in_use.contains(&session) {
                continue;
            }
            if let (_, Some(lease)) = Lease::probe(state.dir(), &session) {
                lease.end()?;
            }
        }
        Ok(())
    })
}
