//! What all machines of a run have in common, found and checked before anything is booted.

use std::ffi::OsString;
use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::time::Duration;

use kdev_volumes::Bytes;

use crate::args::{AccelArg, Args, ShareArg};
use crate::error::Error;
use crate::guest::{APPLETS, GuestConfig, INIT, JOB, Purpose, Root};
use crate::machine::accel::{self, Accel};
use crate::machine::busybox::Busybox;
use crate::machine::fstests::Fstests;
use crate::machine::initramfs::{self, File};
use crate::machine::kernel::{Flavour, Kernel};
use crate::machine::modules::{Closure, Features};
use crate::machine::needs::{self, Need};
use crate::machine::share::{self, Sharing};
use crate::machine::{self, qemu};
use crate::volumes::Placed;

/// What all machines of a run have in common.
#[derive(Debug)]
pub(crate) struct Setup {
    pub(crate) kernel: Kernel,
    closure: Closure,
    busybox: Busybox,
    pub(crate) sharing: Sharing,
    /// QEMU; nothing for a kernel that is a program.
    pub(crate) qemu: Option<PathBuf>,
    accel: Option<Accel>,
    time_scale: Option<f64>,
    pub(crate) fstests: PathBuf,
    pub(crate) fstests_version: Option<String>,
    pub(crate) filesystem: String,
    pub(crate) memory: Bytes,
    pub(crate) cpus: u32,
    pub(crate) board: Option<String>,
    pub(crate) machine_args: Vec<OsString>,
    pub(crate) append: String,
    pub(crate) rootfs: Option<PathBuf>,
    pub(super) environment: Vec<(String, OsString)>,
    notes: Vec<String>,
}

/// How long a kernel may take with KVM until its first program runs, before KVM is taken for broken.
const KVM_PATIENCE: Duration = Duration::from_secs(15);
