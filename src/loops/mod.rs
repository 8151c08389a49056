//! Loop devices over files without a name: the embedded default.

mod attached;
mod device;
mod ioctl;

pub(crate) use attached::{Attached, PinnedLoop, attached, over, over_file, pin_over, pin_over_file};
pub(crate) use device::{LoopDevice, LoopDir, detach, is_attached, name_of, pin};
