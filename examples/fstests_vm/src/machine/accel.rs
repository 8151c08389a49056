//! What executes the guest's instructions.

use std::fs::OpenOptions;
use std::io::ErrorKind;
use std::path::Path;

use super::{Error, Result};

/// What executes the guest's instructions in QEMU.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Accel {
    /// The processor, by the host's kernel.
    Kvm,
    /// QEMU, which translates them.
    Tcg,
}

/// What the user wants of that.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum Wish {
    /// KVM where it works, else TCG.
    #[default]
    Auto,
    Kvm,
    Tcg,
}

/// What to try.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Choice {
    pub(crate) accel: Accel,
    /// Whether to go on with TCG if a boot with KVM does not show a sign of life: some `/dev/kvm` can
    /// be opened, and then hang.
    pub(crate) may_fall_back: bool,
    /// Why, for the user; empty where there was nothing to choose.
    pub(crate) reason: String,
}

/// Decides what to try, from the user's wish and from why KVM cannot be had, if it cannot.
///
/// # Errors
///
/// [`Error::Kvm`] if it was asked for and cannot be had.
pub(crate) fn choose(wish: Wish, obstacle: Option<Obstacle>) -> Result<Choice> {
    let (accel, may_fall_back, reason) = match (wish, obstacle) {
        (Wish::Tcg, _) => (Accel::Tcg, false, String::new()),
        (Wish::Kvm, None) => (Accel::Kvm, false, String::new()),
        (Wish::Kvm, Some(obstacle)) => {
            return Err(Error::Kvm {
                why: obstacle.why().into(),
                remedy: obstacle.remedy().into(),
            });
        }
        (Wish::Auto, None) => (Accel::Kvm, true, "/dev/kvm can be opened".into()),
        (Wish::Auto, Some(obstacle)) => {
            let (why, remedy) = (obstacle.why(), obstacle.remedy());
            (Accel::Tcg, false, format!("no KVM: {why} ({remedy})"))
        }
    };
    Ok(Choice {
        accel,
        may_fall_back,
        reason,
    })
}

/// Why KVM cannot be had.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Obstacle {
    /// There is no device.
    Missing,
    /// We may not open it.
    Permission,
    /// It is there, but opening it fails.
    Broken,
    /// This QEMU was built without.
    Qemu,
}

impl Obstacle {
    /// Looks for what stands in the way of KVM; `None` if nothing can be seen from outside.
    ///
    /// That does not mean that it works. `qemu_has_it` is QEMU's word (`-accel help`).
    pub(crate) fn look(device: &Path, qemu_has_it: bool) -> Option<Self> {
        if !qemu_has_it {
            return Some(Self::Qemu);
        }
        match OpenOptions::new().read(true).write(true).open(device) {
            Ok(_) => None,
            Err(err) => Some(match err.kind() {
                ErrorKind::NotFound => Self::Missing,
                ErrorKind::PermissionDenied => Self::Permission,
                _ => Self::Broken,
            }),
        }
    }

    fn why(self) -> &'static str {
        match self {
            Self::Missing => "there is no /dev/kvm",
            Self::Permission => "/dev/kvm may not be opened by this user",
            Self::Broken => "/dev/kvm cannot be opened",
            Self::Qemu => "QEMU was built without it",
        }
    }

    fn remedy(self) -> &'static str {
        match self {
            Self::Missing => "load kvm_intel or kvm_amd, or have the hypervisor allow nested machines",
            Self::Permission => "add the user to the group kvm",
            Self::Broken => "load kvm_intel or kvm_amd anew, or use `--accel tcg`",
            Self::Qemu => "install a QEMU with KVM",
        }
    }
}

/// How much longer everything takes than on the host's own processor, for limits of time.
///
/// Orders of magnitude from measured runs of fstests, and so is every limit.
pub(crate) fn time_scale(accel: Option<Accel>, given: Option<f64>) -> f64 {
    given.unwrap_or(match accel {
        Some(Accel::Kvm) => 1.0,
        Some(Accel::Tcg) => 6.0,
        // User-Mode Linux.
        None => 4.0,
    })
}

#[cfg(test)]
mod tests {
    use rstest::rstest;

    use super::*;

    #[rstest]
    #[case(Wish::Auto, None, Accel::Kvm, true)]
    #[case(Wish::Auto, Some(Obstacle::Missing), Accel::Tcg, false)]
    #[case(Wish::Auto, Some(Obstacle::Permission), Accel::Tcg, false)]
    #[case(Wish::Kvm, None, Accel::Kvm, false)]
    #[case(Wish::Tcg, None, Accel::Tcg, false)]
    #[case(Wish::Tcg, Some(Obstacle::Qemu), Accel::Tcg, false)]
    fn kvm_is_tried_where_it_may_work(
        #[case] wish: Wish,
        #[case] obstacle: Option<Obstacle>,
        #[case] accel: Accel,
        #[case] may_fall_back: bool,
    ) {
        let choice = choose(wish, obstacle).unwrap();
        assert_eq!((choice.accel, choice.may_fall_back), (accel, may_fall_back));
        assert_eq!(choice.reason.is_empty(), wish != Wish::Auto);
    }

    #[rstest]
    #[case(Obstacle::Missing, "kvm_intel")]
    #[case(Obstacle::Permission, "group kvm")]
    #[case(Obstacle::Broken, "--accel tcg")]
    #[case(Obstacle::Qemu, "install a QEMU")]
    fn kvm_that_was_asked_for_and_cannot_be_had_is_an_error(
        #[case] obstacle: Obstacle,
        #[case] expected: &str,
    ) {
        let error = choose(Wish::Kvm, Some(obstacle)).unwrap_err();
        assert!(!error.is_usage());
        assert!(error.to_string().contains(expected), "{error}");
    }

    #[test]
    fn a_device_that_cannot_be_opened_stands_in_the_way() {
        let directory = tempfile::tempdir().unwrap();
        let device = directory.path().join("kvm");
        assert_eq!(Obstacle::look(&device, true), Some(Obstacle::Missing));
        assert_eq!(Obstacle::look(directory.path(), true), Some(Obstacle::Broken));
        std::fs::write(&device, "").unwrap();
        assert_eq!(Obstacle::look(&device, true), None);
        assert_eq!(Obstacle::look(&device, false), Some(Obstacle::Qemu));
    }

    #[rstest]
    #[case(Some(Accel::Kvm), None, 1.0)]
    #[case(None, None, 4.0)]
    #[case(Some(Accel::Tcg), None, 6.0)]
    #[case(Some(Accel::Tcg), Some(2.5), 2.5)]
    fn limits_are_longer_where_all_takes_longer(
        #[case] accel: Option<Accel>,
        #[case] given: Option<f64>,
        #[case] expected: f64,
    ) {
        assert!((time_scale(accel, given) - expected).abs() < f64::EPSILON);
    }
}
