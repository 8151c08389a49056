use std::path::PathBuf;

use kdev_volumes_spec::{Bytes, VolumeSpec};

use crate::alter::{Altering, refused};
use crate::backend::{Backend, Made, Named};
use crate::clock;
use crate::error::{Error, Result};
use crate::events;
use crate::give_back::{all_gone, give_back};
use crate::holders::standing_on;
use crate::images;
use crate::loops::{LoopDevice, attached};
use crate::lvm::Group;
use crate::source::no_space;
use crate::state::{Phase, Record, SNAPSHOT_OF};
use crate::trust;

const DONE: &str = "given a snapshot";

/// A snapshot that was made.
pub(crate) struct Snapshot {
    pub(crate) made: Made,
    pub(crate) record: Record,
    /// Whether it goes with the volume that it is of.
    pub(crate) goes_with_its_origin: bool,
}

/// Makes a volume that is what another one is at this moment, in the same session and under the same owner.
///
/// As with any volume, its record comes first.
pub(crate) fn snapshot(
    on: &Altering<'_>,
    origin: &Record,
    device: Option<&LoopDevice>,
    name: &str,
) -> Result<Snapshot> {
    on.check_may(&origin.lv_name, DONE)?;
    let volume = Named::on_record(origin);
    let size = volume.size;
    let spec = VolumeSpec::new(name, size)?;
    let prefix = origin
        .lv_name
        .strip_suffix(&format!("-{}-{}", on.tag.session, origin.volume_spec.name));
    let Some(prefix) = prefix else {
        return Err(refused(&origin.lv_name, DONE, "its record does not fit its name"));
    };
    let record = new_record(on, origin, prefix, &spec);
    let (takes, goes_with_its_origin) = match on.backend {
        Backend::Lvm(group) => check_lv(on, &group.name, &volume, &record.lv_name)?,
        Backend::Loop(_) | Backend::Image(_) => {
            check_copy(on, &volume, &record)?;
            (size, false)
        }
    };
    let is_new = on.state.update(|records| {
        let is_new = records.named(&record.lv_name).is_none();
        if is_new {
            records.put(record.clone());
        }
        Ok(is_new)
    })?;
    if !is_new {
        return Err(taken(&volume, &record.lv_name));
    }
    let mut named = Named {
        lv_name: record.lv_name.clone(),
        // What stands at the path of an image that could not be made is somebody else's.
        path: match on.backend {
            Backend::Lvm(_) | Backend::Loop(_) => record.lv_path.clone(),
            Backend::Image(_) => PathBuf::new(),
        },
        size: takes,
        uuid: None,
    };
    let made = make(on, &volume, &mut named, device, record.kept.is_some()).and_then(|made| {
        let mut record = record;
        record.phase = Phase::Active;
        record.lv_uuid.clone_from(&made.uuid);
        record.size_bytes = Some(made.size.get());
        record.lv_path.clone_from(&made.path);
        on.state.update(|records| {
            records.put(record.clone());
            Ok(())
        })?;
        events::snapshot(on.state.dir(), &record, &origin.lv_name);
        Ok(Snapshot {
            made,
            record,
            goes_with_its_origin,
        })
    });
    made.inspect_err(|_| {
        // The lease is its session's, which has other volumes.
        let undone = give_back(on.state, on.backend, on.tag, &[named], &mut None);
        if let Err(undone) = undone.and_then(|left| all_gone(&left)) {
            eprintln!("kdev: while giving up a snapshot: {}", undone.chain());
        }
    })
}

fn make(
    on: &Altering<'_>,
    origin: &Named,
    named: &mut Named,
    device: Option<&LoopDevice>,
    is_kept: bool,
) -> Result<Made> {
    if let (Backend::Loop(_), None) = (on.backend, device) {
        let why = "the file behind this loop device has no name, and only the test that made it has it open";
        return Err(refused(&origin.lv_name, DONE, why));
    }
    let made = on
        .backend
        .snapshot(origin, named, device, (on.tag, is_kept), on.lock()?)?;
    if let (Some(device), true) = (&made.device, is_kept) {
        device.outlive_us()?;
    }
    Ok(made)
}

/// Makes sure that a snapshot of an LV can be made by that name. Returns what it takes of the VG, and whether it will
/// go with its origin: a thick one does.
fn check_lv(on: &Altering<'_>, vg_name: &str, origin: &Named, name: &str) -> Result<(Bytes, bool)> {
    let (group, room) = Group::open(vg_name)?;
    let lvs = group.check_owner(&origin.lv_name, on.tag)?;
    // Also where no record tells of it: LVM's refusal would look like a snapshot that has failed half-way.
    if lvs.iter().any(|lv| lv.name == name) {
        return Err(taken(origin, name));
    }
    let is_thick = group.thin.is_none();
    let is_snapshot = || {
        group
            .mapped(&origin.lv_name)
            .is_some_and(|mapped| mapped.is_snapshot())
    };
    if is_thick && is_snapshot() {
        let why = "it is one itself, and in a pool of thick volumes LVM makes none of it";
        return Err(refused(&origin.lv_name, DONE, why));
    }
    let takes = match is_thick {
        true => room_for_changes(origin.size, room.extent),
        false => origin.size,
    };
    match takes > room.free {
        true => Err(no_space(on.state, &on.pool_name(origin)?, &room, takes)),
        false => Ok((takes, is_thick)),
    }
}

/// LVM has filesystems write down what they have in memory, and stops them; a copy cannot.
fn check_copy(on: &Altering<'_>, origin: &Named, record: &Record) -> Result<()> {
    let is_taken = match on.backend {
        Backend::Image(_) => images::is_there(&record.lv_path, &record.lv_name)
            .map_err(|err| trust::error("look for an image at", &record.lv_path, err))?,
        Backend::Lvm(_) | Backend::Loop(_) => attached().iter().any(|device| device.name == record.lv_name),
    };
    if is_taken {
        return Err(taken(origin, &record.lv_name));
    }
    let standing = standing_on(&[&origin.path]).remove(0);
    if standing.is_empty() {
        return Ok(());
    }
    let why = format!(
        "a copy of what changes meanwhile would be worth nothing: it is {} (unmount it first)",
        standing.join(", ")
    );
    Err(refused(&origin.lv_name, DONE, why))
}

fn taken(origin: &Named, name: &str) -> Error {
    let why = format!("there is a volume `{name}` already (choose another name)");
    refused(&origin.lv_name, DONE, why)
}

/// What a thick snapshot needs to hold all that may change, so that it can never overflow, which would
/// make it worthless: each chunk of 4 KiB, and 16 bytes that say where it is. LVM takes no more than is of use.
fn room_for_changes(size: Bytes, extent: Bytes) -> Bytes {
    let exact = size.get().saturating_add(size.get() / 128).saturating_add(8192);
    Bytes::new(exact).round_up(extent).unwrap_or(Bytes::new(u64::MAX))
}

fn new_record(on: &Altering<'_>, origin: &Record, prefix: &str, spec: &VolumeSpec) -> Record {
    let lv_name = on.tag.session.lv_name(prefix, spec.name());
    let mut record = origin.clone();
    record.lv_path = match on.backend {
        Backend::Image(_) => origin.lv_path.with_file_name(format!("{lv_name}.img")),
        Backend::Lvm(_) | Backend::Loop(_) => on.backend.path_of(&lv_name),
    };
    record.lv_name = lv_name;
    record.volume_spec.name = spec.name().to_owned();
    record.volume_spec.size = spec.size().to_string();
    record.volume_spec.env_var = None;
    record
        .others
        .insert(SNAPSHOT_OF.to_owned(), origin.lv_name.clone().into());
    record.allocated_at = clock::now();
    record.phase = Phase::Creating;
    record.lv_uuid = None;
    record.size_bytes = None;
    record.clean_bytes = None;
    record.failure = None;
    record
}

#[cfg(test)]
mod tests {
    use rstest::rstest;

    use super::*;

    const M: u64 = 1 << 20;

    #[rstest]
    #[case(4, 8)]
    #[case(16, 20)]
    #[case(64, 68)]
    #[case(512, 520)]
    #[case(10 * 1024, 10 * 1024 + 84)]
    fn a_thick_snapshot_has_room_for_all_that_may_change(#[case] size: u64, #[case] takes: u64) {
        let takes = Bytes::new(takes * M);
        assert_eq!(room_for_changes(Bytes::new(size * M), Bytes::new(4 * M)), takes);
    }
}
