use std::path::Path;
use std::thread;
use std::time::Duration;

use crate::backend::{Backend, Leftover, Named};
use crate::error::Result;
use crate::give_back::{Share, give_back_all};
use crate::holders::standing_on;
use crate::mount_point;
use crate::owner::OwnerTag;
use crate::state::State;

/// How long is waited before each attempt: what was killed along with the owner, and has a file open in
/// a file system of the owner's, takes its time to die.
const PAUSES: [u64; 5] = [0, 20, 100, 300, 1000];

/// Gives back volumes of dead owners, after clearing away what these left standing on them.
///
/// Returns those that could not be removed, as [`give_back_all`] does; they are what is left in the shares.
pub(crate) fn take_back(state: &State, backend: &Backend, shares: &mut [Share]) -> Result<Vec<Leftover>> {
    let mut left = Vec::new();
    for pause in PAUSES {
        thread::sleep(Duration::from_millis(pause));
        let owned: Vec<(&OwnerTag, &Named)> = shares
            .iter()
            .flat_map(|share| share.volumes.iter().map(|volume| (&share.tag, volume)))
            .collect();
        backend.clear(&owned);
        for (tag, volume) in owned {
            mount_point::remove_all_of(&volume.lv_name, &tag.owner);
        }
        left = give_back_all(state, backend, shares)?;
        let is_left = |volume: &Named| left.iter().any(|left| left.lv_name == volume.lv_name);
        shares.iter_mut().for_each(|share| share.volumes.retain(is_left));
        let paths: Vec<&Path> = left.iter().map(|left| left.path.as_path()).collect();
        // LVM itself waits for what is merely open.
        if standing_on(&paths).iter().all(Vec::is_empty) {
            break;
        }
    }
    Ok(left)
}
