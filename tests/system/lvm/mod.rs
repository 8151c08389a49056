//! On real LVM, in the test bed.

mod busy;
mod clean;
mod crash;
mod disk;
mod errors;
mod filesystems;
mod foreign;
mod inactive;
mod keep;
mod matrix;
mod ordinary;
mod plan;
mod queue;
mod runners;
mod setup;
mod several;
mod slow_udev;
mod suite;
mod test_dev;
mod thin;
mod torture;
mod udev;
mod volumes;
mod watchdog;
mod watching;
