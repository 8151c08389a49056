//! When the dead are looked for: as a program starts, when a pool is full, when somebody asks, and when
//! a watchdog's owner has died.

use std::collections::{BTreeMap, BTreeSet};
use std::thread;
use std::time::{Duration, Instant};

use crate::clock;
use crate::error::{Error, Result};
use crate::events::Occasion;
use crate::here::Here;
use crate::lease::Lease;
use crate::liveness::{LeaseState, Liveness, liveness};
use crate::lock::FileLock;
use crate::lvm;
use crate::owner::OwnerTag;
use crate::pool_names::{EMBEDDED, IMAGES};
use crate::pools_file;
use crate::process::Process;
use crate::reap::books::{Places, dead_by_their_records, survey};
use crate::reap::judge::Wish;
use crate::reap::owners::is_anothers;
use crate::reap::reaped::Reaped;
use crate::reap::sweep::{Errand, sweep};
use crate::session_id::SessionId;
use crate::source::Source;
use crate::state::{Kind, Phase, Record, State};
use crate::trust;

/// How long a volume that could not be removed is left in peace by processes that merely start.
pub(super) const BETWEEN_RETRIES: Duration = Duration::from_secs(60);

/// How long is waited for others who are removing volumes.
const OTHERS_TIME: Duration = Duration::from_secs(30);

/// Removes what the dead left, if a look at records and leases shows that there is any.
///
/// Costs a few system calls for each session if there is none. Does not wait: if another reaper is at
/// work, it is left to it.
pub(crate) fn reap_if_any_died(state: &State) -> Result<Reaped> {
    let records = state.snapshot()?;
    let sessions = sessions_with_leases(state)?;
    if records.iter().next().is_none() && sessions.is_empty() {
        return Ok(Reaped::default());
    }
    let is_root = nix::unistd::geteuid().is_root();
    let is_in_reach = |kind: Kind| match kind {
        Kind::Image => true,
        Kind::Lvm => is_root || lvm::is_the_way(),
        Kind::Loop => is_root,
    };
    let worth = |record: &Record| {
        if !is_in_reach(record.kind) {
            return false;
        }
        let tried = record
            .failure
            .as_ref()
            .and_then(|failure| clock::age(&failure.at));
        tried.is_none_or(|age| age >= BETWEEN_RETRIES)
    };
    let mut places = Places {
        vgs: BTreeSet::new(),
        loops: is_root,
        images: true,
    };
    let mut any_died = false;
    for record in dead_by_their_records(state, &records, worth)? {
        any_died = true;
        if record.kind == Kind::Lvm {
            places.vgs.insert(record.vg_name.clone());
        }
    }
    // A lease that nobody holds and no record needs: the records were lost, and the volumes may be
    // anywhere.
    let recorded: BTreeSet<SessionId> = records.iter().filter_map(Record::session).collect();
    let is_lost = |session: &SessionId| {
        !recorded.contains(session) && Lease::probe(state.dir(), session).0 == LeaseState::Free
    };
    if sessions.iter().any(is_lost) {
        any_died = true;
        places = all_places(state)?;
    }
    if !any_died {
        return Ok(Reaped::default());
    }
    let lock = state.dir().reaper_lock();
    let Some(_lock) = FileLock::try_now(&lock).map_err(|err| trust::error("lock", lock, err))? else {
        return Ok(Reaped::default());
    };
    let errand = Errand {
        wish: &Wish::Orphans,
        occasion: Occasion::Constructor,
        progress: &mut |_, _| {},
    };
    sweep(state, survey(state, &places, BTreeMap::new())?, errand)
}

/// Removes what the dead left in one pool. Waits for a reaper that is at work.
pub(crate) fn reap_pool(pool: &Source) -> Result<Reaped> {
    let errand = Errand {
        wish: &Wish::Orphans,
        occasion: Occasion::FullPool,
        progress: &mut |_, _| {},
    };
    clean(pool.state(), Some(pool.name()), errand)
}

/// Waits, for a while, for volumes of a pool that others are removing: their owners, and watchdogs.
pub(crate) fn wait_for_removals(pool: &Source) -> Result<()> {
    let deadline = Instant::now() + OTHERS_TIME;
    let here = Here::get()?;
    let is_going = |record: &Record| {
        let is_meant = record.pool_name == pool.name() && !record.is_kept() && record.failure.is_none();
        // A session's name is a part of the volume's, and one of another form is nobody's to remove.
        let tag = record
            .session()
            .map(|session| OwnerTag::new(session, record.owner()));
        // Its watchdog has only just been woken.
        let is_dead =
            || liveness(&record.owner(), LeaseState::Missing, here, Process::find) == Liveness::Dead;
        is_meant
            && match tag {
                Some(tag) => is_going(
                    record.phase,
                    is_dead(),
                    record.kind == Kind::Lvm && is_anothers(&tag),
                ),
                None => false,
            }
    };
    while pool.state().snapshot()?.iter().any(is_going) && Instant::now() < deadline {
        thread::sleep(Duration::from_millis(20));
    }
    Ok(())
}

/// What another user left is that user's to remove, or root's, whenever they come to it.
fn is_going(phase: Phase, is_dead: bool, is_anothers: bool) -> bool {
    match is_dead {
        true => !is_anothers,
        false => phase == Phase::Removing,
    }
}

/// Removes the orphans of one pool, or of all, and the kept volumes that are wished away. `progress` is told
/// how many volumes have been dealt with, and of how many. Of all pools, those that are not started are passed over.
///
/// # Errors
///
/// [`Error::NoPool`] for a pool that is neither configured nor on record.
pub(crate) fn cleanup(
    state: &State,
    pool: Option<&str>,
    wish: &Wish,
    progress: &mut dyn FnMut(usize, usize),
) -> Result<Reaped> {
    let errand = Errand {
        wish,
        occasion: Occasion::Cleanup,
        progress,
    };
    clean(state, pool, errand)
}

fn clean(state: &State, pool: Option<&str>, errand: Errand<'_>) -> Result<Reaped> {
    state.dir().create()?;
    let _lock = wait_for_reapers(state)?;
    let mut places = places(state, pool)?;
    if pool.is_none() {
        // A timer would fail as long as they are not started.
        for entry in pools_file::read(state.dir())?.values() {
            if entry.is_not_started() {
                places.vgs.remove(&entry.lvm_config.vg_name);
            }
        }
    }
    sweep(state, survey(state, &places, BTreeMap::new())?, errand)
}

pub(super) fn sessions_with_leases(state: &State) -> Result<Vec<SessionId>> {
    Lease::sessions(state.dir()).map_err(|err| Error::io("list", state.dir().leases(), err))
}

/// One reaper at a time.
pub(super) fn wait_for_reapers(state: &State) -> Result<FileLock> {
    let lock = state.dir().reaper_lock();
    FileLock::wait(&lock).map_err(|err| trust::error("lock", lock, err))
}

/// Returns all the places in which this user can have volumes: images need no rights, LVs root or kdev-root, and
/// loop devices root.
pub(super) fn all_places(state: &State) -> Result<Places> {
    let mut all = places(state, None)?;
    if !nix::unistd::geteuid().is_root() {
        all.loops = false;
        if !lvm::is_the_way() {
            all.vgs.clear();
        }
    }
    Ok(all)
}

/// Returns where volumes of one pool, or of all, are to be looked for.
pub(crate) fn places(state: &State, pool: Option<&str>) -> Result<Places> {
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
    let (loops, images) = (is_meant(EMBEDDED), is_meant(IMAGES));
    match pool {
        Some(name) if vgs.is_empty() && !loops && !images => {
            Err(crate::pool::no_pool(name, state.dir(), entries.keys()))
        }
        _ => Ok(Places { vgs, loops, images }),
    }
}

#[cfg(test)]
mod tests {
    use rstest::rstest;

    use super::*;

    #[rstest]
    #[case::its_owner_removes_it(Phase::Removing, false, false, true)]
    #[case::also_another_user(Phase::Removing, false, true, true)]
    #[case::it_is_in_use(Phase::Active, false, false, false)]
    #[case::a_watchdog_removes_it(Phase::Active, true, false, true)]
    #[case::the_owner_died_over_it(Phase::Removing, true, false, true)]
    #[case::another_users_orphan(Phase::Active, true, true, false)]
    #[case::another_user_died_over_it(Phase::Removing, true, true, false)]
    fn what_others_are_removing_is_waited_for(
        #[case] phase: Phase,
        #[case] is_dead: bool,
        #[case] is_anothers: bool,
        #[case] expected: bool,
    ) {
        assert_eq!(is_going(phase, is_dead, is_anothers), expected);
    }
}
