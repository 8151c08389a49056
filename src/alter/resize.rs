use std::path::Path;

use kdev_volumes_spec::Bytes;

use crate::alter::{Altering, refused};
use crate::backend::{Backend, Named};
use crate::error::{Error, Result};
use crate::events;
use crate::fault;
use crate::holders::standing_on;
use crate::images;
use crate::loops::LoopDevice;
use crate::lvm::{Group, Room};
use crate::source::{FILE_UNIT, no_space};
use crate::state::Record;
use crate::trust;

const DONE: &str = "resized";

/// Gives a volume another size, rounded up, and returns it.
///
/// Its record never says that there is less than there is: it is written before a volume grows, and after it
/// has shrunk. Nor that it is clean where it may not be: also if all dies half-way.
pub(crate) fn resize(
    on: &Altering<'_>,
    volume: &Named,
    device: Option<&LoopDevice>,
    size: Bytes,
) -> Result<Bytes> {
    on.check_may(&volume.lv_name, DONE)?;
    let room = match on.backend {
        Backend::Lvm(group) => Some(Group::open(&group.name)?),
        Backend::Loop(_) | Backend::Image(_) => None,
    };
    let unit = room.as_ref().map_or(FILE_UNIT, |(_, room)| room.extent);
    let to = size.round_up(unit).ok_or_else(|| Error::TooLarge {
        volume: volume.lv_name.clone(),
        size,
        unit,
    })?;
    if to.get() == 0 {
        return Err(refused(
            &volume.lv_name,
            DONE,
            "nothing is no size (ask for more)",
        ));
    }
    let from = match &room {
        Some((group, room)) => size_of_lv(on, group, room, volume, to)?,
        None => volume.size,
    };
    if to < from {
        let standing = standing_on(&[&volume.path]).remove(0);
        if !standing.is_empty() {
            let why = format!(
                "what is in use would be cut off: it is {} (unmount it first)",
                standing.join(", ")
            );
            return Err(refused(&volume.lv_name, DONE, why));
        }
    }
    // What was not clean before is not by another attempt, unless that comes to its end.
    let clean = clean_part(on, volume)?.map_or(from, |clean| clean.min(from));
    let clean_of = |size: Bytes| (size > clean && needs_cleaning(on)).then_some(clean);
    let mut record = None;
    if to > from {
        record = write_down(on, volume, to, clean_of(to))?;
    }
    let done = match &room {
        Some((group, _)) => resize_lv(on, group, volume, from, to),
        None => resize_file(on, volume, device, to),
    };
    match done {
        Ok(()) if to > from && !needs_cleaning(on) => {}
        Ok(()) => record = write_down(on, volume, to, None)?,
        Err(err) => {
            let mapped = room.and_then(|(group, _)| group.mapped(&volume.lv_name));
            let size = mapped.map_or(from, |mapped| mapped.size);
            write_down(on, volume, size, clean_of(size))?;
            return Err(err);
        }
    }
    if let Some(record) = record.filter(|_| to != from) {
        events::resized(on.state.dir(), &record, from);
    }
    Ok(to)
}

/// What is added to a thin LV, or to a file, is all zeros.
fn needs_cleaning(on: &Altering<'_>) -> bool {
    matches!(on.backend, Backend::Lvm(group) if group.thin.is_none())
}

/// Returns the record, if there is one.
fn write_down(
    on: &Altering<'_>,
    volume: &Named,
    size: Bytes,
    clean: Option<Bytes>,
) -> Result<Option<Record>> {
    let record = on.state.update(|records| {
        let mut records = records.iter_mut();
        let record = records.find(|record| record.lv_name == volume.lv_name);
        Ok(record.map(|record| {
            record.size_bytes = Some(size.get());
            record.clean_bytes = clean.map(Bytes::get);
            record.clone()
        }))
    })?;
    fault::point("size written down");
    Ok(record)
}

/// Returns how much of a volume is clean, if that is not all.
fn clean_part(on: &Altering<'_>, volume: &Named) -> Result<Option<Bytes>> {
    let records = on.state.snapshot()?;
    let record = records.named(&volume.lv_name);
    Ok(record.and_then(|record| record.clean_bytes).map(Bytes::new))
}

/// Makes sure that an LV can be given that size, and returns the one that it has.
fn size_of_lv(on: &Altering<'_>, group: &Group, room: &Room, volume: &Named, to: Bytes) -> Result<Bytes> {
    let refused = |why: String| Err(refused(&volume.lv_name, DONE, why));
    let Some(mapped) = group.mapped(&volume.lv_name) else {
        let why = format!(
            "it is not active (`lvchange --activate y {}/{}`)",
            group.name, volume.lv_name
        );
        return refused(why);
    };
    group.check_owner(&volume.lv_name, on.tag)?;
    if let Some(clean) = clean_part(on, volume)?.filter(|clean| mapped.size > *clean && to > *clean) {
        return refused(format!(
            "it is of {size}, but making it so was begun at {clean} and did not come to its end: what was added may show \
             another's data, or be in use by now (`kdev volume resize {name} {clean}` takes it away)",
            size = mapped.size,
            name = volume.lv_name,
        ));
    }
    if mapped.size == to {
        return Ok(to);
    }
    if mapped.is_snapshot() {
        return refused("it is a snapshot in a pool of thick volumes, of the size of its origin".to_owned());
    }
    let snapshots = mapped.snapshots();
    if !snapshots.is_empty() {
        let why = format!(
            "it has the snapshot `{}`, and in a pool of thick volumes LVM resizes no volume that has one (remove that first)",
            snapshots.join("`, `")
        );
        return refused(why);
    }
    let more = Bytes::new(to.get().saturating_sub(mapped.size.get()));
    match more > room.free {
        true => Err(no_space(on.state, &on.pool_name(volume)?, room, more)),
        false => Ok(mapped.size),
    }
}

fn resize_lv(on: &Altering<'_>, group: &Group, volume: &Named, from: Bytes, to: Bytes) -> Result<()> {
    // LVM has it for an error.
    if from == to {
        return Ok(());
    }
    group.resize(&volume.lv_name, to, to > from, on.lock()?)?;
    match group.mapped(&volume.lv_name) {
        Some(mapped) if mapped.size == to => {
            clean_added(on, group, &mapped.path, (from, to)).inspect_err(|_| {
                // It would show what it must not, and to whoever asks for that size again it would be of it already.
                // If this fails too, the first failure is what is told.
                let _ = on
                    .lock()
                    .and_then(|lock| group.resize(&volume.lv_name, from, false, lock));
            })
        }
        other => {
            let size = other.map_or_else(|| "not there".to_owned(), |mapped| format!("of {}", mapped.size));
            let why = format!("LVM has resized it to {to}, and the kernel says that it is {size}");
            Err(refused(&volume.lv_name, DONE, why))
        }
    }
}

fn clean_added(on: &Altering<'_>, group: &Group, device: &Path, (from, to): (Bytes, Bytes)) -> Result<()> {
    match needs_cleaning(on) && to > from {
        true => group.clean.apply_to_added(device, (from, to), || on.lock()),
        false => Ok(()),
    }
}

fn resize_file(on: &Altering<'_>, volume: &Named, device: Option<&LoopDevice>, to: Bytes) -> Result<()> {
    match (on.backend, device) {
        (Backend::Image(_), _) => images::resize(&volume.path, &volume.lv_name, to)
            .map_err(|err| trust::error("resize the image", &volume.path, err)),
        (_, Some(device)) => device.resize(to),
        (_, None) => Err(refused(
            &volume.lv_name,
            DONE,
            "the file behind this loop device has no name, and only the test that made it has it open",
        )),
    }
}
