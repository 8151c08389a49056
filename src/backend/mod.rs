//! The one way to make, remove and keep volumes, whatever they are made of.

mod images;
mod kinds;
mod lvs;
mod snapshots;
mod volumes;

pub(crate) use kinds::Backend;
pub(crate) use volumes::{Leftover, Made, Named};
