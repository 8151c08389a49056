//! What all machines of a run have in common, found and checked before anything is booted.

use std::ffi::OsString;
use std::path::PathBuf;
use std::time::Duration;

use kdev_volumes::Bytes;

use crate::machine::accel::{self, Accel};
use crate::machine::busybox::Busybox;
use crate::machine::emulator::Emulator;
use crate::machine::kernel::{Flavour, Kernel};
use crate::machine::modules::Closure;
use crate::machine::share::Sharing;
use crate::results::run::MachineKind;

/// What all machines of a run have in common.
#[derive(Debug)]
pub(crate) struct Setup {
    pub(crate) kernel: Kernel,
    pub(super) closure: Closure,
    pub(super) busybox: Busybox,
    pub(crate) sharing: Sharing,
    /// QEMU; nothing for a kernel that is a program.
    pub(crate) emulator: Option<Emulator>,
    pub(super) accel: Option<Accel>,
    pub(super) time_scale: Option<f64>,
    /// Without symbolic links, as all paths here are that the guest sees.
    pub(crate) fstests: PathBuf,
    pub(crate) fstests_version: Option<String>,
    pub(crate) filesystem: String,
    pub(crate) memory: Bytes,
    pub(super) cpus: Option<u32>,
    pub(crate) board: Option<String>,
    pub(crate) machine_args: Vec<OsString>,
    pub(crate) append: String,
    /// An image to boot from, instead of the host's own files.
    pub(crate) rootfs: Option<PathBuf>,
    pub(crate) environment: Vec<(String, OsString)>,
    pub(super) notes: Vec<String>,
}

impl Setup {
    pub(super) fn accel(&self) -> Option<Accel> {
        self.accel
    }

    /// Returns what the user may want to know of how the machines are made.
    pub(crate) fn notes(&self) -> &[String] {
        &self.notes
    }

    /// Returns by how much this machine's time is longer than one's with KVM.
    pub(crate) fn scale(&self) -> f64 {
        accel::time_scale(self.accel, self.time_scale)
    }

    /// Returns a limit as it is for this machine.
    pub(crate) fn scaled(&self, limit: Duration) -> Duration {
        let scaled = Duration::try_from_secs_f64(limit.as_secs_f64() * self.scale());
        scaled.unwrap_or(limit)
    }

    /// Returns the number of processors. Without KVM a second one makes nothing faster.
    pub(crate) fn cpus(&self) -> u32 {
        let usual = if self.accel == Some(Accel::Kvm) { 2 } else { 1 };
        match self.kernel.flavour {
            Flavour::Bzimage => self.cpus.unwrap_or(usual),
            Flavour::Uml => 1,
        }
    }

    /// Returns what the machines are called.
    pub(crate) fn in_words(&self) -> String {
        match (&self.emulator, self.accel) {
            (Some(emulator), Some(accel)) => format!(
                "QEMU {} with {}, root by {}",
                emulator.version,
                accel_name(accel).to_uppercase(),
                self.root_name()
            ),
            _ => "User-Mode Linux".to_owned(),
        }
    }

    pub(crate) fn kind(&self) -> MachineKind {
        match self.kernel.flavour {
            Flavour::Bzimage => MachineKind::Qemu,
            Flavour::Uml => MachineKind::Uml,
        }
    }

    /// Returns what runs QEMU's guest.
    pub(crate) fn accelerator(&self) -> Option<String> {
        self.accel.map(|accel| accel_name(accel).to_owned())
    }

    /// Returns where the guest has its root from.
    pub(crate) fn root_name(&self) -> &'static str {
        match self.rootfs {
            Some(_) => "an image",
            None => self.sharing_name(),
        }
    }

    pub(super) fn sharing_name(&self) -> &'static str {
        match self.sharing {
            Sharing::Virtiofs(_) => "virtiofs",
            Sharing::NineP => "9p",
            Sharing::Hostfs => "hostfs",
        }
    }
}

fn accel_name(accel: Accel) -> &'static str {
    match accel {
        Accel::Kvm => "kvm",
        Accel::Tcg => "tcg",
    }
}
