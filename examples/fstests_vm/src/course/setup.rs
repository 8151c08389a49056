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

    /// Returns the time scale as a kernel's watchdogs are told of it.
    pub(super) fn slowness(&self) -> u32 {
        slowness(self.scale())
    }

    /// Returns words for QEMU's kernel: watchdogs as patient as the machine is slow, and then what the user wants.
    pub(super) fn words(&self) -> String {
        format!("{} {}", watchdogs(self.slowness()), self.append)
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

/// A watchdog's time is a whole number of seconds, and never shorter than the kernel has it.
fn slowness(scale: f64) -> u32 {
    // A cast of what is out of range gives the nearest number, and 0 for what is none.
    (scale.ceil() as u32).clamp(1, 1000)
}

/// Returns the parameters of those watchdogs that cry while the kernel comes up, before anybody could set them; of a
/// kernel that has no such parameter they are ignored. `job` in the guest sets the others.
///
/// 60 and 30 seconds are the longest that distributions have them; RCU takes no more than 300
/// (kernel/rcu/tree_stall.h).
fn watchdogs(slowness: u32) -> String {
    if slowness == 1 {
        return String::new();
    }
    let (rcu, workqueue) = ((60 * slowness).min(300), 30 * slowness);
    format!("rcupdate.rcu_cpu_stall_timeout={rcu} workqueue.watchdog_thresh={workqueue}")
}

#[cfg(test)]
mod tests {
    use rstest::rstest;

    use super::*;

    #[rstest]
    #[case(0.1, 1)]
    #[case(1.0, 1)]
    #[case(1.2, 2)]
    #[case(6.0, 6)]
    #[case(1e30, 1000)]
    fn watchdogs_are_never_less_patient_than_the_kernel_has_them(#[case] scale: f64, #[case] expected: u32) {
        assert_eq!(slowness(scale), expected);
    }

    #[rstest]
    #[case(1, "")]
    #[case(2, "rcupdate.rcu_cpu_stall_timeout=120 workqueue.watchdog_thresh=60")]
    #[case(6, "rcupdate.rcu_cpu_stall_timeout=300 workqueue.watchdog_thresh=180")]
    fn the_kernel_is_told_to_be_patient(#[case] slowness: u32, #[case] expected: &str) {
        assert_eq!(watchdogs(slowness), expected);
    }
}
