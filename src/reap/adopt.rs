//! Each book is made whole from the other.

use crate::error::Result;
use crate::lease::Lease;
use crate::liveness::LeaseState;
use crate::pool_names::{EMBEDDED, IMAGES};
use crate::pools_file;
use crate::reap::books::Survey;
use crate::reap::entry::Entry;
use crate::reap::judge::{Presence, Verdict};
use crate::state::{FOUND, Found, Kind, State};

/// Writes down the volumes that no record tells of, so that the index is whole again.
pub(super) fn adopt(state: &State, survey: &mut Survey) -> Result<()> {
    let is_whole = |entry: &Entry| !is_unwritten(entry) && !is_kept_unwritten(entry);
    if survey.entries.iter().all(is_whole) {
        return Ok(());
    }
    let pools = pools_file::read(state.dir())?;
    let pool_of = |vg_name: &str| {
        let pool = pools.values().find(|entry| entry.lvm_config.vg_name == vg_name);
        pool.map_or(EMBEDDED, |entry| &entry.pool_name)
    };
    state.update(|records| {
        for entry in survey.entries.iter().filter(|entry| is_kept_unwritten(entry)) {
            let mut written = records.iter_mut();
            if let Some(record) = written.find(|record| record.lv_name == entry.lv_name) {
                record.kept.get_or_insert(FOUND.to_owned());
            }
        }
        for entry in survey.entries.iter_mut().filter(|entry| is_unwritten(entry)) {
            // A live owner gives its lease up when it has given the last volume back, in an update like
            // this one. What it has given back meanwhile is not to be written down again.
            let (lease, _) = Lease::probe(state.dir(), &entry.tag.session);
            if entry.verdict == Verdict::Alive && lease != LeaseState::Held {
                continue;
            }
            let record = Found {
                tag: &entry.tag,
                lv_name: &entry.lv_name,
                lv_path: &entry.path,
                pool_name: match entry.kind {
                    Kind::Lvm => pool_of(&entry.vg_name),
                    Kind::Loop => EMBEDDED,
                    Kind::Image => IMAGES,
                },
                vg_name: &entry.vg_name,
                kind: entry.kind,
                size: entry.size,
                uuid: entry.uuid.as_deref(),
                // By the volume's own word. Its lease may be held at this moment, by its watchdog.
                is_kept: entry.is_marked_kept,
            }
            .record();
            if records.named(&record.lv_name).is_none() {
                records.put(record.clone());
            }
            entry.record = Some(record);
        }
        Ok(())
    })
}

fn is_unwritten(entry: &Entry) -> bool {
    entry.record.is_none() && entry.presence == Presence::There
}

/// Whether its owner died between marking the volume itself and the record.
fn is_kept_unwritten(entry: &Entry) -> bool {
    let is_kept = entry.verdict == Verdict::Kept && entry.presence == Presence::There;
    is_kept && entry.record.as_ref().is_some_and(|record| record.kept.is_none())
}

/// Marks the volumes that are kept by their records alone, because their owner died over it. Returns what
/// could not be done, each as a sentence.
pub(super) fn mark_kept(survey: &Survey) -> Vec<String> {
    let unmarked = survey.entries.iter().filter(|entry| {
        let is_kept = entry.verdict == Verdict::Kept && entry.presence == Presence::There;
        is_kept && !entry.is_marked_kept && survey.leases.contains_key(&entry.tag.session)
    });
    let mut failures = Vec::new();
    for entry in unmarked {
        let Some(backend) = survey.backends.of(entry.kind, &entry.vg_name) else {
            continue;
        };
        if let Err(err) = backend.keep(&[(&entry.named(), None)], &entry.tag) {
            failures.push(err.chain());
        }
    }
    failures
}
