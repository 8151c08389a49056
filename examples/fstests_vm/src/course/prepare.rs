//! Finds all that the machines need, and refuses what cannot work, before anything is booted.

use std::path::{Path, PathBuf};
use std::time::Duration;

use crate::args::{AccelArg, Args, ShareArg};
use crate::course::setup::Setup;
use crate::error::Error;
use crate::guest::APPLETS;
use crate::machine::accel::{self, Accel, Obstacle};
use crate::machine::busybox::Busybox;
use crate::machine::emulator::Emulator;
use crate::machine::fstests::Fstests;
use crate::machine::kernel::{Flavour, Kernel};
use crate::machine::modules::Features;
use crate::machine::needs::{self, Need};
use crate::machine::share::{self, Means, Sharing};
use crate::machine::virtiofsd::Daemon;
use crate::machine::{self, filesystem, host, qemu};

/// How long a kernel may take with KVM until its first program runs, before KVM is taken for broken.
const KVM_PATIENCE: Duration = Duration::from_secs(15);

impl Setup {
    /// Finds all that a machine needs, and refuses what cannot work, before anything is booted.
    pub(crate) fn prepare(args: &Args) -> Result<Self, Error> {
        let (Some(kernel), Some(tree)) = (&args.machine.kernel, &args.fstests.fstests) else {
            return Err(Error::Usage {
                what: "a run needs --kernel and --fstests".to_owned(),
            });
        };
        if let Some(board) = &args.machine.machine {
            qemu::check_machine(board)?;
        }
        let kernel = Kernel::find(kernel, args.machine.modules.as_deref())?;
        if kernel.flavour == Flavour::Uml && args.volumes.sliced {
            return Err(Error::Usage {
                what: "--sliced is for QEMU: the disks of User-Mode Linux are whole files or devices"
                    .to_owned(),
            });
        }
        let tree = Fstests::find(tree)?;
        let filesystem = args.fstests.fs.clone();
        filesystem::mkfs_for(&filesystem)?;
        filesystem::check_size("test", args.volumes.size, &filesystem)?;
        let mut notes = Vec::new();
        let features = Features::of(&kernel)?;
        let (emulator, sharing, mut wanted) = match kernel.flavour {
            Flavour::Uml => (None, Sharing::Hostfs, needs::of_uml(&filesystem)),
            Flavour::Bzimage => {
                let emulator = Emulator::find(args.machine.qemu.as_deref())?;
                let means = Means {
                    flavour: kernel.flavour,
                    kernel_virtiofs: features.has(&Need::virtiofs()),
                    kernel_nine_p: features.has(&Need::nine_p()),
                    qemu_virtiofs: emulator.virtiofs,
                    qemu_nine_p: emulator.nine_p,
                    daemon: Daemon::find(),
                };
                let (sharing, reason) = share::choose(&means, wish(args.machine.share))?;
                notes.push(format!("sharing this host's files by {reason}"));
                let mut wanted = needs::of_qemu(&filesystem);
                wanted.push(match sharing {
                    Sharing::Virtiofs(_) => Need::virtiofs(),
                    _ => Need::nine_p(),
                });
                (Some(emulator), sharing, wanted)
            }
        };
        let rootfs = args.machine.rootfs.as_deref().map(canonical).transpose()?;
        if let Some(image) = &rootfs {
            wanted.push(Need::filesystem(&filesystem_of(image)?));
        }
        let closure = features.closure(&wanted)?;
        if !closure.unchecked.is_empty() {
            notes.push(format!(
                "nothing tells whether this kernel has {}: it will be seen when it boots",
                closure.unchecked.join(", ")
            ));
        }
        let mut setup = Self {
            closure,
            busybox: Busybox::find(APPLETS)?,
            sharing,
            emulator,
            accel: None,
            time_scale: args.limits.time_scale,
            fstests: tree.directory,
            fstests_version: tree.version,
            filesystem,
            memory: args.machine.memory,
            cpus: args.machine.cpus,
            board: args.machine.machine.clone(),
            machine_args: args.machine.machine_arg.clone(),
            append: args.machine.append.clone().unwrap_or_default(),
            rootfs,
            environment: args.fstests.env.clone(),
            notes,
            kernel,
        };
        if let Some(emulator) = &setup.emulator {
            let obstacle = Obstacle::look(Path::new("/dev/kvm"), emulator.kvm);
            let choice = accel::choose(accel_wish(args.machine.accel), obstacle)?;
            setup.accel = Some(choice.accel);
            if choice.may_fall_back {
                setup.try_kvm();
            } else if !choice.reason.is_empty() {
                setup.notes.push(choice.reason);
            }
        }
        Ok(setup)
    }

    /// A `/dev/kvm` that opens may still not work, or hang: only a kernel that comes up shows that it does.
    fn try_kvm(&mut self) {
        let obstacle = match self.comes_up(Accel::Kvm, KVM_PATIENCE) {
            Ok(true) => return,
            Ok(false) => "the kernel did not come up with it".to_owned(),
            Err(err) => err.to_string(),
        };
        self.accel = Some(Accel::Tcg);
        self.notes.push(format!(
            "/dev/kvm can be opened, but {obstacle}: QEMU does without (--accel tcg does not try)"
        ));
    }
}

/// Asks libblkid, which mount(8) in the guest will ask too.
fn filesystem_of(image: &Path) -> Result<String, Error> {
    let blkid = host::which("blkid").ok_or_else(|| machine::Error::Program {
        program: "blkid".to_owned(),
        remedy: "apt-get install util-linux".to_owned(),
    })?;
    let arguments = [
        "-p".as_ref(),
        "-o".as_ref(),
        "value".as_ref(),
        "-s".as_ref(),
        "TYPE".as_ref(),
        image.as_os_str(),
    ];
    let said = host::ask(&blkid, &arguments)?;
    Ok(String::from_utf8_lossy(&said).trim().to_owned())
}

fn wish(share: ShareArg) -> share::Wish {
    match share {
        ShareArg::Auto => share::Wish::Auto,
        ShareArg::Virtiofs => share::Wish::Virtiofs,
        ShareArg::NineP => share::Wish::NineP,
    }
}

fn accel_wish(accel: AccelArg) -> accel::Wish {
    match accel {
        AccelArg::Auto => accel::Wish::Auto,
        AccelArg::Kvm => accel::Wish::Kvm,
        AccelArg::Tcg => accel::Wish::Tcg,
    }
}

fn canonical(path: &Path) -> Result<PathBuf, Error> {
    path.canonicalize().map_err(|source| Error::Io {
        doing: "find",
        path: path.to_owned(),
        source,
    })
}
