//! A device from the environment, which is taken only with proof.

mod device;
mod identity;
mod proof;

pub use device::TestDev;
pub(crate) use identity::Identity;
