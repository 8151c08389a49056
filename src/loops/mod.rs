//! Loop devices: over files without a name for the embedded default, and over the files of pools.

mod attached;
mod device;
mod ioctl;

pub(crate) use attached::{Attached, PinnedLoop, attached, over, over_file, pin_over, pin_over_file};
pub(crate) use device::{
    LoopDevice, LoopDir, attach_file, check_host, detach, detach_file, is_attached, name_of, pin,
    wait_for_udev,
};
