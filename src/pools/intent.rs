//! What is about to be done to a disk, written down before, so that it can be finished if we die over it.

use std::fs;
use std::io::ErrorKind;
use std::path::Path;

use serde::{Deserialize, Serialize};

use crate::blank;
use crate::error::{Error, Result};
use crate::fault;
use crate::lvm::{self, Group};
use crate::pools_file::{Locked, PoolEntry};
use crate::state::write_by_rename;
use crate::state_dir::StateDir;
use crate::trust;

/// A change of a pool that was begun. Whoever finds it under the pools' lock knows that it was not
/// ended: who began it is dead, and so is the LVM command that may have outlived it.
#[derive(Debug, Serialize, Deserialize)]
#[serde(tag = "doing", rename_all = "lowercase")]
enum Intent {
    Setup {
        pool: PoolEntry,
    },
    Teardown {
        pool: PoolEntry,
        /// By which the PV is found as long as its label is there.
        pv_uuid: String,
    },
}

/// Writes down that a pool's VG is about to be made.
pub(super) fn will_set_up(pools: &Locked, pool: &PoolEntry) -> Result<()> {
    write(pools, &Intent::Setup { pool: pool.clone() })
}

/// Writes down that a pool's VG is about to be removed.
pub(super) fn will_take_down(pools: &Locked, pool: &PoolEntry, pv_uuid: &str) -> Result<()> {
    write(
        pools,
        &Intent::Teardown {
            pool: pool.clone(),
            pv_uuid: pv_uuid.to_owned(),
        },
    )
}

/// Writes down that it is done, or undone.
pub(super) fn done(pools: &Locked) -> Result<()> {
    let file = pools.dir().intent_file();
    match fs::remove_file(&file) {
        Err(err) if err.kind() != ErrorKind::NotFound => Err(Error::io("remove", file, err)),
        _ => {
            fault::point("intent removed");
            Ok(())
        }
    }
}

/// What somebody had died over, and is done now.
#[derive(Debug)]
pub(super) enum Finished {
    Setup(PoolEntry),
    Teardown(PoolEntry),
}

/// Finishes what somebody died over: a VG that was made becomes a pool, one that was removed leaves a
/// blank disk. What had not begun to change the disk is forgotten.
///
/// Tells on standard error what it did, or why it could not.
pub(super) fn finish_interrupted(dir: &StateDir) -> Result<Option<Finished>> {
    let file = dir.intent_file();
    if !file.exists() {
        return Ok(None);
    }
    // Whoever is at work on it now is waited for.
    let pools = Locked::wait(dir)?;
    let text = match trust::read(&file) {
        Ok(text) => text,
        Err(err) if err.kind() == ErrorKind::NotFound => return Ok(None),
        Err(err) => return Err(trust::error("read", file, err)),
    };
    match serde_json::from_slice(&text) {
        Ok(Intent::Setup { pool }) => finish_setup(&pools, pool),
        Ok(Intent::Teardown { pool, pv_uuid }) => finish_teardown(&pools, pool, &pv_uuid),
        Err(source) => Err(Error::BadPools { file, source }),
    }
}

fn finish_setup(pools: &Locked, pool: PoolEntry) -> Result<Option<Finished>> {
    let (vg_name, name) = (&pool.lvm_config.vg_name, &pool.pool_name);
    if !Group::exists(vg_name)? {
        done(pools)?;
        return Ok(None);
    }
    if !pools.read()?.contains_key(name) {
        Group::open(vg_name)?;
        let device = Path::new(&pool.lvm_config.pv);
        // Somebody may have made another VG of that name since.
        if !matches!(lvm::physicals_of(vg_name)?.as_slice(), [physical] if physical.device == device) {
            return Err(stranger(vg_name));
        }
        pools.change(|entries| {
            entries.insert(name.clone(), pool.clone());
            Ok(())
        })?;
        eprintln!("kdev: pool `{name}` is set up now: who began it died over it");
    }
    done(pools)?;
    Ok(Some(Finished::Setup(pool)))
}

fn stranger(vg_name: &str) -> Error {
    Error::NotOurs {
        what: format!("VG `{vg_name}`"),
        why: "a setup of that name was interrupted, and now the VG is on another device (see `vgs -o +devices`, and remove `device-pool.intent` if all is well)".to_owned(),
    }
}

fn finish_teardown(pools: &Locked, pool: PoolEntry, pv_uuid: &str) -> Result<Option<Finished>> {
    let name = &pool.pool_name;
    if Group::exists(&pool.lvm_config.vg_name)? {
        done(pools)?;
        return Ok(None);
    }
    match lvm::physical_by_uuid(pv_uuid)? {
        None if pools.read()?.contains_key(name) => {
            eprintln!(
                "kdev: pool `{name}` was being taken down, and its disk is not here: what is left to do waits for it"
            );
            return Ok(None);
        }
        // It was blank already, or somebody has made another VG of it.
        None => {}
        Some(physical) if !physical.vg_name.is_empty() => {}
        Some(physical) => {
            take_out(pools, name)?;
            blank::restore(&physical.device)?;
            eprintln!(
                "kdev: pool `{name}` is gone, and {} is blank now: who began it died over it",
                physical.device.display()
            );
        }
    }
    take_out(pools, name)?;
    done(pools)?;
    Ok(Some(Finished::Teardown(pool)))
}

/// Takes a pool's entry out of the file of pools.
pub(super) fn take_out(pools: &Locked, name: &str) -> Result<Option<PoolEntry>> {
    pools.change(|entries| Ok(entries.remove(name)))
}

fn write(pools: &Locked, intent: &Intent) -> Result<()> {
    let file = pools.dir().intent_file();
    let failed = |err| Error::io("write", &file, err);
    let mut text = serde_json::to_vec_pretty(intent).map_err(|err| failed(err.into()))?;
    text.push(b'\n');
    write_by_rename(pools.dir().root(), &file, &text).map_err(failed)?;
    sync(&file).map_err(failed)
}

/// The disk is about to be changed for good, so this is to outlast a loss of power.
fn sync(file: &Path) -> std::io::Result<()> {
    fs::File::open(file)?.sync_all()?;
    fs::File::open(file.parent().unwrap_or(file))?.sync_all()
}
