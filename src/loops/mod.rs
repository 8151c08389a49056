//! Loop devices over files without a name: the embedded default.

mod device;
mod ioctl;

pub(crate) use device::{LoopDevice, LoopDir, detach, is_attached};
