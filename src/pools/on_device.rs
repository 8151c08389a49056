//! A pool of a disk or partition.

use std::fs;
use std::path::{Path, PathBuf};

use crate::blank::{self, Saved, Seen};
use crate::error::{Error, Result};
use crate::lvm::{self, Promise};
use crate::mounts::block_device;
use crate::pools::finish;
use crate::pools::intent::{self, Disk};
use crate::pools_file::{Locked, PoolEntry};

/// A device as somebody named it, and the names that it goes by.
pub(super) struct Chosen {
    /// Where links led.
    device: PathBuf,
    /// The name that is written down: one that stays the same over boots, if it has such.
    pub(super) stable: PathBuf,
}

/// A device that may become a pool.
pub(super) struct Looked {
    pub(super) seen: Seen,
    /// What is on it, with consent to overwrite it.
    pub(super) overwritten: Vec<String>,
}

impl Chosen {
    pub(super) fn find(named: &Path) -> Result<Self> {
        let device = fs::canonicalize(named).map_err(|err| Error::Refused {
            device: named.to_owned(),
            findings: vec![format!("it cannot be found: {err} (see `lsblk`)")],
        })?;
        let stable = blank::stable_name(&device).unwrap_or_else(|| match named.starts_with("/dev") {
            true => named.to_owned(),
            // What lies elsewhere is somebody's link, and a path elsewhere means a file.
            false => device.clone(),
        });
        Ok(Self { device, stable })
    }

    pub(super) fn is(&self, path: &Path) -> bool {
        block_device(path).is_some_and(|number| block_device(&self.device) == Some(number))
    }

    /// Looks at the device, and decides whether it may become a pool. `wipe` is the device once more, if what is on
    /// it may go.
    pub(super) fn look(&self, wipe: Option<&Path>) -> Result<Looked> {
        let seen = blank::look(&self.device)?;
        let mut findings = seen.findings();
        let consent = wipe.is_some_and(|wipe| self.is(wipe));
        if let (Some(wipe), false) = (wipe, consent) {
            let device = self.device.display();
            findings.never.push(format!(
                "`{}` was named to be wiped, which is not the same device (name {device})",
                wipe.display()
            ));
        }
        match findings.never.is_empty() && (consent || findings.on_it.is_empty()) {
            true => Ok(Looked {
                seen,
                overwritten: findings.on_it,
            }),
            false => Err(Error::Refused {
                device: self.device.clone(),
                findings: findings.all(),
            }),
        }
    }
}

impl Looked {
    /// Makes the pool. If anything fails, the device is what it was.
    pub(super) fn set_up(&self, pools: &Locked, entry: &PoolEntry, promise: Promise) -> Result<()> {
        let device = &self.seen.device;
        let (saved, kept) = Saved::of(&self.seen, promise.thin.map(|_| lvm::OVERWRITTEN))?;
        intent::will_set_up(pools, entry, Disk::of(device)?, &saved, &kept)?;
        match self.make(pools, entry, promise, &saved) {
            Ok(()) => {
                intent::done_or_said(pools);
                Ok(())
            }
            Err(err) => {
                finish::undo_or_say(pools, entry, device, &saved, &kept);
                Err(err)
            }
        }
    }

    fn make(&self, pools: &Locked, entry: &PoolEntry, promise: Promise, saved: &Saved) -> Result<()> {
        let device = &self.seen.device;
        if !self.overwritten.is_empty() {
            blank::wipe(device, saved)?;
        }
        // LVM looks at the device once more, exclusively, and writes to it only if it is blank still.
        lvm::make_group(&entry.lvm_config.vg_name, device, promise, &|| pools.shared())?;
        intent::put_in(pools, entry)
    }
}
