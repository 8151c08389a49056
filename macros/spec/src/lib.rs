//! What a test asks of kdev-volumes, and the rules that it must keep.
//!
//! The attribute macro checks a [`Spec`] while it compiles, the library checks it again when it
//! is built by hand, and both must give the same answer. The macro crate may not depend on the
//! runtime crate (its constructor would then run inside rustc), so the rules live here.

mod bytes;
mod error;
mod mkfs;
mod names;
mod sets;
mod volumes;

pub use bytes::Bytes;
pub use error::SpecError;
pub use names::{DEVICE_VARIABLES, LV_NAME_BUDGET, check_lv_part, lv_name_cost};
pub use sets::FSTESTS;
pub use volumes::{Spec, VolumeSpec};
