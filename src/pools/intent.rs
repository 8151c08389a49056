//! What is about to be done to a disk, written down before, so that it can be finished or undone if we die
//! over it.

use std::fs;
use std::io::ErrorKind;
use std::path::Path;

use kdev_volumes_spec::Bytes;
use serde::{Deserialize, Serialize};

use crate::blank::Saved;
use crate::error::{Error, Result};
use crate::fault;
use crate::here::Here;
use crate::mounts::{block_device, text_of};
use crate::pools_file::{Locked, PoolEntry};
use crate::replace::write_by_rename;
use crate::state_dir::StateDir;
use crate::trust;

/// A change of a pool that was begun. Whoever finds it under the pools' lock knows that it was not
/// ended: who began it is dead, and so is the LVM command that may have outlived it.
#[derive(Debug, Serialize, Deserialize)]
#[serde(tag = "doing", rename_all = "lowercase")]
pub(super) enum Intent {
    Setup {
        pool: PoolEntry,
        /// Of a device: by what it is known again. What it held is in the file of what was saved.
        disk: Option<Disk>,
        /// Of a file: its size in bytes.
        file_size: Option<u64>,
    },
    Teardown {
        pool: PoolEntry,
        /// By which the PV is found as long as its label is there.
        pv_uuid: String,
        /// Whether all of the device is to be overwritten.
        #[serde(default)]
        zero: bool,
    },
}

/// By what a disk is known again that has no PV yet, or no longer.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct Disk {
    /// During which boot it was looked at.
    boot_id: String,
    /// The kernel's count of all disks that were plugged in since it started (Linux 5.15).
    diskseq: Option<String>,
}

impl Disk {
    pub(super) fn of(device: &Path) -> Result<Self> {
        Ok(Self {
            boot_id: Here::get()?.boot_id.clone(),
            diskseq: diskseq(device),
        })
    }

    /// Tells whether that is the same disk: by a name that is made of its serial number, or because nothing has been
    /// plugged in since.
    pub(super) fn is(&self, device: &Path) -> Result<bool> {
        if block_device(device).is_none() {
            return Ok(false);
        }
        let is_same = self.boot_id == Here::get()?.boot_id && self.diskseq == diskseq(device);
        Ok(is_same || device.starts_with("/dev/disk/by-id"))
    }
}

/// A partition's is its disk's.
fn diskseq(device: &Path) -> Option<String> {
    let dir = Path::new("/sys/dev/block").join(text_of(block_device(device)?));
    let read = |file: &str| fs::read_to_string(dir.join(file)).ok();
    Some(read("diskseq").or_else(|| read("../diskseq"))?.trim().to_owned())
}

/// Writes down that a pool is about to be made of a device, and what will be overwritten there.
pub(super) fn will_set_up(
    pools: &Locked,
    pool: &PoolEntry,
    disk: Disk,
    saved: &Saved,
    kept: &[u8],
) -> Result<()> {
    check_none(pools.dir())?;
    let intent = Intent::Setup {
        pool: pool.clone(),
        disk: Some(disk),
        file_size: None,
    };
    // Complete before the intent tells that it counts.
    let written = write_saved(pools, saved, kept).and_then(|()| write(pools, &intent));
    forget_unless_written(pools, written)
}

/// Writes down that a pool is about to be made of a new file.
pub(super) fn will_make_file(pools: &Locked, pool: &PoolEntry, size: Bytes) -> Result<()> {
    check_none(pools.dir())?;
    let intent = Intent::Setup {
        pool: pool.clone(),
        disk: None,
        file_size: Some(size.get()),
    };
    forget_unless_written(pools, write(pools, &intent))
}

/// Writes down that a pool's VG is about to be removed.
pub(super) fn will_take_down(pools: &Locked, pool: &PoolEntry, pv_uuid: &str, zero: bool) -> Result<()> {
    check_none(pools.dir())?;
    let intent = Intent::Teardown {
        pool: pool.clone(),
        pv_uuid: pv_uuid.to_owned(),
        zero,
    };
    forget_unless_written(pools, write(pools, &intent))
}

/// It may be there all the same, and nothing of it has been begun.
fn forget_unless_written(pools: &Locked, written: Result<()>) -> Result<()> {
    if written.is_err() {
        done_or_said(pools);
    }
    written
}

/// Makes sure that nothing waits to be finished, which would be forgotten.
pub(super) fn check_none(dir: &StateDir) -> Result<()> {
    let file = dir.intent_file();
    match file.exists() {
        true => Err(Error::Unfinished { file }),
        false => Ok(()),
    }
}

/// Reads what was begun, if anything was.
pub(super) fn read(pools: &Locked) -> Result<Option<Intent>> {
    let file = pools.dir().intent_file();
    let text = match trust::read(&file) {
        Ok(text) => text,
        Err(err) if err.kind() == ErrorKind::NotFound => return Ok(None),
        Err(err) => return Err(trust::error("read", file, err)),
    };
    match serde_json::from_slice(&text) {
        Ok(intent) => Ok(Some(intent)),
        Err(source) => Err(Error::BadPools { file, source }),
    }
}

/// Puts a pool into the file of pools.
pub(super) fn put_in(pools: &Locked, pool: &PoolEntry) -> Result<()> {
    pools.change(|entries| {
        entries.insert(pool.pool_name.clone(), pool.clone());
        Ok(())
    })
}

/// Takes a pool's entry out of the file of pools.
pub(super) fn take_out(pools: &Locked, name: &str) -> Result<Option<PoolEntry>> {
    pools.change(|entries| Ok(entries.remove(name)))
}

/// Writes down that it is done, or undone.
pub(super) fn done(pools: &Locked) -> Result<()> {
    remove(&pools.dir().intent_file(), "intent removed")?;
    remove(&pools.dir().saved_file(), "saved bytes removed")
}

/// Does so for what is done in any case: whoever comes next forgets it otherwise.
pub(super) fn done_or_said(pools: &Locked) {
    if let Err(err) = done(pools) {
        eprintln!("kdev: {} (the next `kdev pool cleanup` does)", err.chain());
    }
}

fn remove(file: &Path, step: &str) -> Result<()> {
    let failed = |err| Error::io("remove", file, err);
    match fs::remove_file(file) {
        Err(err) if err.kind() != ErrorKind::NotFound => Err(failed(err)),
        Err(_) => Ok(()),
        Ok(()) => fault::step(step).map_err(failed),
    }
}

fn write(pools: &Locked, intent: &Intent) -> Result<()> {
    let file = pools.dir().intent_file();
    let text = serde_json::to_vec_pretty(intent).map_err(|err| Error::io("write", &file, err.into()))?;
    write_and_sync(pools, &file, text)
}

/// One line of JSON that says where the bytes were, and the bytes.
fn write_saved(pools: &Locked, saved: &Saved, kept: &[u8]) -> Result<()> {
    let file = pools.dir().saved_file();
    let mut bytes = serde_json::to_vec(saved).map_err(|err| Error::io("write", &file, err.into()))?;
    bytes.push(b'\n');
    bytes.extend_from_slice(kept);
    write_and_sync(pools, &file, bytes)
}

/// Reads what a device held before it was to become a pool.
pub(super) fn read_saved(pools: &Locked) -> Result<(Saved, Vec<u8>)> {
    let file = pools.dir().saved_file();
    let bytes = trust::read(&file).map_err(|err| trust::error("read", &file, err))?;
    parse_saved(&bytes).map_err(|source| Error::BadPools { file, source })
}

fn parse_saved(bytes: &[u8]) -> serde_json::Result<(Saved, Vec<u8>)> {
    use serde::de::Error as _;
    let end = bytes
        .iter()
        .position(|&byte| byte == b'\n')
        .unwrap_or(bytes.len());
    let saved: Saved = serde_json::from_slice(&bytes[..end])?;
    let kept = bytes.get(end + 1..).unwrap_or_default();
    match saved.is_sound(kept) {
        true => Ok((saved, kept.to_vec())),
        false => Err(serde_json::Error::custom("what was saved is not all there")),
    }
}

/// The disk is about to be changed for good, so this is to outlast a loss of power.
fn write_and_sync(pools: &Locked, file: &Path, text: Vec<u8>) -> Result<()> {
    let failed = |err| Error::io("write", file, err);
    write_by_rename(pools.dir().root(), file, &text).map_err(failed)?;
    let sync = |path: &Path| fs::File::open(path)?.sync_all();
    sync(file)
        .and_then(|()| sync(file.parent().unwrap_or(file)))
        .map_err(failed)
}

#[cfg(test)]
mod tests {
    use rstest::rstest;

    use super::*;

    #[rstest]
    #[case(b"{\"size\":1048576,\"ranges\":[[0,8]],\"runs\":[[0,4]]}\nabcd", true)]
    #[case(b"{\"size\":1048576,\"ranges\":[[0,8]],\"runs\":[[0,4]]}\nabc", false)]
    #[case(b"{\"size\":1048576,\"ranges\":[[0,8]],\"runs\":[]}", true)]
    #[case(b"", false)]
    fn what_was_saved_is_believed_only_if_all_of_it_is_there(#[case] bytes: &[u8], #[case] is_good: bool) {
        assert_eq!(parse_saved(bytes).is_ok(), is_good);
    }
}
