//! Takes away what the dead left standing on their volumes.

use std::collections::BTreeSet;
use std::fs::File;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use crate::command::Invocation;
use crate::device_lock::UdevWait;
use crate::error::Result;
use crate::fault;
use crate::loops::{self, PinnedLoop};
use crate::lvm;
use crate::mount_point;
use crate::mounts::mounts_of;
use crate::stacked::{Layer, Stacked, stacked_on, swap_on};
use crate::unmount::unmount;

/// How many layers may stand on each other.
const DEPTH: usize = 16;

/// Unmounts, detaches and switches off what stands on these devices, and on nothing but them.
///
/// They have to be held open meanwhile: a device that goes leaves its number to another, and what
/// stands on that is somebody else's. For the same reason what is found on them is held open here.
///
/// Nothing that a process uses is taken from it: the kernel refuses that here, and it stays. So does
/// what stands on others' devices too.
pub(crate) fn clear(volumes: &[File]) {
    let (images, devices): (Vec<&File>, Vec<&File>) = volumes
        .iter()
        .partition(|volume| volume.metadata().is_ok_and(|meta| meta.is_file()));
    // On an image only loop devices can stand, one for each that mounted it elsewhere.
    for (number, over) in images.into_iter().flat_map(loops::pin_over_file) {
        clear_all_on(&BTreeSet::from([number]));
        take_down_loop(over);
    }
    let numbers = devices.into_iter().filter_map(|device| device.metadata().ok());
    clear_all_on(&numbers.map(|meta| meta.rdev()).collect());
}

fn clear_all_on(numbers: &BTreeSet<u64>) {
    if numbers.is_empty() {
        return;
    }
    let tower: Vec<(Stacked, Pin)> = tower(numbers, stacked_on)
        .into_iter()
        .filter_map(|upper| {
            let pin = pin(&upper)?;
            Some((upper, pin))
        })
        .collect();
    for (upper, pin) in tower.into_iter().rev() {
        clear_devices(&BTreeSet::from([upper.device]));
        take_down(&upper, pin);
    }
    clear_devices(numbers);
}

/// What holds a stacked device open.
enum Pin {
    Loop(PinnedLoop),
    Mapper(File),
}

fn pin(upper: &Stacked) -> Option<Pin> {
    let below = *upper.below.first()?;
    match upper.kind {
        Layer::Loop => loops::pin_over(&upper.path, below).map(Pin::Loop),
        Layer::Mapper(_) => {
            let file = File::open(&upper.path).ok()?;
            let is_still_there = stacked_on(&BTreeSet::from([below])).contains(upper);
            is_still_there.then_some(Pin::Mapper(file))
        }
        Layer::Lvm | Layer::Other => None,
    }
}

/// Finds what stands on the devices and on nothing else, the lower before the upper.
fn tower(volumes: &BTreeSet<u64>, stacked_on: impl Fn(&BTreeSet<u64>) -> Vec<Stacked>) -> Vec<Stacked> {
    let mut known = volumes.clone();
    let mut tower: Vec<Stacked> = Vec::new();
    for _ in 0..DEPTH {
        let before = known.len();
        for stacked in stacked_on(&known) {
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

fn clear_devices(devices: &BTreeSet<u64>) {
    // A mount that others hold busy may be free when those have gone, and an unmount here may have
    // reached another namespace: so once more as long as it helps.
    let mut points = BTreeSet::new();
    loop {
        let unmounted = unmount_what_can_be(devices);
        if unmounted.is_empty() {
            break;
        }
        points.extend(unmounted);
        fault::point("unmounted");
    }
    points.iter().for_each(|point| mount_point::remove_if_ours(point));
    for path in devices.iter().filter_map(|&device| swap_on(device)) {
        // What cannot be done shows by what stands there still, and is told then.
        let _ = switch_off_swap(&path);
    }
}

/// Returns where something was unmounted.
fn unmount_what_can_be(devices: &BTreeSet<u64>) -> Vec<PathBuf> {
    let mounts = mounts_of(devices).into_iter();
    mounts
        .filter(|mount| unmount(mount).is_ok())
        .map(|mount| mount.point)
        .collect()
}

fn switch_off_swap(path: &Path) -> Result<()> {
    Invocation::new("swapoff", "mount")?.arg(path).changing().run()?;
    Ok(())
}

fn take_down(upper: &Stacked, pin: Pin) {
    match (pin, &upper.kind) {
        (Pin::Loop(pinned), _) => return take_down_loop(pinned),
        (Pin::Mapper(file), Layer::Mapper(name)) => {
            UdevWait::new().until_not_open(&file, &upper.path);
            drop(file);
            // As above: what cannot be taken down is found and told by whoever tries to remove the volume.
            let _ = lvm::unmap(name);
        }
        (Pin::Mapper(_), _) => {}
    }
    fault::point("took down a stacked device");
}

fn take_down_loop(pinned: PinnedLoop) {
    // As above.
    let _ = pinned.detach();
    fault::point("took down a stacked device");
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
        let on = |devices: &BTreeSet<u64>| {
            all.iter()
                .filter(|stacked| !stacked.below.is_disjoint(devices))
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
