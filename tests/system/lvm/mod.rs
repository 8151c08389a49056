//! On real LVM, in the test bed.

mod busy;
mod crash;
mod disk;
mod errors;
mod filesystems;
mod foreign;
mod keep;
mod matrix;
mod setup;
mod suite;
mod torture;
mod watchdog;
