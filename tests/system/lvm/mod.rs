//! On real LVM, in the test bed.

mod busy;
mod crash;
mod disk;
mod errors;
mod foreign;
mod keep;
mod matrix;
mod runners;
mod setup;
mod suite;
mod torture;
mod watchdog;
