//! The program with real kernels: User-Mode Linux, and Debian's in QEMU without KVM.
//!
//! The tests that the guests run are those of `tests/tree`. Each test here has a scene of its own, and looks at
//! what the program says, writes and leaves from outside.

#[path = "../support/mod.rs"]
mod support;

mod again;
mod killed;
mod outcomes;
mod refusals;
mod rights;
mod shards;
mod signals;
mod slices;
mod volumes;
