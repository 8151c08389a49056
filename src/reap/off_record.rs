//! Volumes of which no record tells, found by what else does: an LV's tags, or the name of a loop device or
//! an image and the lease of the session in it.

use std::collections::BTreeSet;
use std::io;

use crate::images::{Found, in_directory};
use crate::lease::Lease;
use crate::loops::{Attached, attached};
use crate::lvm::Lv;
use crate::owner::OwnerTag;
use crate::reap::entry::Entry;
use crate::reap::judge::Presence;
use crate::reap::owners::Owners;
use crate::session_id::SessionId;
use crate::state::{Kind, Record, Records, State};

/// Takes an LV's own word, where no record tells of it.
pub(super) fn lv(vg_name: String, lv: Lv, tag: OwnerTag, owners: &mut Owners<'_>) -> Entry {
    Entry {
        verdict: owners.verdict(Kind::Lvm, &tag, lv.is_kept()),
        is_marked_kept: lv.is_kept(),
        lv_name: lv.name,
        path: lv.path,
        size: Some(lv.size),
        written: lv.written,
        uuid: Some(lv.uuid),
        activation: lv.activation,
        kind: Kind::Lvm,
        vg_name,
        tag,
        presence: Presence::There,
        record: None,
    }
}

/// Finds loop devices of ours that no record tells of: those that have the name of a session whose lease
/// is here. The lease says whose it was.
pub(super) fn loops(state: &State, records: &Records, owners: &mut Owners<'_>) -> Vec<Entry> {
    let lost = lost_sessions(state, records);
    if lost.is_empty() {
        return Vec::new();
    }
    let of_ours = |device: Attached| {
        let session = SessionId::of_lv(&device.name)?;
        if !lost.contains(&session) {
            return None;
        }
        Some((Lease::tag(state.dir(), &session)?, device))
    };
    attached()
        .into_iter()
        .filter_map(of_ours)
        .map(|(tag, device)| loop_device(device, tag, owners))
        .collect()
}

/// Finds images that no record tells of, where their sessions' leases say that they are.
pub(super) fn images(state: &State, records: &Records, owners: &mut Owners<'_>) -> Vec<Entry> {
    let lost = lost_sessions(state, records).into_iter();
    let tagged = |session: SessionId| {
        let tag = Lease::tag(state.dir(), &session)?;
        // Before the look: an owner that marks its image as kept between the two, and ends, would else have
        // let go of one without a mark.
        owners.liveness(Kind::Image, &tag);
        // What cannot be seen keeps its lease, by which it is found as soon as it can.
        let found = images_of(state, &session).ok()?;
        Some(found.into_iter().map(move |image| (image, tag.clone())))
    };
    let found: Vec<(Found, OwnerTag)> = lost.filter_map(tagged).flatten().collect();
    found
        .into_iter()
        .map(|(found, tag)| image(found, tag, owners))
        .collect()
}

/// Lists the images of a session in the directory that its lease names.
pub(super) fn images_of(state: &State, session: &SessionId) -> io::Result<Vec<Found>> {
    let Some(directory) = Lease::images(state.dir(), session) else {
        return Ok(Vec::new());
    };
    let mut found = in_directory(&directory)?;
    found.retain(|image| SessionId::of_lv(&image.lv_name).as_ref() == Some(session));
    Ok(found)
}

/// The sessions that have a lease, but no record. Usually there is none, and nothing need be looked at.
fn lost_sessions(state: &State, records: &Records) -> BTreeSet<SessionId> {
    let recorded: BTreeSet<SessionId> = records.iter().filter_map(Record::session).collect();
    let sessions = Lease::sessions(state.dir()).unwrap_or_default().into_iter();
    sessions.filter(|session| !recorded.contains(session)).collect()
}

/// Takes a loop device's own word, and its lease's.
fn loop_device(device: Attached, tag: OwnerTag, owners: &mut Owners<'_>) -> Entry {
    Entry {
        verdict: owners.verdict(Kind::Loop, &tag, !device.is_autoclear),
        is_marked_kept: !device.is_autoclear,
        lv_name: device.name,
        path: device.path,
        size: Some(device.size),
        written: None,
        uuid: None,
        activation: None,
        kind: Kind::Loop,
        vg_name: String::new(),
        tag,
        presence: Presence::There,
        record: None,
    }
}

/// Takes an image's own word, and its lease's. A mark whose image is gone is all that is left of one that
/// was kept.
fn image(image: Found, tag: OwnerTag, owners: &mut Owners<'_>) -> Entry {
    Entry {
        verdict: owners.verdict(Kind::Image, &tag, image.is_marked_kept),
        is_marked_kept: image.is_marked_kept,
        lv_name: image.lv_name,
        path: image.path,
        presence: match image.size {
            Some(_) => Presence::There,
            None => Presence::Gone,
        },
        size: image.size,
        written: None,
        uuid: None,
        activation: None,
        kind: Kind::Image,
        vg_name: String::new(),
        tag,
        record: None,
    }
}
