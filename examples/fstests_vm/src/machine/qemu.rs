//! The arguments with which QEMU is the machine.

use std::ffi::OsString;
use std::os::fd::RawFd;
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::path::{Path, PathBuf};

use kdev_volumes::Bytes;
use serde_json::{Value, json};

use super::accel::Accel;
use super::command_line;
use super::disk::{Backing, Disk};
use super::fds;
use super::{Error, Result};

/// What the console and the end of a run are to be like, whoever wrote the kernel's configuration.
///
/// A panic resets the machine, which ends it (`-no-reboot`); an oops leaves it running, for what it
/// still says. SysRq is how a hang is asked for its stacks.
const BASE: &str = "console=ttyS0,115200 loglevel=5 panic=-1 sysrq_always_enabled=1 net.ifnames=0";

/// Under TCG, each process at the addresses of the last one uses its translated code again: a fork and
/// exec takes a third of the time.
const UNDER_TCG: &str = "norandmaps mitigations=off";

/// `COMMAND_LINE_SIZE` of x86.
const COMMAND_LINE_SIZE: usize = 2048;

/// A machine of QEMU. The descriptors are those of the child, which must inherit them.
#[derive(Clone, Debug)]
pub(crate) struct QemuSpec {
    pub(crate) accel: Accel,
    /// The board, if not `pc`.
    pub(crate) machine: Option<String>,
    /// Rounded up to whole mebibytes.
    pub(crate) memory: Bytes,
    pub(crate) cpus: u32,
    pub(crate) kernel: PathBuf,
    /// Words for the kernel, behind those that are always there.
    pub(crate) append: String,
    pub(crate) initramfs: RawFd,
    /// A socket that is `/dev/ttyS0` in the guest: the console.
    pub(crate) console: RawFd,
    /// A socket that is `/dev/ttyS1` in the guest.
    pub(crate) events: RawFd,
    /// A socket that speaks QMP.
    pub(crate) qmp: RawFd,
    pub(crate) disks: Vec<Disk>,
    pub(crate) shares: Vec<QemuShare>,
    /// Whatever else the user wants, behind all of ours.
    pub(crate) extra: Vec<OsString>,
}

/// A directory of the host in the guest.
#[derive(Clone, Debug)]
pub(crate) struct QemuShare {
    /// The name by which the guest mounts it.
    pub(crate) tag: String,
    /// What brings it there.
    pub(crate) by: ShareBy,
}

/// What brings a directory of the host into a guest of QEMU.
#[derive(Clone, Debug)]
pub(crate) enum ShareBy {
    /// A virtiofsd at the other end of this socket.
    Virtiofs(RawFd),
    /// QEMU itself.
    NineP { path: PathBuf, read_only: bool },
}

impl QemuSpec {
    /// Returns the arguments for `qemu-system-x86_64`.
    ///
    /// # Errors
    ///
    /// [`Error::Disk`] and [`Error::Argument`] for what cannot be said in them.
    pub(crate) fn arguments(&self) -> Result<Vec<OsString>> {
        let mut line = Line::default();
        self.add_base(&mut line);
        self.add_boot(&mut line)?;
        self.add_channels(&mut line);
        for share in &self.shares {
            add_share(&mut line, share);
        }
        for disk in &self.disks {
            add_disk(&mut line, disk)?;
        }
        line.0.extend(self.extra.iter().cloned());
        Ok(line.0)
    }

    fn add_base(&self, line: &mut Line) {
        for flag in ["-nodefaults", "-no-user-config", "-no-reboot"] {
            line.flag(flag);
        }
        line.option("-display", "none");
        let mebibytes = self.memory.get().div_ceil(1 << 20);
        let board = self.machine.as_deref().unwrap_or("pc");
        // virtiofsd reads and writes the guest's memory, so it must be shared with it.
        line.option("-machine", format!("{board},memory-backend=mem"));
        line.option(
            "-object",
            format!("memory-backend-memfd,id=mem,size={mebibytes}M,share=on"),
        );
        line.option("-m", format!("{mebibytes}M"));
        let (accel, cpu) = match self.accel {
            Accel::Kvm => ("kvm", "host"),
            Accel::Tcg => ("tcg,thread=multi", "max"),
        };
        line.option("-accel", accel);
        line.option("-cpu", cpu);
        line.option("-smp", self.cpus.to_string());
    }

    fn add_boot(&self, line: &mut Line) -> Result<()> {
        let under = match self.accel {
            Accel::Kvm => "",
            Accel::Tcg => UNDER_TCG,
        };
        let append = command_line::join(&[BASE, under, &self.append], COMMAND_LINE_SIZE)?;
        line.option("-kernel", self.kernel.as_os_str());
        line.option("-initrd", fds::path_in_child(&self.initramfs));
        line.option("-append", append);
        line.option("-device", "virtio-rng-pci");
        Ok(())
    }

    fn add_channels(&self, line: &mut Line) {
        for (id, fd) in [
            ("console", self.console),
            ("events", self.events),
            ("qmp", self.qmp),
        ] {
            line.option("-chardev", format!("socket,id={id},fd={fd}"));
        }
        line.option("-serial", "chardev:console");
        line.option("-serial", "chardev:events");
        line.option("-mon", "chardev=qmp,mode=control");
    }
}

fn add_share(line: &mut Line, share: &QemuShare) {
    let tag = &share.tag;
    match &share.by {
        ShareBy::Virtiofs(fd) => {
            line.option("-chardev", format!("socket,id=share-{tag},fd={fd}"));
            line.option(
                "-device",
                format!("vhost-user-fs-pci,chardev=share-{tag},tag={tag}"),
            );
        }
        ShareBy::NineP { path, read_only } => {
            let mut fsdev = OsString::from(format!("local,id=share-{tag},path="));
            fsdev.push(with_commas_doubled(path));
            // Directories on several file systems could else show two files as one.
            fsdev.push(",security_model=none,multidevs=remap");
            if *read_only {
                fsdev.push(",readonly=on");
            }
            line.option("-fsdev", fsdev);
            line.option(
                "-device",
                format!("virtio-9p-pci,fsdev=share-{tag},mount_tag={tag}"),
            );
        }
    }
}

fn add_disk(line: &mut Line, disk: &Disk) -> Result<()> {
    disk.check_serial()?;
    let serial = &disk.serial;
    line.option("-blockdev", block_device(disk)?.to_string());
    line.option(
        "-device",
        format!("virtio-blk-pci,drive=disk-{serial},serial={serial}"),
    );
    Ok(())
}

/// The description of a disk. As JSON, since no character of a path means anything in it.
fn block_device(disk: &Disk) -> Result<Value> {
    let path = disk.path.to_str().ok_or_else(|| {
        disk.refusal(
            format!("its path `{}` is not UTF-8", disk.path.display()),
            "make a symbolic link to it with a plain name",
        )
    })?;
    let mut node = json!({
        "driver": "raw",
        "node-name": format!("disk-{}", disk.serial),
        "read-only": disk.read_only,
        "discard": "unmap",
        // What a volume holds after the host has crashed is nobody's concern.
        "cache": { "no-flush": true },
        "file": {
            "driver": if disk.is_block_device { "host_device" } else { "file" },
            "filename": path,
            "read-only": disk.read_only,
            "aio": "threads",
            // Each slice of a volume has a node of its own, and of those that lock it only one could be had.
            // Whose a volume is, its lease says.
            "locking": "off",
            "discard": "unmap",
        },
    });
    if let Backing::Slice { offset, len } = disk.backing {
        if offset.get() % 512 != 0 || len.get() % 512 != 0 || len.get() == 0 {
            return Err(disk.refusal(
                format!("its slice of {len} at {offset} is not one of whole sectors of 512B"),
                "give it a slice that begins and ends at a sector",
            ));
        }
        node["offset"] = json!(offset.get());
        node["size"] = json!(len.get());
    }
    Ok(node)
}

/// A path as the value of one of QEMU's options, in which a comma ends a value and two are one.
fn with_commas_doubled(path: &Path) -> OsString {
    let mut bytes = Vec::new();
    for &byte in path.as_os_str().as_bytes() {
        bytes.push(byte);
        if byte == b',' {
            bytes.push(byte);
        }
    }
    OsString::from_vec(bytes)
}

/// Arguments, as they are put together.
#[derive(Default)]
struct Line(Vec<OsString>);

impl Line {
    fn flag(&mut self, name: &str) {
        self.0.push(name.into());
    }

    fn option(&mut self, name: &str, value: impl Into<OsString>) {
        self.flag(name);
        self.0.push(value.into());
    }
}

/// Says what a board without PCI would say much later.
pub(crate) fn check_machine(machine: &str) -> Result<()> {
    let board = machine.split(',').next().unwrap_or_default();
    if board.is_empty() || board == "microvm" || board == "none" || machine.contains("memory-backend=") {
        return Err(Error::Argument {
            what: format!("`--machine {machine}`"),
            why: "the disks need a board with PCI, and the memory is set by `--memory`".into(),
            remedy: "give `pc` or `q35`".into(),
        });
    }
    Ok(())
}

#[cfg(test)]
mod tests;
