//! Removing kept volumes of which there are too many.

use std::collections::BTreeMap;

use crate::clock;
use crate::error::Result;
use crate::events::Occasion;
use crate::liveness::Liveness;
use crate::reap::books::survey;
use crate::reap::entry::Entry;
use crate::reap::judge::{Presence, Verdict, Wish};
use crate::reap::occasions::{BETWEEN_RETRIES, places, wait_for_reapers};
use crate::reap::owners::Owners;
use crate::reap::reaped::Reaped;
use crate::reap::sweep::{Errand, sweep};
use crate::retention::{KeepMax, KeptVolume};
use crate::session_id::SessionId;
use crate::state::{Record, State};

/// Removes the kept sessions of a pool that are too many, the oldest first; `latest` was kept just now.
///
/// Waits for a reaper that is at work. Of two processes that keep something at once, the second finds
/// what the first has left.
pub(crate) fn retain(state: &State, pool_name: &str, most: KeepMax, latest: &SessionId) -> Result<Reaped> {
    // Mostly the records tell that there are not too many, and LVM need not be asked.
    let records = state.snapshot()?;
    let of_pool = records.iter().filter(|record| record.pool_name == pool_name);
    let on_record: Vec<KeptVolume> = of_pool.filter_map(|record| kept(record, true)).collect();
    if most.surplus(&on_record, latest).is_empty() {
        return Ok(Reaped::default());
    }
    let _lock = wait_for_reapers(state)?;
    let survey = survey(state, &places(state, Some(pool_name))?, BTreeMap::new())?;
    let mut owners = Owners::new(state, BTreeMap::new())?;
    let mut kept_volume = |entry| kept_in_pool(entry, pool_name, &mut owners);
    let there: Vec<KeptVolume> = survey.entries.iter().filter_map(&mut kept_volume).collect();
    let surplus = most.surplus(&there, latest);
    let is_worth_a_try = |name: &&str| {
        let entry = survey.entries.iter().find(|entry| entry.lv_name == **name);
        let record = entry.and_then(|entry| entry.record.as_ref());
        let failed_at = record.and_then(|record| clock::age(&record.failure.as_ref()?.at));
        failed_at.is_none_or(|age| age >= BETWEEN_RETRIES)
    };
    let names: Vec<String> = surplus
        .into_iter()
        .filter(is_worth_a_try)
        .map(str::to_owned)
        .collect();
    if names.is_empty() {
        return Ok(Reaped::default());
    }
    // Its hold on leases would make their owners look alive.
    drop(owners);
    let errand = Errand {
        wish: &Wish::KeptNamed(names),
        occasion: Occasion::KeepMax,
        progress: &mut |_, _| {},
    };
    sweep(state, survey, errand)
}

fn kept(record: &Record, is_nobodys: bool) -> Option<KeptVolume<'_>> {
    record.is_kept().then_some(KeptVolume {
        lv_name: &record.lv_name,
        session: record.session()?,
        reason: record.kept.as_deref(),
        is_nobodys,
    })
}

/// Returns a volume that is there; that of an owner of whom nothing is known is not nobody's.
fn kept_in_pool<'a>(entry: &'a Entry, pool_name: &str, owners: &mut Owners<'_>) -> Option<KeptVolume<'a>> {
    let record = entry
        .record
        .as_ref()
        .filter(|record| record.pool_name == pool_name)?;
    let is_kept = entry.verdict == Verdict::Kept && entry.presence == Presence::There;
    let is_dead = owners.liveness(entry.kind, &entry.tag) == Liveness::Dead;
    is_kept.then(|| kept(record, is_dead))?
}
