//! The arguments with which a User-Mode Linux kernel is the machine.

use std::ffi::OsString;
use std::os::fd::RawFd;
use std::path::PathBuf;

use kdev_volumes::Bytes;
use nix::sys::statvfs::{FsFlags, statvfs};

use super::command_line;
use super::disk::{Backing, Disk};
use super::fds;
use super::{Error, Result};

pub(crate) mod xstate;

/// Disks that the driver has place for: `MAX_DEV` of arch/um/drivers/ubd_kern.c.
const MAX_DISKS: usize = 16;

/// `COMMAND_LINE_SIZE` of arch/um.
const COMMAND_LINE_SIZE: usize = 4096;

/// A panic ends the program.
///
/// The kernel would make a directory with a file and a socket for its own console, and leave it there
/// when it is killed. Nothing can be made in, or removed from, a directory that is a device. It must be one
/// that exists: where the kernel cannot even make the directory, it dies of the message about that.
const BASE: &str = "con=null ssl=null console=tty0 panic=-1 noreboot loglevel=5 uml_dir=/dev/null";

/// A machine that is a program. The descriptors are those of the child, which must inherit them.
#[derive(Clone, Debug)]
pub(crate) struct UmlSpec {
    /// Rounded up to whole mebibytes.
    pub(crate) memory: Bytes,
    /// Words for the kernel, behind those that are always there.
    pub(crate) append: String,
    pub(crate) initramfs: RawFd,
    /// A socket that is `/dev/tty0` in the guest: the console.
    pub(crate) console: RawFd,
    /// A socket that is `/dev/tty1` in the guest.
    pub(crate) events: RawFd,
    pub(crate) disks: Vec<Disk>,
}

impl UmlSpec {
    /// Returns the arguments for the kernel.
    ///
    /// # Errors
    ///
    /// [`Error::Disk`] and [`Error::Argument`] for what cannot be said in them.
    pub(crate) fn arguments(&self) -> Result<Vec<OsString>> {
        let mut words = vec![
            format!("mem={}M", self.memory.get().div_ceil(1 << 20)),
            format!("initrd={}", fds::path_in_child(&self.initramfs)),
            format!("con0=null,fd:{}", self.console),
            format!("con1=fd:{0},fd:{0}", self.events),
        ];
        for (number, disk) in self.disks.iter().enumerate() {
            if number == MAX_DISKS {
                return Err(disk.refusal(
                    format!("User-Mode Linux has no more than {MAX_DISKS} disks"),
                    "give fewer volumes, or a kernel for QEMU",
                ));
            }
            words.push(ubd(number, disk)?);
        }
        let mut all = vec![BASE];
        all.extend(words.iter().map(String::as_str));
        all.push(&self.append);
        let line = command_line::join(&all, COMMAND_LINE_SIZE)?;
        // The kernel takes its own settings from whole arguments only.
        Ok(line.split_ascii_whitespace().map(OsString::from).collect())
    }
}

/// The word for one disk: `ubd0d=/dev/kdev/test,,test`.
///
/// The flag `d` says that the file is data: without it, a volume that begins with the right bytes would
/// be taken for a layer over another file that it names.
fn ubd(number: usize, disk: &Disk) -> Result<String> {
    disk.check_serial()?;
    if disk.backing != Backing::Whole {
        return Err(disk.refusal(
            "User-Mode Linux has no disks that are a part of a device",
            "give each its own volume, or a kernel for QEMU",
        ));
    }
    let path = disk
        .path
        .to_str()
        .filter(|path| {
            !path.contains(|c: char| c.is_whitespace() || c.is_control() || matches!(c, ',' | ':' | '"'))
        })
        .ok_or_else(|| {
            disk.refusal(
                format!(
                    "its path `{}` has a character that means something on a kernel's command line",
                    disk.path.display()
                ),
                "give a path without blanks, commas, colons and quotes, such as a symbolic link to it",
            )
        })?;
    let flags = if disk.read_only { "rd" } else { "d" };
    Ok(format!("ubd{number}{flags}={path},,{}", disk.serial))
}

/// Finds a directory for the guest's memory, to be its `TMPDIR`.
///
/// User-Mode Linux keeps its memory in a file, which it deletes at once and of which it executes parts. In
/// a container, `/dev/shm` is often too small or not executable; then the guest dies in the middle.
///
/// # Errors
///
/// [`Error::Argument`] if there is no such directory.
pub(crate) fn memory_directory(memory: Bytes) -> Result<PathBuf> {
    let candidates = [PathBuf::from("/dev/shm"), std::env::temp_dir(), "/var/tmp".into()];
    let places = candidates.into_iter().filter_map(|directory| {
        let found = statvfs(&directory).ok()?;
        Some(Place {
            directory,
            executable: !found.flags().contains(FsFlags::ST_NOEXEC),
            free: Bytes::new(found.blocks_available().saturating_mul(found.fragment_size())),
        })
    });
    choose(&places.collect::<Vec<_>>(), memory)
}

/// A directory in which memory may be.
struct Place {
    directory: PathBuf,
    executable: bool,
    free: Bytes,
}

/// The first place that will do.
fn choose(places: &[Place], memory: Bytes) -> Result<PathBuf> {
    let will_do = |place: &&Place| place.executable && place.free >= memory;
    if let Some(place) = places.iter().find(will_do) {
        return Ok(place.directory.clone());
    }
    let looked: Vec<String> = places
        .iter()
        .map(|place| {
            let executable = if place.executable { "" } else { ", not executable" };
            format!("{} ({} free{executable})", place.directory.display(), place.free)
        })
        .collect();
    Err(Error::Argument {
        what: format!("{memory} of memory"),
        why: format!(
            "no directory can hold it and is executable: {}",
            looked.join(", ")
        ),
        remedy: "give less memory, or set TMPDIR to a directory with room".into(),
    })
}

#[cfg(test)]
mod tests;
