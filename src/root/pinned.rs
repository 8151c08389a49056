//! Whose LVs are, by LVM's word, and their devices, held so that each stays of its LV.

use std::collections::BTreeMap;
use std::fs::File;
use std::os::unix::fs::MetadataExt;

use crate::error::Error;
use crate::lvm::{Group, Mapped};
use crate::owner::OwnerTag;
use crate::root::caller::Caller;
use crate::root::run::Failure;

/// The devices are held, so that each is of its LV as long as we have it.
pub(super) fn all_owned_and_pinned(
    group: &Group,
    names: &[&str],
    tag: &OwnerTag,
) -> Result<Vec<(Mapped, File)>, Failure> {
    let uuids = owned(group, names, tag)?;
    let pinned = names.iter().zip(uuids).map(|(name, uuid)| {
        let (mapped, device) = pinned(group, name)?;
        match mapped.uuid == uuid {
            true => Ok((mapped, device)),
            false => Err(not_yours(&group.name, name)),
        }
    });
    pinned.collect()
}

/// The same of one.
pub(super) fn owned_and_pinned(group: &Group, name: &str, tag: &OwnerTag) -> Result<(Mapped, File), Failure> {
    let mut pinned = all_owned_and_pinned(group, &[name], tag)?;
    pinned.pop().ok_or_else(|| not_yours(&group.name, name))
}

/// Finds LVs with just that tag, in a VG of ours, and returns the UUID of each.
pub(super) fn owned(group: &Group, names: &[&str], tag: &OwnerTag) -> Result<Vec<String>, Failure> {
    let mut uuids: BTreeMap<String, String> = group
        .owned(names, tag)?
        .into_iter()
        .map(|lv| (lv.name, lv.uuid))
        .collect();
    let uuid_of = |name: &&str| uuids.remove(*name).ok_or_else(|| not_yours(&group.name, name));
    names.iter().map(uuid_of).collect()
}

/// An LV has its user's tag before it is clean. It is the user's when its node is.
pub(super) fn check_given(device: &File, lv: &str, caller: Caller) -> Result<(), Failure> {
    match is_given(device, caller) {
        true => Ok(()),
        false => Err(Failure::Refused(format!(
            "the device of LV `{lv}` is not user {}'s: it was not made to the end \
             (remove it, or have root mount it)",
            caller.uid
        ))),
    }
}

pub(super) fn is_given(device: &File, caller: Caller) -> bool {
    device.metadata().is_ok_and(|found| found.uid() == caller.uid)
}

pub(super) fn number_of(device: &File) -> Result<u64, Failure> {
    let found = device.metadata();
    let found = found.map_err(|err| Error::io("look at", "the device", err))?;
    Ok(found.rdev())
}

pub(super) fn not_yours(vg: &str, name: &str) -> Failure {
    Failure::Refused(format!(
        "LV `{vg}/{name}` has not the tag that was named, or VG `{vg}` is no pool of ours"
    ))
}

fn pinned(group: &Group, name: &str) -> Result<(Mapped, File), Failure> {
    let found = group.mapped(name).and_then(|mapped| {
        let device = mapped.pin()?;
        Some((mapped, device))
    });
    found.ok_or_else(|| {
        let missing = Error::Missing {
            what: format!("the device of LV `{}/{name}`", group.name),
            hint: "is it active? `kdev pool start` activates kept volumes; does udevd run?",
        };
        missing.into()
    })
}
