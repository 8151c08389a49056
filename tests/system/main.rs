//! The crate and the command on real devices: loop devices wherever there is root, and LVM in the test
//! bed (feature `test-bed`), all of them with processes that are really killed.

mod busy;
mod children;
mod command;
mod declared;
mod disk;
mod embedded;
mod errors;
mod filesystems;
mod images;
mod keep;
mod liveness;
#[cfg(feature = "test-bed")]
mod lvm;
mod matrix;
mod metrics;
mod neighbours;
mod nextest;
mod plan;
mod pools;
mod programs;
mod runners;
mod scene;
mod shell;
mod suite;
#[cfg(feature = "test-bed")]
mod systemd;
mod terminal;
mod test_dev;
mod timer;
mod torture;
mod volumes;
mod watchdog;
