use std::fs::File;

use crate::backend::{Backend, Made, Named, images, lvs};
use crate::error::{Error, Result};
use crate::loops::LoopDevice;
use crate::lvm::NewLv;
use crate::owner::OwnerTag;

impl Backend {
    /// Makes `volume` what `origin` is at this moment. `device` is what that lives by, if it does. It says itself
    /// whose it is, and whether it is kept, from the beginning.
    pub(crate) fn snapshot(
        &self,
        origin: &Named,
        volume: &mut Named,
        device: Option<&LoopDevice>,
        (tag, is_kept): (&OwnerTag, bool),
        lock: Option<File>,
    ) -> Result<Made> {
        let missing = || Error::Missing {
            what: format!("volume `{}`", origin.lv_name),
            hint: "did somebody remove it?",
        };
        match self {
            Self::Lvm(group) => {
                let new = NewLv {
                    name: &volume.lv_name,
                    size: volume.size,
                    tag,
                    is_kept,
                };
                group.snapshot(&new, &origin.lv_name, lock)?;
                let made = lvs::look_up(group, std::slice::from_ref(volume))?;
                made.into_iter().next().ok_or_else(missing)
            }
            Self::Loop(dir) => {
                let device = device.ok_or_else(missing)?;
                let copy = device.copy(dir, &volume.lv_name, volume.size)?;
                Ok(Made::of_device(volume, copy))
            }
            Self::Image(_) => images::snapshot(origin, volume, is_kept),
        }
    }
}
