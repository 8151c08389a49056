//! Whose the device node of an LV is. udev makes each node anew when its LV is activated again, and sets its rights
//! again on many events: so a rule of udev's knows the owner, by the UUID that the kernel has for the LV.

use std::collections::BTreeSet;
use std::fs::{self, File, Permissions};
use std::io;
use std::os::unix::fs::{MetadataExt, PermissionsExt, fchown};
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use crate::error::{Error, Result};
use crate::lvm::{Group, Lv};
use crate::root::caller::Caller;
use crate::udev;

/// A file for each LV that is an ordinary user's, named by the kernel's UUID of it: no other LV ever has the same.
const DIR: &str = "/run/kdev-volumes/nodes";

/// Gives a node to the caller, for as long as there is this LV: the open device's, which has that UUID.
pub(super) fn give(device: &File, kernel_uuid: &str, caller: Caller) -> Result<()> {
    udev::ensure_owners()?;
    write_down(kernel_uuid, caller)?;
    let failed = |err| Error::io("give the caller the device", kernel_uuid, err);
    // As udev will do whenever it looks at the LV. LVM has waited for it, so it is not at it at this moment.
    fchown(device, Some(caller.uid), Some(0)).map_err(failed)?;
    device
        .set_permissions(Permissions::from_mode(0o600))
        .map_err(failed)?;
    let found = device.metadata().map_err(failed)?;
    match (found.uid(), found.mode() & 0o777) == (caller.uid, 0o600) {
        true => Ok(()),
        false => Err(failed(io::Error::other("it stayed another's"))),
    }
}

/// Gives the nodes of LVs that were activated again to their users, where they were theirs before. What has
/// `kdev.given` is as clean as its pool promises, also if the machine stopped while others were being made.
pub(crate) fn give_again(group: &Group, lvs: &[Lv]) -> Result<()> {
    for lv in lvs {
        let Some(uid) = lv.node_owner() else { continue };
        let pinned = group
            .mapped(&lv.name)
            .filter(|mapped| mapped.uuid == lv.uuid)
            .and_then(|mapped| Some((mapped.pin()?, mapped)));
        // One that is not active has no node.
        if let Some((device, mapped)) = pinned {
            give(&device, mapped.kernel_uuid(), Caller { uid })?;
        }
    }
    Ok(())
}

/// Forgets whose an LV was that is gone.
pub(super) fn forget(kernel_uuid: &str) {
    // What is left is named by a UUID that never comes again, and is swept.
    let _ = fs::remove_file(file(kernel_uuid));
}

/// Forgets the LVs of a VG that are gone, of all that were there at that time.
pub(super) fn sweep(vg_uuid: &str, lv_uuids: &BTreeSet<String>, seen: SystemTime) {
    let Ok(entries) = fs::read_dir(DIR) else { return };
    for entry in entries.flatten() {
        let name = entry.file_name();
        let is_old = || {
            entry
                .metadata()
                .and_then(|meta| meta.modified())
                .is_ok_and(|at| at < seen)
        };
        if is_lost(&name.to_string_lossy(), vg_uuid, lv_uuids) && is_old() {
            // As above.
            let _ = fs::remove_file(entry.path());
        }
    }
}

/// The kernel's UUID is `LVM-`, the VG's, the LV's, without the hyphens that LVM writes.
fn is_lost(kernel_uuid: &str, vg_uuid: &str, lv_uuids: &BTreeSet<String>) -> bool {
    let plain = |uuid: &str| uuid.replace('-', "");
    let Some(both) = kernel_uuid.strip_prefix("LVM-") else {
        return false;
    };
    let of_vg = both.strip_prefix(&plain(vg_uuid));
    !vg_uuid.is_empty() && of_vg.is_some_and(|lv| lv_uuids.iter().all(|uuid| plain(uuid) != lv))
}

fn file(kernel_uuid: &str) -> PathBuf {
    Path::new(DIR).join(kernel_uuid)
}

fn write_down(kernel_uuid: &str, caller: Caller) -> Result<()> {
    let failed = |err| Error::io("write down the owner in", DIR, err);
    let text = format!("KDEV_OWNER={}\n", caller.uid);
    udev::replace(&file(kernel_uuid), &text).map_err(failed)
}

#[cfg(test)]
mod tests {
    use rstest::rstest;

    use super::*;

    const VG: &str = "XAdq2l-H5eY-3Pfw-LoVz-bJkM-0sQ8-tRcU7n";
    const LV: &str = "GJ2hxd-LvRd-Q7kb-NcYD-OeTz-5WsV-mK1pBf";

    #[rstest]
    #[case::there("LVM-XAdq2lH5eY3PfwLoVzbJkM0sQ8tRcU7nGJ2hxdLvRdQ7kbNcYDOeTz5WsVmK1pBf", false)]
    #[case::gone("LVM-XAdq2lH5eY3PfwLoVzbJkM0sQ8tRcU7nAAAAAALvRdQ7kbNcYDOeTz5WsVmK1pBf", true)]
    #[case::of_another_vg("LVM-BBBBBBH5eY3PfwLoVzbJkM0sQ8tRcU7nAAAAAALvRdQ7kbNcYDOeTz5WsVmK1pBf", false)]
    #[case::something_else(".kdev-abcdef", false)]
    fn what_is_known_of_an_lv_that_is_gone_is_forgotten(#[case] name: &str, #[case] lost: bool) {
        assert_eq!(is_lost(name, VG, &BTreeSet::from([LV.to_owned()])), lost);
        assert!(
            !is_lost(name, "", &BTreeSet::new()),
            "nothing is known without a VG"
        );
    }
}
