//! Takes away what the dead left standing on their volumes.

use std::collections::BTreeSet;
use std::path::Path;

use crate::command::Invocation;
use crate::error::Result;
use crate::fault;
use crate::loops;
use crate::lvm;
use crate::mounts::{mounts_of, unmount};
use crate::stacked::{Layer, Stacked, stacked_on, swap_on};

/// How many layers may stand on each other.
const DEPTH: usize = 16;

/// Unmounts, detaches and switches off what stands on these devices, and on nothing but them.
///
/// Nothing that a process uses is taken from it: the kernel refuses that here, and it stays. So does
/// what stands on others' devices too. Returns whether anything was taken away.
pub(crate) fn clear(volumes: &BTreeSet<u64>) -> bool {
    let mut cleared = false;
    let tower = tower(volumes, stacked_on);
    for upper in tower.iter().rev() {
        cleared |= clear_devices(&BTreeSet::from([upper.device]));
        cleared |= take_down(upper);
    }
    clear_devices(volumes) || cleared
}

/// Finds what stands on the devices and on nothing else, the lower before the upper.
fn tower(volumes: &BTreeSet<u64>, stacked_on: impl Fn(u64) -> Vec<Stacked>) -> Vec<Stacked> {
    let mut known = volumes.clone();
    let mut tower: Vec<Stacked> = Vec::new();
    for _ in 0..DEPTH {
        let above: Vec<Stacked> = known.iter().flat_map(|&device| stacked_on(device)).collect();
        let before = known.len();
        for stacked in above {
            let ours_to_undo = matches!(stacked.kind, Layer::Loop | Layer::Mapper(_));
            if ours_to_undo && stacked.below.is_subset(&known) && known.insert(stacked.device) {
                tower.push(stacked);
            }
        }
        if known.len() == before {
            break;
        }
    }
    tower
}

fn clear_devices(devices: &BTreeSet<u64>) -> bool {
    let mut cleared = false;
    // A mount that others hold busy may be free when those have gone, and an unmount here may have
    // reached another namespace: so once more as long as it helps.
    loop {
        let undone = mounts_of(devices)
            .iter()
            .filter(|mount| unmount(mount).is_ok())
            .count();
        if undone == 0 {
            break;
        }
        fault::point("unmounted");
        cleared = true;
    }
    for path in devices.iter().filter_map(|&device| swap_on(device)) {
        // What cannot be done shows by what stands there still, and is told then.
        cleared |= switch_off_swap(&path).is_ok();
    }
    cleared
}

fn switch_off_swap(path: &Path) -> Result<()> {
    Invocation::new("swapoff", "mount")?.arg(path).changing().run()?;
    Ok(())
}

fn take_down(upper: &Stacked) -> bool {
    let gone = match &upper.kind {
        Layer::Loop => upper
            .below
            .iter()
            .all(|&device| loops::detach_over(&upper.path, device).is_ok()),
        Layer::Mapper(name) => lvm::unmap(name).is_ok(),
        Layer::Lvm | Layer::Other => false,
    };
    fault::point("took down a stacked device");
    gone
}

#[cfg(test)]
mod tests {
    use super::*;

    const VOLUMES: [u64; 2] = [1, 2];

    fn stacked(device: u64, below: &[u64], kind: Layer) -> Stacked {
        Stacked {
            kind,
            path: Path::new("/dev").join(device.to_string()),
            device,
            below: below.iter().copied().collect(),
        }
    }

    fn found(all: &[Stacked]) -> Vec<u64> {
        let on = |device: u64| {
            all.iter()
                .filter(|stacked| stacked.below.contains(&device))
                .cloned()
                .collect()
        };
        tower(&VOLUMES.into(), on)
            .iter()
            .map(|stacked| stacked.device)
            .collect()
    }

    #[test]
    fn what_stands_on_our_volumes_alone_is_found_from_the_bottom_up() {
        let mapper = || Layer::Mapper("m".into());
        let all = [
            stacked(12, &[10, 11], mapper()),
            stacked(10, &[1], Layer::Loop),
            stacked(11, &[1, 2], mapper()),
        ];
        assert_eq!(found(&all), [10, 11, 12]);
    }

    #[test]
    fn what_stands_on_anothers_device_too_is_left_with_all_above_it() {
        let all = [
            stacked(10, &[1, 99], Layer::Mapper("shared".into())),
            stacked(11, &[10], Layer::Loop),
        ];
        assert!(found(&all).is_empty());
    }

    #[test]
    fn raid_and_lvms_own_layers_are_left() {
        let all = [stacked(10, &[1], Layer::Other), stacked(11, &[1], Layer::Lvm)];
        assert!(found(&all).is_empty());
    }
}
