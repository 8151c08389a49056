use std::path::{Path, PathBuf};

use crate::error::Result;
use crate::lvm::report::{self, READABLE};
use crate::lvm::{POOL_TAG, reading, writing};

/// Metadata for about 20 000 volumes; the default holds some 1300, and it cannot grow later.
const METADATA_SIZE: &str = "16m";

/// Makes a PV of a blank device, and on it a VG that carries our tag.
///
/// Without `--yes`, and with no input to be asked on: if LVM finds anything on the device, in spite
/// of our own look at it, it refuses.
pub(crate) fn make_group(vg_name: &str, device: &Path) -> Result<()> {
    writing("vgcreate")?
        .args([
            "--metadatasize",
            METADATA_SIZE,
            "--setautoactivation",
            "n",
            "--addtag",
            POOL_TAG,
            vg_name,
        ])
        .arg(device)
        .run()?;
    Ok(())
}

/// Removes a VG. LVM refuses if there is an LV in it.
pub(crate) fn unmake_group(vg_name: &str) -> Result<()> {
    writing("vgremove")?.arg(vg_name).run()?;
    Ok(())
}

/// Removes a PV that is in no VG; LVM refuses if it is in one.
pub(crate) fn unmake_physical(device: &Path) -> Result<()> {
    reading("pvremove")?.arg(device).run()?;
    Ok(())
}

/// Returns the devices that a VG is on, under the names that they have now.
pub(crate) fn devices_of(vg_name: &str) -> Result<Vec<PathBuf>> {
    let select = format!("vg_name=\"{vg_name}\"");
    let done = reading("pvs")?
        .args(READABLE)
        .args(["-o", "pv_name", "--select", &select])
        .run()?;
    Ok(report::pvs(&done.command, &done.stdout)?
        .into_iter()
        .map(|row| row.pv_name.into())
        .collect())
}
