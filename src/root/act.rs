//! What is done when all of the question is in order. Each asks LVM whose it is.

use std::collections::BTreeSet;
use std::fs::File;
use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::path::Path;
use std::time::SystemTime;

use kdev_volumes_spec::Bytes;
use nix::libc;

use crate::error::Error;
use crate::lease::{Blank, Lease};
use crate::lvm::{Group, Mapped, NewLv, Reported};
use crate::mounts::points_of;
use crate::owner::OwnerTag;
use crate::root::attach;
use crate::root::caller::Caller;
use crate::root::nodes;
use crate::root::options::{Options, check_type};
use crate::root::pinned::{
    all_owned_and_pinned, check_given, is_given, not_yours, number_of, owned, owned_and_pinned,
};
use crate::root::run::Failure;
use crate::root::verb::Verb;
use crate::udev;

/// How many mounts of one volume there may be: as many as it can have directories.
const MOST_MOUNTS: usize = 16;

/// Does it, and returns what standard output is to say.
pub(super) fn act(verb: Verb, caller: &Caller) -> Result<Vec<u8>, Failure> {
    let nothing = Vec::new();
    match verb {
        Verb::Room { vg } => room(&vg),
        Verb::List { vg } => list(&vg),
        Verb::Create {
            vg,
            tag,
            is_kept,
            volumes,
        } => create(&vg, &tag, is_kept, &volumes, *caller).map(|()| nothing),
        Verb::Remove { vg, tag, names } => {
            let group = Group::on_record(&vg);
            let names: Vec<&str> = names.iter().map(String::as_str).collect();
            let mapped: Vec<(&str, Mapped)> = names
                .iter()
                .filter_map(|name| Some((*name, group.mapped(name)?)))
                .collect();
            group.try_remove(&[(&tag, names)])?;
            let (gone, there): (Vec<_>, Vec<_>) = mapped.iter().partition(|(_, mapped)| mapped.is_gone());
            gone.iter()
                .for_each(|(_, mapped)| nodes::forget(mapped.kernel_uuid()));
            match there.first() {
                Some((name, _)) => Err(not_yours(&vg, name)),
                None => Ok(nothing),
            }
        }
        Verb::Keep { vg, tag, names } => {
            let group = Group::on_record(&vg);
            let names: Vec<&str> = names.iter().map(String::as_str).collect();
            match all_owned_and_pinned(&group, &names, &tag) {
                Ok(all) if all.iter().all(|(_, device)| is_given(device, *caller)) => {
                    group.mark_kept_and_given(&names, &tag)?;
                }
                // One that is not active, or was not made to the end, is kept all the same.
                _ => {
                    owned(&group, &names, &tag)?;
                    group.mark_kept(&names, &tag)?;
                }
            }
            Ok(nothing)
        }
        Verb::Activate { vg, tag, names } => {
            let names: Vec<&str> = names.iter().map(String::as_str).collect();
            activate(&vg, &tag, &names).map(|()| nothing)
        }
        Verb::Unwedge { vg, part } => {
            let (group, _) = Group::open(&vg)?;
            if !group.listing()?.wedged.contains(&part) {
                let why = format!("`{part}` in VG `{vg}` keeps no thin pool of ours from working");
                return Err(Failure::Refused(why));
            }
            group.unwedge(&part)?;
            Ok(nothing)
        }
        Verb::Mount {
            vg,
            tag,
            name,
            point,
            fs_type,
            options,
        } => {
            let options = Options::parse(&options, &fs_type).map_err(Failure::Refused)?;
            check_type(&fs_type).map_err(Failure::Refused)?;
            let (mapped, device) = owned_and_pinned(&Group::on_record(&vg), &name, &tag)?;
            check_given(&device, &format!("{vg}/{name}"), *caller)?;
            if points_of(number_of(&device)?).len() >= MOST_MOUNTS {
                let why = format!("`{name}` is mounted {MOST_MOUNTS} times already");
                return Err(Failure::Refused(why));
            }
            mount(&mapped.path, &point, &fs_type, &options, *caller).map(|()| nothing)
        }
        Verb::Unmount { vg, tag, name, point } => {
            let (_, device) = owned_and_pinned(&Group::on_record(&vg), &name, &tag)?;
            let number = BTreeSet::from([number_of(&device)?]);
            // It is open here, and by that in use by nothing.
            match attach::unmount(&point, |mount| mount.is_of(&number)) {
                Ok(true) => Ok(nothing),
                Ok(false) => Err(Failure::Refused(format!(
                    "`{name}` is not mounted on `{}`",
                    point.display()
                ))),
                Err(err) if err.raw_os_error() == Some(libc::EBUSY) => Err(Failure::Busy),
                Err(err) => Err(Error::io("unmount", point, err).into()),
            }
        }
    }
}

/// Makes LVs, and gives them to the caller as clean as their pool promises.
///
/// The first may be zeroed for long, in which others work on the same VG. So all of them are held before that: what
/// is held stays, and nothing else can come to have its name.
fn create(
    vg: &str,
    tag: &OwnerTag,
    is_kept: bool,
    volumes: &[(String, Bytes)],
    caller: Caller,
) -> Result<(), Failure> {
    let held = held()?;
    let (lease, blank) = (Lease::inherited(held.0), Blank::inherited(held.1));
    let (group, _, shell) = Group::open_to_make(vg, Some(blank))?;
    // LVs can be made without, and take longer.
    let _ = udev::ensure();
    let new: Vec<NewLv> = volumes
        .iter()
        .map(|(name, size)| NewLv {
            name,
            size: *size,
            tag,
            is_kept,
        })
        .collect();
    group.wake(Some(lease.shared()?))?;
    group.create(&new, &lease, shell)?;
    let names: Vec<&str> = volumes.iter().map(|(name, _)| name.as_str()).collect();
    for (mapped, device) in all_owned_and_pinned(&group, &names, tag)? {
        // Before it is the caller's to read.
        group.clean.apply(&mapped.node(), &lease)?;
        nodes::give(&device, mapped.kernel_uuid(), caller)?;
    }
    match is_kept {
        true => Ok(group.mark_kept_and_given(&names, tag)?),
        false => Ok(()),
    }
}

/// Activates the caller's kept LVs. Each that was the caller's before the boot is so again.
fn activate(vg: &str, tag: &OwnerTag, names: &[&str]) -> Result<(), Failure> {
    let (group, _) = Group::open(vg)?;
    let lvs = group.owned(names, tag)?;
    for name in names {
        match lvs.iter().find(|lv| lv.name == *name) {
            Some(lv) if lv.is_kept() => {}
            Some(_) => return Err(Failure::Refused(format!("LV `{vg}/{name}` is not kept"))),
            None => return Err(not_yours(vg, name)),
        }
    }
    // LVs can be activated without.
    let _ = udev::ensure();
    group.wake(None)?;
    group.activate(&[(tag, names.to_vec())])?;
    nodes::give_again(&group, &lvs).map_err(Failure::from)
}

fn room(vg: &str) -> Result<Vec<u8>, Failure> {
    match Group::report(vg)? {
        Some(Reported { json, is_ours: true }) => Ok(json),
        Some(_) => Err(not_a_pool(vg)),
        None => Ok(br#"{"report": [{"vg": []}]}"#.to_vec()),
    }
}

fn not_a_pool(vg: &str) -> Failure {
    Failure::Refused(format!("VG `{vg}` is no pool of ours, and nothing is told of it"))
}

fn list(vg: &str) -> Result<Vec<u8>, Failure> {
    let seen = SystemTime::now();
    let (group, _) = Group::open(vg)?;
    let (json, vg_uuid, lv_uuids) = group.report_of_lvs()?;
    nodes::sweep(&vg_uuid, &lv_uuids, seen);
    Ok(json)
}

/// What the caller holds for as long as it works on the session, if that is a file; so do we then, and LVM. For
/// two who want it.
fn held() -> Result<(File, File), Failure> {
    let failed = |err: io::Error| Error::io("share", "/dev/stdin", err);
    let input = io::stdin().as_fd().try_clone_to_owned().map_err(failed)?;
    let input = File::from(input);
    let held = match input.metadata().map_err(failed)?.is_file() {
        true => input,
        // LVM has nothing to read from whoever it is.
        false => File::open("/dev/null").map_err(failed)?,
    };
    Ok((held.try_clone().map_err(failed)?, held))
}

fn mount(
    device: &Path,
    point: &Path,
    fs_type: &str,
    options: &Options,
    caller: Caller,
) -> Result<(), Failure> {
    let own = |directory: &OwnedFd| attach::owner_of(directory) == Ok(caller.uid);
    // One answer for all: what is there, and whose, may be where the caller cannot look.
    let directory = attach::open_directory(point).ok().filter(own).ok_or_else(|| {
        Failure::Refused(format!(
            "`{}` is no directory of user {}'s, or there is a symbolic link on the way",
            point.display(),
            caller.uid
        ))
    })?;
    attach::mount(device, &directory, fs_type, options, caller)
        .map_err(|err| Error::io("mount the volume on", point, err).into())
}
