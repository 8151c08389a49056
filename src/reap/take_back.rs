use std::fs::File;
use std::thread;
use std::time::Duration;

use crate::backend::{Backend, Leftover, Named};
use crate::error::Result;
use crate::give_back::give_back;
use crate::holders::standing_on;
use crate::lease::Lease;
use crate::mount_point;
use crate::owner::OwnerTag;
use crate::state::State;
use crate::undo;

/// How long is waited before each attempt: what was killed along with the owner, and has a file open in
/// a file system of the owner's, takes its time to die.
const PAUSES: [u64; 5] = [0, 20, 100, 300, 1000];

/// Gives back volumes of a dead owner, after clearing away what it left standing on them.
///
/// Returns those that could not be removed, as [`give_back`] does.
pub(crate) fn take_back(
    state: &State,
    backend: &Backend,
    tag: &OwnerTag,
    mut volumes: Vec<Named>,
    lease: &mut Option<Lease>,
) -> Result<Vec<Leftover>> {
    let mut left = Vec::new();
    for pause in PAUSES {
        thread::sleep(Duration::from_millis(pause));
        let pinned: Vec<File> = volumes.iter().filter_map(|volume| backend.pin(volume)).collect();
        undo::clear(&pinned);
        drop(pinned);
        for volume in &volumes {
            mount_point::remove_all_of(&volume.lv_name);
        }
        left = give_back(state, backend, tag, &volumes, lease)?;
        volumes.retain(|volume| left.iter().any(|left| left.lv_name == volume.lv_name));
        let paths: Vec<_> = volumes.iter().map(|volume| volume.path.as_path()).collect();
        // LVM itself waits for what is merely open.
        if standing_on(&paths).iter().all(Vec::is_empty) {
            break;
        }
    }
    Ok(left)
}
