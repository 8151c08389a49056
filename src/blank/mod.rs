//! Whether a device is blank and nobody's, so that nothing is lost if it becomes a pool; what is
//! overwritten if it is not, saved before and written back after.

mod by_id;
mod ioctl;
mod look;
mod ranges;
mod restore;
mod saved;
mod seen;
mod signatures;
mod system;
mod tables;
mod users;
mod wipe;
mod zero;

pub(crate) use by_id::stable_name;
pub(crate) use look::look;
pub(crate) use restore::{has_label, is_untouched, restore};
pub(crate) use saved::Saved;
pub(crate) use seen::{LEAST, Seen};
pub(crate) use wipe::wipe;
pub(crate) use zero::zero;
