use std::fs::File;
use std::path::{Path, PathBuf};

use crate::clean::Clean;
use crate::error::Result;
use crate::lvm::report::{self, PV_FIELDS, READABLE};
use crate::lvm::thin::ALIGNED;
use crate::lvm::{Group, NO_HINTS, POOL_TAG, reading, writing};
use crate::mounts::block_device;
use crate::thin::Overcommit;

/// Metadata for about 20 000 volumes; the default holds some 1300, and it cannot grow later.
const METADATA_SIZE: &str = "16m";

/// A PV.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Physical {
    pub(crate) device: PathBuf,
    pub(crate) uuid: String,
    /// Empty if it is in none.
    pub(crate) vg_name: String,
}

/// What a pool promises of its volumes, as tags of its VG.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Promise {
    pub(crate) clean: Clean,
    pub(crate) thin: Option<Overcommit>,
}

impl Promise {
    fn tags(self) -> Vec<String> {
        let thin = self.thin.map(Overcommit::tag);
        // Thin volumes are zeros in any case.
        let clean = self.clean.tag().filter(|_| thin.is_none());
        clean.into_iter().chain(thin).collect()
    }
}

/// Makes a PV of a blank device, and on it a VG that carries our tag.
///
/// Without `--yes`, and with no input to be asked on: if LVM finds anything on the device, in spite
/// of our own look at it, it refuses.
///
/// If its volumes are to be thin, a thin pool of all its room. Each command holds a lock of `lock`'s too: if we
/// die, nobody takes it for done before LVM is.
pub(crate) fn make_group(
    vg_name: &str,
    device: &Path,
    promise: Promise,
    lock: &dyn Fn() -> Result<File>,
) -> Result<()> {
    let tags = promise.tags();
    let aligned: &[&str] = if promise.thin.is_some() { &ALIGNED } else { &[] };
    writing("vgcreate")?
        .args([
            "--metadatasize",
            METADATA_SIZE,
            "--setautoactivation",
            "n",
            "--addtag",
            POOL_TAG,
        ])
        .args(tags.iter().flat_map(|tag| ["--addtag", tag]))
        .args(aligned)
        .arg(vg_name)
        .arg(device)
        .holding(lock()?)
        .run()?;
    complete_group(vg_name, lock)
}

/// Makes what a VG of ours lacks of what it promises: its thin pool, or parts of that.
pub(crate) fn complete_group(vg_name: &str, lock: &dyn Fn() -> Result<File>) -> Result<()> {
    match Group::look(vg_name)? {
        Some((group, _)) if group.thin.is_some() => group.complete_thin(lock),
        _ => Ok(()),
    }
}

/// Removes a VG, and the thin pool in it. LVM refuses if there is another LV in it. It holds the lock too.
pub(crate) fn unmake_group(vg_name: &str, lock: &dyn Fn() -> Result<File>) -> Result<()> {
    let thin = Group::look(vg_name)?.filter(|(group, _)| group.thin.is_some());
    if let Some((group, _)) = &thin {
        group.remove_thin(lock)?;
    }
    let removed = writing("vgremove")?.arg(vg_name).holding(lock()?).run();
    if let (Err(_), Some((group, _))) = (&removed, &thin) {
        // It is a pool still, and is to be one of use. Why it could not be removed is what is reported.
        let _ = group.complete_thin(lock);
    }
    removed.map(drop)
}

/// Removes a VG whose thin pool is gone already; tells whether it was so.
pub(crate) fn unmake_if_begun(vg_name: &str, lock: &dyn Fn() -> Result<File>) -> Result<bool> {
    match Group::look(vg_name)? {
        Some((group, _)) if group.has_lost_its_thin_pool()? => {
            unmake_group(vg_name, lock)?;
            Ok(true)
        }
        _ => Ok(false),
    }
}

/// Returns the PVs that a VG is on, under the names that their devices have now.
pub(crate) fn physicals_of(vg_name: &str) -> Result<Vec<Physical>> {
    select(&format!("vg_name=\"{vg_name}\""))
}

/// Finds a PV by its UUID.
pub(crate) fn physical_by_uuid(uuid: &str) -> Result<Option<Physical>> {
    Ok(select(&format!("pv_uuid=\"{uuid}\""))?.into_iter().next())
}

/// Finds the PV on a device, by whichever of its names LVM knows it.
pub(crate) fn physical_at(device: &Path) -> Result<Option<Physical>> {
    let number = block_device(device);
    // A selection of all.
    let all = select("pv_uuid!=\"\"")?;
    let is_it = |physical: &Physical| number.is_some() && block_device(&physical.device) == number;
    Ok(all.into_iter().find(is_it))
}

/// Tells LVM that a device is there that may be a PV, as udev does a moment later, where there is one.
pub(crate) fn announce(device: &Path) -> Result<()> {
    // Of a device that is none there is nothing to be known, and that is no error here.
    reading("pvscan")?.arg("--cache").arg(device).finish()?;
    Ok(())
}

fn select(which: &str) -> Result<Vec<Physical>> {
    let done = reading("pvs")?
        .args(["--config", NO_HINTS])
        .args(READABLE)
        .args(["-o", PV_FIELDS, "--select", which])
        .run()?;
    Ok(report::pvs(&done.command, &done.stdout)?
        .into_iter()
        .map(|row| Physical {
            device: row.pv_name.into(),
            uuid: row.pv_uuid,
            vg_name: row.vg_name,
        })
        .collect())
}
