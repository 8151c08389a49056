//! The virtual machine: which kernel, with what in it, and how it is started.
//!
//! Everything on the host's side that comes before a boot. Nothing in here starts the machine: it
//! looks, decides, refuses with a remedy, and builds what the machine is started with.

pub(crate) mod accel;
pub(crate) mod busybox;
mod command_line;
pub(crate) mod config;
pub(crate) mod disk;
pub(crate) mod emulator;
pub(crate) mod error;
pub(crate) mod fds;
pub(crate) mod filesystem;
pub(crate) mod fstests;
pub(crate) mod host;
pub(crate) mod image;
pub(crate) mod initramfs;
pub(crate) mod kernel;
pub(crate) mod modules;
pub(crate) mod needs;
mod places;
pub(crate) mod qemu;
pub(crate) mod share;
pub(crate) mod tree;
pub(crate) mod uml;
pub(crate) mod virtiofsd;

pub(crate) use error::{Error, Result};
