//! Setting pools up and taking them down. LVM makes a PV and a VG on any kernel; only LVs need
//! device-mapper, and what has to do with them is in `lvm`.

mod file;
mod host;
mod refused;
mod site;
mod undone;
mod wiped;

#[cfg(feature = "test-bed")]
pub(crate) use host::{no_device_mapper_no_pool, no_udev_no_pool_unless_lvm_makes_nodes};
#[cfg(feature = "test-bed")]
pub(crate) use site::{Site, assert_findings};
#[cfg(feature = "test-bed")]
pub(crate) use wiped::used_disk;
