//! Finishing or undoing what somebody died over.

use std::fs;
use std::path::{Path, PathBuf};

use kdev_volumes_spec::Bytes;

use crate::blank::{self, Saved};
use crate::error::{Error, Result};
use crate::lvm::{self, Group, Physical};
use crate::mounts::block_device;
use crate::pools::intent::{self, Disk, Intent};
use crate::pools::on_file;
use crate::pools_file::{Locked, PoolEntry};
use crate::state_dir::StateDir;

/// What somebody had died over, and is done now.
#[derive(Debug)]
pub(super) enum Finished {
    Setup(PoolEntry),
    Teardown(PoolEntry),
}

/// Finishes what somebody died over: a VG that was made becomes a pool, one that was removed leaves a
/// blank disk. Where no VG was made yet, the disk is what it was before.
///
/// Tells on standard error what it did, or why it could not.
pub(super) fn finish_interrupted(dir: &StateDir) -> Result<Option<Finished>> {
    if !dir.intent_file().exists() && !dir.saved_file().exists() {
        return Ok(None);
    }
    // Whoever is at work on it now is waited for.
    let pools = Locked::wait(dir)?;
    match intent::read(&pools)? {
        Some(Intent::Setup {
            pool,
            file_size: Some(size),
            ..
        }) => finish_file(&pools, pool, Bytes::new(size)),
        Some(Intent::Setup { pool, disk, .. }) => finish_device(&pools, pool, disk),
        Some(Intent::Teardown { pool, pv_uuid, zero }) => finish_teardown(&pools, pool, &pv_uuid, zero),
        None => {
            // Of one who died before or after the intent.
            intent::done(&pools)?;
            Ok(None)
        }
    }
}

fn finish_device(pools: &Locked, pool: PoolEntry, disk: Option<Disk>) -> Result<Option<Finished>> {
    let (vg_name, name) = (&pool.lvm_config.vg_name, &pool.pool_name);
    let pv = Path::new(&pool.lvm_config.pv);
    if Group::exists(vg_name)? {
        return finish_group(pools, &pool, pv, || {
            // What was saved is there as long as what was begun is.
            let (saved, kept) = intent::read_saved(pools)?;
            let device = fs::canonicalize(pv).map_err(|err| Error::io("find", pv, err))?;
            undo_or_say(pools, &pool, &device, &saved, &kept);
            Ok(())
        });
    }
    let Some(disk) = disk else {
        intent::done(pools)?;
        return Ok(None);
    };
    if !disk.is(pv)? {
        eprintln!(
            "kdev: the setup of pool `{name}` was interrupted, and {} is not here, or may be another disk: what it held before is in {} and waits for it",
            pv.display(),
            pools.dir().saved_file().display()
        );
        return Ok(None);
    }
    let device = fs::canonicalize(pv).map_err(|err| Error::io("find", pv, err))?;
    let (saved, kept) = intent::read_saved(pools)?;
    restore_or_set_aside(pools, &device, &saved, &kept)?;
    eprintln!(
        "kdev: pool `{name}` is not set up, and {} is what it was before: who began it died over it",
        device.display()
    );
    intent::done(pools)?;
    Ok(None)
}

/// The VG was made. It becomes a pool, if it is on that device; or is undone, if what it lacks cannot be made.
fn finish_group(
    pools: &Locked,
    pool: &PoolEntry,
    pv: &Path,
    undo: impl FnOnce() -> Result<()>,
) -> Result<Option<Finished>> {
    let (vg_name, name) = (&pool.lvm_config.vg_name, &pool.pool_name);
    if !pools.read()?.contains_key(name) {
        Group::check(vg_name)?;
        // Somebody may have made another VG of that name since.
        if !matches!(lvm::physicals_of(vg_name)?.as_slice(), [physical] if is_on(physical, pv)) {
            return Err(stranger(vg_name));
        }
        if let Err(err) = lvm::complete_group(vg_name, &|| pools.shared()) {
            undo()?;
            return Err(err);
        }
        intent::put_in(pools, pool)?;
        eprintln!("kdev: pool `{name}` is set up now: who began it died over it");
    }
    intent::done(pools)?;
    Ok(Some(Finished::Setup(pool.clone())))
}

fn is_on(physical: &Physical, device: &Path) -> bool {
    let number = block_device(device);
    number.is_some() && block_device(&physical.device) == number
}

fn stranger(vg_name: &str) -> Error {
    Error::NotOurs {
        what: format!("VG `{vg_name}`"),
        why: "a setup of that name was interrupted, and now the VG is on another device (see `vgs -o +devices`, and remove `device-pool.intent` if all is well)".to_owned(),
    }
}

fn finish_file(pools: &Locked, pool: PoolEntry, size: Bytes) -> Result<Option<Finished>> {
    let path = PathBuf::from(&pool.device);
    if !on_file::is_unfinished(&path, size)? {
        intent::done(pools)?;
        return Ok(None);
    }
    let device = on_file::attach(&path, &pool.pool_name)?;
    if Group::exists(&pool.lvm_config.vg_name)? {
        return finish_group(pools, &pool, &device, || {
            on_file::undo_or_say(pools, &pool, &path);
            Ok(())
        });
    }
    on_file::remove(&path)?;
    eprintln!(
        "kdev: pool `{}` is not set up, and {} is gone: who began it died over it",
        pool.pool_name,
        path.display()
    );
    intent::done(pools)?;
    Ok(None)
}

fn finish_teardown(pools: &Locked, pool: PoolEntry, pv_uuid: &str, zero: bool) -> Result<Option<Finished>> {
    let name = &pool.pool_name;
    if let Some(path) = pool.file() {
        match path.exists() {
            // A VG that is not seen need not be gone.
            true => drop(on_file::attach(path, name)?),
            false => return torn_down(pools, pool),
        }
    }
    let vg_name = &pool.lvm_config.vg_name;
    if Group::exists(vg_name)? && !lvm::unmake_if_begun(vg_name, &|| pools.shared())? {
        intent::done(pools)?;
        return Ok(None);
    }
    match lvm::physical_by_uuid(pv_uuid)? {
        None if pools.read()?.contains_key(name) => {
            eprintln!(
                "kdev: pool `{name}` was being taken down, and its disk is not here: what is left to do waits for it"
            );
            return Ok(None);
        }
        // It was blank already, or somebody has made another VG of it; and of a file, another file.
        None => {
            if let Some(path) = pool.file() {
                eprintln!(
                    "kdev: {} has not the PV of pool `{name}` any more, and was left as it is",
                    path.display()
                );
            }
        }
        Some(physical) if !physical.vg_name.is_empty() => {}
        Some(physical) => {
            intent::take_out(pools, name)?;
            match pool.file() {
                Some(path) => on_file::remove(path)?,
                None => {
                    if zero {
                        eprintln!(
                            "kdev: overwriting {} with zeros: who began it died over it",
                            physical.device.display()
                        );
                        blank::zero(&physical.device, &mut |_, _| {})?;
                    }
                    blank::restore(&physical.device, None)?;
                }
            }
            eprintln!(
                "kdev: pool `{name}` is gone, and {}: who began it died over it",
                what_is_left(&pool, &physical.device)
            );
        }
    }
    torn_down(pools, pool)
}

fn what_is_left(pool: &PoolEntry, device: &Path) -> String {
    match pool.file() {
        Some(path) => format!("its file {} too", path.display()),
        None => format!("{} is blank now", device.display()),
    }
}

fn torn_down(pools: &Locked, pool: PoolEntry) -> Result<Option<Finished>> {
    intent::take_out(pools, &pool.pool_name)?;
    intent::done(pools)?;
    Ok(Some(Finished::Teardown(pool)))
}

/// Undoes a setup that has failed, and says so if it cannot. What is not undone stays written down.
pub(super) fn undo_or_say(pools: &Locked, pool: &PoolEntry, device: &Path, saved: &Saved, kept: &[u8]) {
    let undone = unmake(pools, pool, device)
        .and_then(|()| restore_or_set_aside(pools, device, saved, kept))
        .and_then(|()| intent::done(pools));
    if let Err(err) = undone {
        eprintln!(
            "kdev: while undoing the setup of {}: {} (`kdev pool cleanup` tries again)",
            device.display(),
            err.chain()
        );
    }
}

/// Removes what there is of a pool but for its device: its entry, and its VG if that is on the device.
pub(super) fn unmake(pools: &Locked, pool: &PoolEntry, device: &Path) -> Result<()> {
    let vg_name = &pool.lvm_config.vg_name;
    intent::take_out(pools, &pool.pool_name)?;
    match lvm::physicals_of(vg_name)?.as_slice() {
        [physical] if is_on(physical, device) => lvm::unmake_group(vg_name, &|| pools.shared()),
        _ => Ok(()),
    }
}

/// Writes back what the device held. If somebody else has used it meanwhile, it is theirs, and what was saved is
/// set aside.
fn restore_or_set_aside(pools: &Locked, device: &Path, saved: &Saved, kept: &[u8]) -> Result<()> {
    match blank::restore(device, Some((saved, kept))) {
        // Of what was blank nothing is lost.
        Err(Error::Refused { .. }) if saved.kept() == 0 => Ok(()),
        Err(err @ Error::Refused { .. }) => {
            let from = pools.dir().saved_file();
            let aside = from.with_extension(format!("saved-{}", crate::clock::now().replace(':', "")));
            fs::rename(&from, &aside).map_err(|err| Error::io("set aside", &from, err))?;
            eprintln!(
                "kdev: {} (what it held before is kept in {})",
                err.chain(),
                aside.display()
            );
            Ok(())
        }
        done => done,
    }
}
