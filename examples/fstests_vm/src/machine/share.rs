//! How the host's directories come into the guest.

use super::kernel::Flavour;
use super::modules::Presence;
use super::virtiofsd::Daemon;
use super::{Error, Result};

/// How the host's directories come into the guest.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Sharing {
    /// By virtio-fs, with a daemon for each directory.
    Virtiofs(Daemon),
    /// By 9p over virtio, from QEMU itself.
    NineP,
    /// By hostfs: the guest is a process of the host.
    Hostfs,
}

/// What the user wants of that.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum Wish {
    /// The faster one of those that work.
    #[default]
    Auto,
    Virtiofs,
    NineP,
}

/// What the kernel and the host have for it.
#[derive(Clone, Debug)]
pub(crate) struct Means {
    pub(crate) flavour: Flavour,
    /// Virtio-fs in the kernel.
    pub(crate) kernel_virtiofs: Presence,
    /// 9p over virtio in the kernel.
    pub(crate) kernel_nine_p: Presence,
    /// Virtio-fs in QEMU.
    pub(crate) qemu_virtiofs: bool,
    /// 9p in QEMU.
    pub(crate) qemu_nine_p: bool,
    /// A virtiofsd that can share all of this host as this user, or why there is none and the remedy.
    pub(crate) daemon: Result<Daemon, Obstacle>,
}

/// Why something cannot be had, and what helps.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Obstacle {
    pub(crate) why: String,
    pub(crate) remedy: String,
}

impl Obstacle {
    pub(super) fn new(why: impl Into<String>, remedy: impl Into<String>) -> Self {
        Self {
            why: why.into(),
            remedy: remedy.into(),
        }
    }
}

/// Decides how to share, and says why, for the user.
///
/// # Errors
///
/// [`Error::Share`] with all that stands in the way.
pub(crate) fn choose(means: &Means, wish: Wish) -> Result<(Sharing, String)> {
    if means.flavour == Flavour::Uml {
        return match wish {
            Wish::Auto => Ok((Sharing::Hostfs, "User-Mode Linux has hostfs".into())),
            Wish::Virtiofs | Wish::NineP => Err(refusal([Obstacle::new(
                "User-Mode Linux shares by hostfs only",
                "leave `--share` out",
            )])),
        };
    }
    match (wish, virtiofs(means), nine_p(means)) {
        (Wish::Auto | Wish::Virtiofs, Ok(daemon), _) => {
            let reason = format!("virtiofs, by {}", daemon.program.display());
            Ok((Sharing::Virtiofs(daemon), reason))
        }
        (Wish::Virtiofs, Err(obstacle), _) | (Wish::NineP, _, Err(obstacle)) => Err(refusal([obstacle])),
        (Wish::Auto, Err(first), Ok(())) => Ok((Sharing::NineP, format!("9p: {}", first.why))),
        (Wish::NineP, _, Ok(())) => Ok((Sharing::NineP, "9p, as asked for".into())),
        (Wish::Auto, Err(first), Err(second)) => Err(refusal([first, second])),
    }
}

/// The daemon for virtio-fs, or what stands in its way.
fn virtiofs(means: &Means) -> Result<Daemon, Obstacle> {
    in_kernel(means.kernel_virtiofs, "virtio-fs", "CONFIG_VIRTIO_FS")?;
    if !means.qemu_virtiofs {
        return Err(Obstacle::new(
            "QEMU has no vhost-user-fs-pci",
            "install a QEMU that has",
        ));
    }
    means.daemon.clone()
}

/// What stands in the way of 9p, if anything does.
fn nine_p(means: &Means) -> Result<(), Obstacle> {
    in_kernel(
        means.kernel_nine_p,
        "9p over virtio",
        "CONFIG_9P_FS and CONFIG_NET_9P_VIRTIO",
    )?;
    if !means.qemu_nine_p {
        return Err(Obstacle::new(
            "QEMU has no virtio-9p-pci",
            "install a QEMU that has",
        ));
    }
    Ok(())
}

/// What stands in the way of something that the kernel must have.
fn in_kernel(presence: Presence, what: &str, symbols: &str) -> Result<(), Obstacle> {
    match presence {
        // What nothing tells is tried; the guest says it if the kernel has it not.
        Presence::Builtin | Presence::Module | Presence::Unknown => Ok(()),
        Presence::Elsewhere => Err(Obstacle::new(
            format!("the kernel has {what} as a module, whose directory is not known"),
            "give it as `--modules`",
        )),
        Presence::Missing => Err(Obstacle::new(
            format!("the kernel's module for {what} is not installed"),
            "install the rest of the kernel's modules",
        )),
        Presence::Absent => Err(Obstacle::new(
            format!("the kernel has no {what}"),
            format!("build it with {symbols}"),
        )),
    }
}

/// Says all that stands in the way.
fn refusal<const N: usize>(obstacles: [Obstacle; N]) -> Error {
    let joined = |part: fn(&Obstacle) -> &str, by: &str| obstacles.each_ref().map(part).join(by);
    Error::Share {
        why: joined(|obstacle| &obstacle.why, ", and "),
        remedy: joined(|obstacle| &obstacle.remedy, ", or "),
    }
}

#[cfg(test)]
mod tests {
    use rstest::rstest;

    use super::super::virtiofsd::Dialect;
    use super::*;
    use Presence::{Absent, Builtin, Elsewhere, Missing, Module, Unknown};

    fn daemon() -> Daemon {
        Daemon {
            program: "/usr/lib/qemu/virtiofsd".into(),
            dialect: Dialect::C,
            is_root: true,
        }
    }

    fn means(virtiofs: Presence, nine_p: Presence, has_daemon: bool) -> Means {
        Means {
            flavour: Flavour::Bzimage,
            kernel_virtiofs: virtiofs,
            kernel_nine_p: nine_p,
            qemu_virtiofs: true,
            qemu_nine_p: true,
            daemon: if has_daemon {
                Ok(daemon())
            } else {
                Err(Obstacle::new(
                    "there is no virtiofsd",
                    "apt-get install virtiofsd",
                ))
            },
        }
    }

    #[rstest]
    #[case::both(means(Module, Module, true), Wish::Auto, "virtiofs")]
    #[case::debian_cloud(means(Module, Absent, true), Wish::Auto, "virtiofs")]
    #[case::no_daemon(means(Module, Module, false), Wish::Auto, "9p: there is no virtiofsd")]
    #[case::old_kernel(means(Absent, Builtin, true), Wish::Auto, "9p: the kernel has no virtio-fs")]
    #[case::nothing_tells(means(Unknown, Unknown, true), Wish::Auto, "virtiofs")]
    #[case::asked_for(means(Builtin, Builtin, true), Wish::NineP, "9p, as asked for")]
    #[case::asked_for_the_other(means(Builtin, Builtin, true), Wish::Virtiofs, "virtiofs")]
    #[case::module_somewhere(
        means(Elsewhere, Builtin, true),
        Wish::Auto,
        "9p: the kernel has virtio-fs as"
    )]
    fn the_faster_way_that_works_is_taken(#[case] means: Means, #[case] wish: Wish, #[case] expected: &str) {
        let (sharing, reason) = choose(&means, wish).unwrap();
        assert!(reason.starts_with(expected), "{reason}");
        let virtiofs = expected.starts_with("virtiofs");
        assert_eq!(
            sharing,
            if virtiofs {
                Sharing::Virtiofs(daemon())
            } else {
                Sharing::NineP
            }
        );
    }

    #[rstest]
    #[case::debian_cloud_as_a_user(
        means(Module, Absent, false),
        Wish::Auto,
        "there is no virtiofsd, and the kernel has no 9p over virtio (apt-get install virtiofsd, or build it with CONFIG_9P_FS and CONFIG_NET_9P_VIRTIO)"
    )]
    #[case::neither(
        means(Absent, Missing, true),
        Wish::Auto,
        "CONFIG_VIRTIO_FS, or install the rest"
    )]
    #[case::asked_for(
        means(Module, Absent, true),
        Wish::NineP,
        "the kernel has no 9p over virtio (build"
    )]
    #[case::no_daemon(
        means(Module, Builtin, false),
        Wish::Virtiofs,
        "there is no virtiofsd (apt-get"
    )]
    fn all_that_stands_in_the_way_is_said(#[case] means: Means, #[case] wish: Wish, #[case] expected: &str) {
        let text = choose(&means, wish).unwrap_err().to_string();
        assert!(text.contains(expected), "{text}");
    }

    #[test]
    fn what_qemu_lacks_is_not_taken() {
        let mut means = means(Builtin, Builtin, true);
        means.qemu_virtiofs = false;
        assert_eq!(choose(&means, Wish::Auto).unwrap().0, Sharing::NineP);
        means.qemu_nine_p = false;
        let text = choose(&means, Wish::Auto).unwrap_err().to_string();
        assert!(
            text.contains("no vhost-user-fs-pci") && text.contains("no virtio-9p-pci"),
            "{text}"
        );
    }

    #[test]
    fn user_mode_linux_has_its_own_way() {
        let mut means = means(Absent, Absent, false);
        means.flavour = Flavour::Uml;
        assert_eq!(choose(&means, Wish::Auto).unwrap().0, Sharing::Hostfs);
        assert!(choose(&means, Wish::NineP).is_err());
    }
}
