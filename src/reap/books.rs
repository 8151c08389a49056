//! The two books, records and tagged LVs, read as one.

use std::collections::{BTreeMap, BTreeSet};

use kdev_volumes_spec::Bytes;

use crate::backend::Backend;
use crate::error::{Error, Result};
use crate::images::{self, ImageDir};
use crate::lease::Lease;
use crate::liveness::Liveness;
use crate::loops::{self, LoopDir};
use crate::lvm::{Group, Listing, Lv, Room};
use crate::owner::OwnerTag;
use crate::reap::entry::Entry;
use crate::reap::judge::{Presence, Verdict};
use crate::reap::off_record;
use crate::reap::owners::Owners;
use crate::session_id::SessionId;
use crate::state::{Kind, Phase, Record, Records, State};

/// All that the books say.
#[derive(Debug, Default)]
pub(crate) struct Survey {
    pub(crate) entries: Vec<Entry>,
    /// LVs in our VGs that are not ours.
    pub(crate) foreign: Vec<(String, Lv)>,
    pub(crate) backends: Backends,
    /// Parts of thin pools that keep these from working.
    pub(crate) wedged: Vec<(Group, String)>,
    /// The VGs that could not be looked at, and why.
    pub(crate) unseen: Vec<(String, Error)>,
    /// The leases of dead owners, held by us now.
    pub(crate) leases: BTreeMap<SessionId, Lease>,
}

/// Where volumes are looked for.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Places {
    /// The names of VGs.
    pub(crate) vgs: BTreeSet<String>,
    /// Whether loop devices are meant too.
    pub(crate) loops: bool,
    /// Whether images are.
    pub(crate) images: bool,
}

/// What volumes are removed with: the VGs that were looked at, by name.
#[derive(Debug, Default)]
pub(crate) struct Backends {
    groups: BTreeMap<String, (Group, Room)>,
}

impl Backends {
    pub(crate) fn of(&self, kind: Kind, vg_name: &str) -> Option<Backend> {
        match kind {
            Kind::Loop => Some(Backend::Loop(LoopDir::from_env())),
            Kind::Image => Some(Backend::Image(ImageDir::from_env())),
            Kind::Lvm => {
                let (group, _) = self.groups.get(vg_name)?;
                Some(Backend::Lvm(group.clone()))
            }
        }
    }

    /// Returns the room in a VG that could be looked at.
    pub(crate) fn room(&self, vg_name: &str) -> Option<Room> {
        self.groups.get(vg_name).map(|(_, room)| *room)
    }
}

/// Reads both books for the given places, and judges each volume.
///
/// `seized` are leases of owners that are known to be dead.
pub(crate) fn survey(state: &State, places: &Places, seized: BTreeMap<SessionId, Lease>) -> Result<Survey> {
    let mut survey = Survey::default();
    // Records first: a session that is made meanwhile then shows as an LV without a record, whose tag
    // and lease say that its owner lives. The other way round it would be a record without an LV.
    let records = state.snapshot()?;
    let mut owners = Owners::new(state, seized)?;
    // Judged before the look at LVM. An owner that dies between the two while LVM makes its volume
    // would else be dead, and have nothing.
    let judged: Vec<(&Record, OwnerTag, Liveness)> = records
        .iter()
        .filter(|record| places.have(record))
        .filter_map(|record| {
            // A record whose name is not of our form is not ours to owners.
            let tag = OwnerTag::new(record.session()?, record.owner());
            let liveness = owners.liveness(record.kind, &tag);
            Some((record, tag, liveness))
        })
        .collect();
    let mut lvs = survey.look_at(&places.vgs);
    for (record, tag, first) in judged {
        let at = lvs
            .iter()
            .position(|(vg_name, lv)| *vg_name == record.vg_name && lv.name == record.lv_name);
        let lv = at.map(|at| lvs.swap_remove(at).1);
        let entry = survey.on_record(record, tag, lv, first, &mut owners);
        survey.entries.push(entry);
    }
    for (vg_name, lv) in lvs {
        match lv.owner() {
            Some(tag) => {
                let entry = off_record::lv(vg_name, lv, tag, &mut owners);
                survey.entries.push(entry);
            }
            None => survey.foreign.push((vg_name, lv)),
        }
    }
    if places.loops {
        let found = off_record::loops(state, &records, &mut owners);
        survey.entries.extend(found);
    }
    if places.images {
        let found = off_record::images(state, &records, &mut owners);
        survey.entries.extend(found);
    }
    survey.hear_the_last_word(&state.snapshot()?);
    survey.leases = owners.into_free_leases();
    Ok(survey)
}

impl Places {
    fn have(&self, record: &Record) -> bool {
        match record.kind {
            Kind::Loop => self.loops,
            Kind::Image => self.images,
            Kind::Lvm => self.vgs.contains(&record.vg_name),
        }
    }
}

impl Survey {
    /// Lists the LVs of these VGs, and notes what else is to be known of them.
    fn look_at(&mut self, vg_names: &BTreeSet<String>) -> Vec<(String, Lv)> {
        let mut lvs = Vec::new();
        for vg_name in vg_names {
            match Group::survey(vg_name) {
                Ok((group, room, Listing { volumes, wedged })) => {
                    lvs.extend(volumes.into_iter().map(|lv| (vg_name.clone(), lv)));
                    let wedged = wedged.into_iter().map(|part| (group.clone(), part));
                    self.wedged.extend(wedged);
                    self.backends.groups.insert(vg_name.clone(), (group, room));
                }
                Err(err) => self.unseen.push((vg_name.clone(), err)),
            }
        }
        lvs
    }

    /// Who died, or ended, since the records were read may have written there that its volumes are kept. Its
    /// lease is ours by now, so that nothing is written after this.
    fn hear_the_last_word(&mut self, records: &Records) {
        let records: BTreeMap<&str, &Record> = records
            .iter()
            .map(|record| (record.lv_name.as_str(), record))
            .collect();
        for entry in &mut self.entries {
            let Some(&record) = records.get(entry.lv_name.as_str()) else {
                continue;
            };
            if record.is_kept() && entry.verdict != Verdict::Alive {
                entry.verdict = Verdict::Kept;
            }
            entry.record = Some(record.clone());
        }
    }

    /// Puts together what a record and the LV of its name say.
    fn on_record(
        &mut self,
        record: &Record,
        tag: OwnerTag,
        lv: Option<Lv>,
        first: Liveness,
        owners: &mut Owners<'_>,
    ) -> Entry {
        let is_marked = match record.kind {
            Kind::Image => images::is_marked_kept(&record.lv_path, &record.lv_name),
            Kind::Lvm | Kind::Loop => lv.as_ref().is_some_and(Lv::is_kept),
        };
        let kept = record.is_kept() || (record.phase == Phase::Active && is_marked);
        let lv_tag = lv.as_ref().and_then(Lv::owner);
        if let (Some(lv), None) = (&lv, &lv_tag) {
            // The name was taken over by something of somebody else's.
            self.foreign.push((record.vg_name.clone(), lv.clone()));
        }
        let tag = lv_tag.unwrap_or(tag);
        let recorded_size = record.size_bytes.map(Bytes::new);
        Entry {
            lv_name: record.lv_name.clone(),
            presence: presence(record, lv.as_ref(), &self.backends),
            verdict: match first {
                // What the LV itself says of its owner counts too.
                Liveness::Dead => owners.verdict(record.kind, &tag, kept),
                _ => Verdict::of(kept, first),
            },
            is_marked_kept: is_marked || (lv.is_none() && record.kind != Kind::Image),
            size: lv.as_ref().map(|lv| lv.size).or(recorded_size),
            written: lv.as_ref().and_then(|lv| lv.written),
            uuid: lv.as_ref().map(|lv| lv.uuid.clone()),
            activation: lv.as_ref().and_then(|lv| lv.activation),
            path: lv.map_or_else(|| record.lv_path.clone(), |lv| lv.path),
            kind: record.kind,
            vg_name: record.vg_name.clone(),
            tag,
            record: Some(record.clone()),
        }
    }
}

fn presence(record: &Record, lv: Option<&Lv>, backends: &Backends) -> Presence {
    match record.kind {
        Kind::Loop => match loops::is_attached(&record.lv_path, &record.lv_name) {
            Ok(true) => Presence::There,
            Ok(false) => Presence::Gone,
            Err(_) => Presence::Unseen,
        },
        // What cannot be looked at cannot be removed either, and the attempt says why.
        Kind::Image => match images::is_there(&record.lv_path, &record.lv_name) {
            Ok(false) => Presence::Gone,
            Ok(true) | Err(_) => Presence::There,
        },
        Kind::Lvm => match lv {
            Some(lv) if lv.owner().is_some() => Presence::There,
            None if backends.room(&record.vg_name).is_none() => Presence::Unseen,
            _ => Presence::Gone,
        },
    }
}

/// Tells quickly, without a look at LVM, which records are worth a sweep.
pub(crate) fn dead_by_their_records<'a>(
    state: &State,
    records: &'a Records,
    worth: impl Fn(&Record) -> bool,
) -> Result<Vec<&'a Record>> {
    let mut owners = Owners::new(state, BTreeMap::new())?;
    let mut dead = Vec::new();
    for record in records.iter().filter(|record| !record.is_kept() && worth(record)) {
        let Some(session) = record.session() else { continue };
        let tag = OwnerTag::new(session, record.owner());
        if owners.verdict(record.kind, &tag, false) == Verdict::Dead {
            dead.push(record);
        }
    }
    Ok(dead)
}
