use std::fs::File;
use std::path::{Path, PathBuf};

use crate::backend::{Leftover, Made, Named, images, lvs};
use crate::error::Result;
use crate::holders::is_claimed;
use crate::images::ImageDir;
use crate::lease::Lease;
use crate::loops::{self, LoopDevice, LoopDir};
use crate::lvm::{Group, MountBySudo, NewLv, Shell, is_the_way};
use crate::mount_point;
use crate::mounts::{block_device, points_of};
use crate::owner::OwnerTag;
use crate::state::Kind;
use crate::thin::Thin;
use crate::udev;
use crate::undo;

/// What makes volumes and removes them.
#[derive(Clone, Debug)]
pub(crate) enum Backend {
    Lvm(Group),
    Loop(LoopDir),
    Image(ImageDir),
}

impl Backend {
    pub(crate) fn kind(&self) -> Kind {
        match self {
            Self::Lvm(_) => Kind::Lvm,
            Self::Loop(_) => Kind::Loop,
            Self::Image(_) => Kind::Image,
        }
    }

    /// Returns the VG's name, or nothing.
    pub(crate) fn vg_name(&self) -> &str {
        match self {
            Self::Lvm(group) => &group.name,
            Self::Loop(_) | Self::Image(_) => "",
        }
    }

    /// Returns where a volume is going to be, so that its record can say so before it is there. Which loop
    /// device it will be nobody knows.
    pub(crate) fn path_of(&self, lv_name: &str) -> PathBuf {
        match self {
            Self::Lvm(_) | Self::Loop(_) => PathBuf::from(format!("/dev/{}/{lv_name}", self.vg_name())),
            Self::Image(dir) => dir.image(lv_name),
        }
    }

    /// Returns the directory that has to be looked into for volumes of which no record tells.
    pub(crate) fn directory(&self) -> Option<&Path> {
        match self {
            Self::Lvm(_) | Self::Loop(_) => None,
            Self::Image(dir) => Some(dir.path()),
        }
    }

    /// Makes all the volumes, or fails; then some of them may be there.
    ///
    /// `shell` is what has looked at the VG, if it is there still. An LV or image that is to be kept says so from the beginning. An image's path is set as soon as it is
    /// there: what stands at the path of one that could not be made is somebody else's.
    pub(crate) fn make(
        &self,
        wanted: &mut [Named],
        tag: &OwnerTag,
        lease: &Lease,
        is_kept: bool,
        shell: Option<Shell>,
    ) -> Result<Vec<Made>> {
        match self {
            Self::Lvm(group) => {
                // Without it all takes longer, and that is all. For ordinary users kdev-root does it.
                if !is_the_way() {
                    let _ = udev::ensure();
                }
                group.wake(Some(lease.shared()?))?;
                let new: Vec<NewLv> = wanted
                    .iter()
                    .map(|volume| NewLv {
                        name: &volume.lv_name,
                        size: volume.size,
                        tag,
                        is_kept,
                    })
                    .collect();
                group.create(&new, lease, shell)?;
                let made = lvs::look_up(group, wanted)?;
                let paths = made.iter().map(|made| &made.path);
                for path in paths {
                    group.clean.apply(path, lease)?;
                }
                Ok(made)
            }
            Self::Loop(dir) => wanted
                .iter()
                .map(|volume| Ok(Made::of_device(volume, dir.attach(&volume.lv_name, volume.size)?)))
                .collect(),
            Self::Image(dir) => wanted
                .iter_mut()
                .map(|volume| images::make(dir, volume, is_kept))
                .collect(),
        }
    }

    /// Removes volumes, each with its owner's tag, and confirms that they are gone; returns those that are not.
    ///
    /// Fails only if nobody can say which are gone.
    pub(crate) fn remove(&self, owned: &[(&OwnerTag, &[Named])]) -> Result<Vec<Leftover>> {
        // What something stands on could not be removed, and LVM would not remove the others either.
        let mut left = Vec::new();
        let mut free: Vec<(&OwnerTag, Vec<&Named>)> = Vec::new();
        for (tag, volumes) in owned {
            let mut free_of_session = Vec::new();
            for volume in *volumes {
                // Another volume may have the loop device by now.
                let may_be_there = match self {
                    Self::Lvm(_) => true,
                    Self::Loop(_) => loops::is_attached(&volume.path, &volume.lv_name)?,
                    // No block device: what stands on it is asked below.
                    Self::Image(_) => false,
                };
                match may_be_there && is_claimed(&volume.path) {
                    true => left.push(Leftover::held(
                        volume,
                        "something stands on it that cannot be seen".into(),
                    )),
                    false => free_of_session.push(volume),
                }
            }
            if !free_of_session.is_empty() {
                free.push((*tag, free_of_session));
            }
        }
        let volumes = || free.iter().flat_map(|(_, volumes)| volumes).copied();
        match self {
            _ if free.is_empty() => {}
            Self::Lvm(group) => left.extend(lvs::remove(group, &free)?),
            Self::Loop(_) => detach_loops(volumes(), &mut left)?,
            Self::Image(_) => left.extend(volumes().filter_map(images::remove)),
        }
        Ok(left)
    }

    /// Holds a volume open, if it is there and is still the one that is meant: as long as this file is
    /// open, its device number cannot become another's.
    pub(crate) fn pin(&self, volume: &Named) -> Option<File> {
        match self {
            Self::Lvm(group) => {
                let mapped = group.mapped(&volume.lv_name)?;
                let is_meant = volume.uuid.as_ref() == Some(&mapped.uuid);
                is_meant.then(|| mapped.pin())?
            }
            Self::Loop(_) => loops::pin(&volume.path, &volume.lv_name),
            Self::Image(_) => crate::images::pin(&volume.path, &volume.lv_name),
        }
    }

    /// Tells how a volume is mounted and unmounted, where that takes sudo: an ordinary user's LV.
    pub(crate) fn mount_by_sudo(&self, lv_name: &str, tag: &OwnerTag) -> Option<MountBySudo> {
        match self {
            Self::Lvm(group) if is_the_way() => Some(MountBySudo {
                vg_name: group.name.clone(),
                tag: tag.clone(),
                lv_name: lv_name.to_owned(),
            }),
            Self::Lvm(_) | Self::Loop(_) | Self::Image(_) => None,
        }
    }

    /// Clears away what the dead left standing on their volumes.
    pub(crate) fn clear(&self, owned: &[(&OwnerTag, &Named)]) {
        let pinned: Vec<File> = owned.iter().filter_map(|(_, volume)| self.pin(volume)).collect();
        undo::clear(&pinned);
        drop(pinned);
        for (tag, volume) in owned {
            let Some(sudo) = self.mount_by_sudo(&volume.lv_name, tag) else {
                continue;
            };
            // Whose the device is, sudo's side asks again.
            let points = block_device(&volume.path).map_or_else(Vec::new, points_of);
            for point in points {
                // What cannot be done shows by what stands there still, and is told then.
                if sudo.unmount(&point).is_ok() {
                    mount_point::remove_if_ours(&point);
                }
            }
        }
    }

    /// Tells of a pool that is so full that writes to its volumes may have failed.
    pub(crate) fn full(&self) -> Option<Thin> {
        let Self::Lvm(group) = self else { return None };
        // Who cannot look has nothing to tell.
        let thin = group.usage(group.thin?).ok()?;
        thin.is_nearly_full().then_some(thin)
    }

    /// Makes sure that volumes stay when this process is gone, should the records be lost: an LV says so
    /// itself, an image by a file beside it, a loop device by not going by itself.
    pub(crate) fn keep(&self, volumes: &[(&Named, Option<&LoopDevice>)], tag: &OwnerTag) -> Result<()> {
        match self {
            Self::Lvm(group) => {
                let names: Vec<&str> = volumes
                    .iter()
                    .map(|(volume, _)| volume.lv_name.as_str())
                    .collect();
                group.mark_kept(&names, tag)
            }
            Self::Image(_) => volumes
                .iter()
                .try_for_each(|(volume, _)| images::mark_kept(volume)),
            Self::Loop(_) => volumes
                .iter()
                .filter_map(|(_, device)| *device)
                .try_for_each(LoopDevice::outlive_us),
        }
    }
}

fn detach_loops<'a>(volumes: impl Iterator<Item = &'a Named>, left: &mut Vec<Leftover>) -> Result<()> {
    for volume in volumes {
        if !loops::detach(&volume.path, &volume.lv_name)? {
            left.push(Leftover::held(volume, "the kernel still has it attached".into()));
        }
    }
    Ok(())
}
