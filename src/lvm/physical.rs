use std::fs::File;
use std::path::{Path, PathBuf};

use crate::clean::Clean;
use crate::error::Result;
use crate::lvm::report::{self, PV_FIELDS, READABLE};
use crate::lvm::{NO_HINTS, POOL_TAG, reading, writing};
use crate::mounts::block_device;

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

/// Makes a PV of a blank device, and on it a VG that carries our tag.
///
/// Without `--yes`, and with no input to be asked on: if LVM finds anything on the device, in spite
/// of our own look at it, it refuses.
///
/// It holds the lock too: if we die, nobody takes it for done before LVM is.
pub(crate) fn make_group(vg_name: &str, device: &Path, clean: Clean, lock: File) -> Result<()> {
    let clean = clean.tag();
    writing("vgcreate")?
        .args([
            "--metadatasize",
            METADATA_SIZE,
            "--setautoactivation",
            "n",
            "--addtag",
            POOL_TAG,
        ])
        .args(clean.iter().flat_map(|tag| ["--addtag", tag]))
        .arg(vg_name)
        .arg(device)
        .holding(lock)
        .run()?;
    Ok(())
}

/// Removes a VG. LVM refuses if there is an LV in it. It holds the lock too.
pub(crate) fn unmake_group(vg_name: &str, lock: File) -> Result<()> {
    writing("vgremove")?.arg(vg_name).holding(lock).run()?;
    Ok(())
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
