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
use crate::machine::accel::{self, Accel, Obstacle};
use crate::machine::busybox::Busybox;
use crate::machine::emulator::Emulator;
use crate::machine::host;
use crate::machine::initramfs::{self, File};
use crate::machine::kernel::{Flavour, Kernel};
use crate::machine::modules::{Closure, Features};
use crate::machine::needs::{self, Need};
use crate::machine::share::{self, Means, Sharing};
use crate::machine::virtiofsd::Daemon;
use crate::machine::fstests::Fstests;
use crate::machine::{self, filesystem};
use crate::results::run::MachineKind;
use crate::volumes::Placed;

/// What all machines of a run have in common.
#[derive(Debug)]
pub(crate) struct Setup {
    pub(crate) kernel: Kernel,
    closure: Closure,
    busybox: Busybox,
    pub(crate) sharing: Sharing,
    /// QEMU; nothing for a kernel that is a program.
    pub(crate) emulator: Option<Emulator>,
    accel: Option<Accel>,
    time_scale: Option<f64>,
    /// Without symbolic links, as all paths here are that the guest sees.
    pub(crate) fstests: PathBuf,
    pub(crate) fstests_version: Option<String>,
    pub(crate) filesystem: String,
    pub(crate) memory: Bytes,
    cpus: Option<u32>,
    pub(crate) board: Option<String>,
    pub(crate) machine_args: Vec<OsString>,
    pub(crate) append: String,
    /// An image to boot from, instead of the host's own files.
    pub(crate) rootfs: Option<PathBuf>,
    pub(crate) environment: Vec<(String, OsString)>,
    notes: Vec<String>,
}

/// A directory of the host that the guest gets by a name.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Shared {
    pub(super) name: &'static str,
    pub(super) path: PathBuf,
}

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
        let kernel = Kernel::find(kernel, args.machine.modules.as_deref())?;
        let tree = Fstests::find(tree)?;
        let filesystem = args.fstests.fs.clone();
        filesystem::mkfs_for(&filesystem)?;
        filesystem::check_size("test", args.volumes.size, &filesystem)?;
        let mut notes = Vec::new();
        let features = Features::of(&kernel)?;
        if args.volumes.sliced && kernel.flavour == Flavour::Uml {
            return Err(Error::Usage {
                what: "--sliced is for QEMU: User-Mode Linux has no disks that are a slice of a device".to_owned(),
            });
        }
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
            Ok(false) => format!("the kernel did not come up with it in {} s", KVM_PATIENCE.as_secs()),
            Err(err) => err.to_string(),
        };
        self.accel = Some(Accel::Tcg);
        self.notes.push(format!(
            "/dev/kvm can be opened, but {obstacle}: QEMU does without (--accel tcg does not try)"
        ));
    }

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

    /// Lists the directories that the guest does not have with its root.
    pub(super) fn shares(&self) -> Vec<Shared> {
        let wanted = [("fstests", Some(&self.fstests)), ("modules", self.kernel.modules.as_ref())];
        let wanted = wanted.into_iter().filter_map(|(name, path)| Some((name, path?)));
        wanted
            .filter(|(_, path)| self.rootfs.is_some() || !self.is_in_root(path))
            .map(|(name, path)| Shared {
                name,
                path: path.clone(),
            })
            .collect()
    }

    /// A share is of one filesystem of the host; what is mounted below it is not in it. hostfs has all.
    fn is_in_root(&self, path: &Path) -> bool {
        let device = |path: &Path| fs::metadata(path).map(|metadata| metadata.dev()).ok();
        self.sharing == Sharing::Hostfs || device(path) == device(Path::new("/"))
    }

    /// Makes the first files of a machine with these disks.
    pub(super) fn initramfs(
        &self,
        results: &Path,
        disks: &[Placed],
        purpose: Purpose,
    ) -> machine::Result<Vec<u8>> {
        let shares = self.shares();
        let config = GuestConfig {
            events: match self.kernel.flavour {
                Flavour::Bzimage => "/dev/ttyS1",
                Flavour::Uml => "/dev/tty1",
            },
            sharing: self.sharing_name(),
            root: match self.rootfs {
                Some(_) => Root::Disk,
                None => Root::Host,
            },
            results: results.to_owned(),
            shares: shares.into_iter().map(|shared| (shared.name, shared.path)).collect(),
            modules: self.kernel.modules.clone(),
            fstests: self.fstests.clone(),
            filesystem: self.filesystem.clone(),
            roles: disks.iter().map(|disk| disk.role.clone()).collect(),
            purpose,
        };
        let config = config.render();
        let mut files = vec![
            File { path: "config", mode: 0o644, bytes: &config },
            File { path: "job", mode: 0o755, bytes: JOB.as_bytes() },
        ];
        if let Some(built_with) = &self.kernel.config {
            files.push(File {
                path: "kernel-config",
                mode: 0o644,
                bytes: built_with.text().as_bytes(),
            });
        }
        initramfs::pack(INIT, &self.busybox, &self.closure.modules, &files)
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

    fn sharing_name(&self) -> &'static str {
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

/// Asks libblkid, which mount(8) in the guest will ask too.
fn filesystem_of(image: &Path) -> Result<String, Error> {
    let blkid = host::which("blkid").ok_or_else(|| machine::Error::Program {
        program: "blkid".to_owned(),
        remedy: "apt-get install util-linux".to_owned(),
    })?;
    let arguments = ["-p".as_ref(), "-o".as_ref(), "value".as_ref(), "-s".as_ref(), "TYPE".as_ref(), image.as_os_str()];
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
