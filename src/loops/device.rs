use std::env;
use std::fs::{File, OpenOptions};
use std::io::{self, ErrorKind};
use std::os::unix::fs::{FileTypeExt, MetadataExt};
use std::path::{Path, PathBuf};
use std::thread;
use std::time::Duration;

use kdev_volumes_spec::Bytes;
use nix::errno::Errno;

use crate::command::Invocation;
use crate::device_lock::UdevWait;
use crate::error::{Error, Result};
use crate::fault;
use crate::loops::attached::{OverFile, over_file};
use crate::loops::ioctl::{self, LO_FLAGS_AUTOCLEAR, LO_FLAGS_DIRECT_IO};
use crate::sparse;

/// The directory whose file system holds the files behind loop devices.
#[derive(Clone, Debug)]
pub(crate) struct LoopDir {
    path: PathBuf,
}

/// An attached loop device, which the kernel detaches when this value, or its process, is gone.
///
/// The file behind it has no name, so it goes with the device. The descriptor that is held here is
/// what keeps the device: programs that open and close it do not end it.
#[derive(Debug)]
pub(crate) struct LoopDevice {
    path: PathBuf,
    device: File,
    /// Without a name there is no other way to it.
    backing: File,
}

const CONTROL: &str = "/dev/loop-control";

/// How often another process may take the free device that we were shown: with the pauses, for a second.
const ATTEMPTS: u64 = 64;

/// How many of these are made without a pause.
const AT_ONCE: u64 = 16;

impl LoopDir {
    /// Takes `$TMPDIR`, else `/var/tmp`: a place on a disk, where `/tmp` is often in memory.
    pub(crate) fn from_env() -> Self {
        let path = env::var_os("TMPDIR")
            .filter(|dir| !dir.is_empty())
            .map_or_else(|| "/var/tmp".into(), PathBuf::from);
        Self { path }
    }

    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    /// Makes a loop device of that size, all zeros, known by `name` to the kernel.
    ///
    /// # Errors
    ///
    /// [`Error::NotRoot`], [`Error::NoLoop`], or [`Error::Io`] if the directory cannot hold the file.
    pub(crate) fn attach(&self, name: &str, size: Bytes) -> Result<LoopDevice> {
        if !nix::unistd::geteuid().is_root() {
            return Err(Error::NotRoot {
                doing: "making a loop device for the embedded default",
            });
        }
        let backing = self.file()?;
        backing
            .set_len(size.get())
            .map_err(|err| Error::io("make a sparse file of the volume's size in", &self.path, err))?;
        attach(&backing, name, LO_FLAGS_AUTOCLEAR).map_err(|source| Error::NoLoop { source })
    }

    fn file(&self) -> Result<File> {
        tempfile::tempfile_in(&self.path).map_err(|err| Error::io("make a file in", &self.path, err))
    }
}

/// Checks that the kernel has loop devices, before anything is written. Their module is loaded if it is missing.
pub(crate) fn check_host() -> Result<()> {
    let control = || {
        let control = open(Path::new(CONTROL))?;
        match control.metadata()?.file_type().is_char_device() {
            true => Ok(()),
            false => Err(io::Error::other(format!("{CONTROL} is not a device"))),
        }
    };
    control()
        .or_else(|_| {
            // Whatever modprobe reports, the kernel is asked after.
            let _ = Invocation::new("modprobe", "kmod").and_then(|modprobe| modprobe.arg("loop").finish());
            control()
        })
        .map_err(|source| Error::NoLoop { source })
}

/// Attaches a file to a loop device that stays when nobody has it open, known by `name` to the kernel.
pub(crate) fn attach_file(file: &File, name: &str) -> Result<PathBuf> {
    let attached = attach(file, name, 0).map_err(|source| Error::NoLoop { source })?;
    Ok(attached.path)
}

/// Detaches all loop devices from a file; `false` if somebody holds one.
pub(crate) fn detach_file(file: &Path) -> Result<bool> {
    let inode = match std::fs::metadata(file) {
        Ok(meta) => (meta.dev(), meta.ino()),
        Err(err) if err.kind() == ErrorKind::NotFound => return Ok(true),
        Err(err) => return Err(Error::io("look at", file, err)),
    };
    let mut udev = UdevWait::new();
    for pause in PAUSES {
        thread::sleep(Duration::from_millis(pause));
        let over = over_file(file);
        if over.is_empty() {
            return Ok(true);
        }
        for OverFile { path, .. } in over {
            let failed = |err| Error::io("detach", &path, err);
            let Some(device) = open_if_there(&path).map_err(failed)? else {
                continue;
            };
            udev.lock(&device, &path);
            // It may be over another file by now.
            let info = ioctl::status(&device).map_err(failed)?;
            if info.is_some_and(|info| info.is_over_file(inode)) {
                ioctl::clear(&device).map_err(failed)?;
                // One place, however often it takes.
                if pause == PAUSES[0] {
                    fault::point("loop device detached");
                }
            }
        }
    }
    Ok(over_file(file).is_empty())
}

/// How long, in milliseconds, is waited between attempts to detach a device that another process has open. udev is waited
/// for by its lock, for longer.
const PAUSES: [u64; 7] = [0, 1, 5, 20, 100, 300, 600];

impl LoopDevice {
    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    /// Lends the device to a program that works on it: it stays attached while that runs, also if we die.
    pub(crate) fn shared(&self) -> Result<File> {
        let shared = self.device.try_clone();
        shared.map_err(|err| Error::io("share the loop device", &self.path, err))
    }

    /// Gives the device, and the file behind it, another size.
    pub(crate) fn resize(&self, size: Bytes) -> Result<()> {
        let failed = |err| Error::io("resize the loop device", &self.path, err);
        self.device.sync_all().map_err(failed)?;
        self.backing.set_len(size.get()).map_err(failed)?;
        ioctl::set_capacity(&self.device).map_err(failed)
    }

    /// Makes a loop device in `dir` that is what this one is now.
    pub(crate) fn copy(&self, dir: &LoopDir, name: &str, size: Bytes) -> Result<Self> {
        let failed = |err| Error::io("copy the loop device", &self.path, err);
        // What was written to the device is in its file then.
        self.device.sync_all().map_err(failed)?;
        let backing = dir.file()?;
        let copied = backing
            .set_len(size.get())
            .and_then(|()| sparse::copy(&self.backing, &backing, size))
            .and_then(|()| backing.sync_all());
        copied.map_err(failed)?;
        attach(&backing, name, LO_FLAGS_AUTOCLEAR).map_err(|source| Error::NoLoop { source })
    }

    /// Tells the kernel to leave the device attached when nobody has it open any more.
    pub(crate) fn outlive_us(&self) -> Result<()> {
        let failed = |err| Error::io("keep the loop device", &self.path, err);
        let mut info = ioctl::status(&self.device)
            .and_then(|info| info.ok_or(Errno::ENXIO.into()))
            .map_err(failed)?;
        info.lo_flags &= !LO_FLAGS_AUTOCLEAR;
        ioctl::set_status(&self.device, &info).map_err(failed)?;
        fault::point("loop device kept");
        Ok(())
    }
}

/// Tells whether `path` is a loop device that was attached under `name`.
pub(crate) fn is_attached(path: &Path, name: &str) -> Result<bool> {
    Ok(open_attached(path, name)?.is_some())
}

/// Holds a loop device open, if it is there and was attached under `name`. It is not detached meanwhile.
pub(crate) fn pin(path: &Path, name: &str) -> Option<File> {
    open_attached(path, name).ok()?
}

/// Returns the name under which an open loop device was attached; `None` for any other device.
pub(crate) fn name_of(device: &File) -> Option<String> {
    let info = ioctl::status(device).ok()??;
    String::from_utf8(info.name().to_vec()).ok()
}

/// Opens a loop device; `None` unless it was attached under `name`.
fn open_attached(path: &Path, name: &str) -> Result<Option<File>> {
    let failed = |err| Error::io("look at the loop device", path, err);
    let Some(device) = open_if_there(path).map_err(failed)? else {
        return Ok(None);
    };
    let info = ioctl::status(&device).map_err(failed)?;
    Ok(info
        .is_some_and(|info| info.name() == name.as_bytes())
        .then_some(device))
}

/// Detaches the device that was attached under `name`, unless it is gone already.
///
/// Returns whether it is gone now: the kernel detaches a device that is mounted or open elsewhere
/// only when that ends. A udev worker that has it open is waited for by its lock, any other process for a second.
pub(crate) fn detach(path: &Path, name: &str) -> Result<bool> {
    let mut udev = UdevWait::new();
    for pause in PAUSES {
        thread::sleep(Duration::from_millis(pause));
        match open_attached(path, name)? {
            Some(device) => {
                udev.lock(&device, path);
                ioctl::clear(&device).map_err(|err| Error::io("detach", path, err))?;
                // One place, however often it takes.
                if pause == PAUSES[0] {
                    fault::point("loop device detached");
                }
            }
            None => return Ok(true),
        }
    }
    Ok(!is_attached(path, name)?)
}

/// Waits until udev has processed a loop device that is being detached.
pub(crate) fn wait_for_udev(path: &Path) {
    // One that cannot be opened is detached already.
    if let Ok(device) = File::open(path) {
        UdevWait::new().lock(&device, path);
    }
}

fn attach(backing: &File, name: &str, flags: u32) -> io::Result<LoopDevice> {
    let control = open(Path::new(CONTROL))?;
    let mut last = Errno::EBUSY.into();
    for attempt in 0..ATTEMPTS {
        // Where many want one at once, whoever tries again at once may be late again.
        thread::sleep(Duration::from_millis(attempt.saturating_sub(AT_ONCE)));
        let path = PathBuf::from(format!("/dev/loop{}", ioctl::get_free(&control)?));
        let device = match open(&path) {
            // Another process has had it meanwhile.
            Err(err) if is_going(&err) => {
                last = err;
                continue;
            }
            opened => opened?,
        };
        match configure(&device, backing, name, flags) {
            Ok(()) => {
                fault::point("loop device attached");
                let backing = backing.try_clone()?;
                return Ok(LoopDevice {
                    path,
                    device,
                    backing,
                });
            }
            Err(err) if err.raw_os_error() == Some(Errno::EBUSY as i32) => last = err,
            Err(err) => return Err(err),
        }
    }
    Err(last)
}

/// With direct I/O where the file system has it, so that data is not cached twice.
fn configure(device: &File, backing: &File, name: &str, flags: u32) -> io::Result<()> {
    match ioctl::configure(device, backing, name, flags | LO_FLAGS_DIRECT_IO) {
        Err(err) if err.raw_os_error() == Some(Errno::EINVAL as i32) => {
            ioctl::configure(device, backing, name, flags)
        }
        done => done,
    }
}

/// Opens a loop device; `None` if it is not there, or is just going.
///
/// For reading only: udev looks at each device anew that is closed after it was open for writing.
fn open_if_there(path: &Path) -> io::Result<Option<File>> {
    match File::open(path) {
        Err(err) if err.kind() == ErrorKind::NotFound || is_going(&err) => Ok(None),
        opened => opened.map(Some),
    }
}

/// Tells whether a loop device was not opened because another process is detaching it.
///
/// Linux 6.11 and later detach one when it is closed, not when that is asked for, and open no such device meanwhile
/// (`lo_open` in `drivers/block/loop.c`).
fn is_going(err: &io::Error) -> bool {
    err.raw_os_error() == Some(Errno::ENXIO as i32)
}

fn open(path: &Path) -> io::Result<File> {
    OpenOptions::new().read(true).write(true).open(path)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_device_that_another_process_detaches_is_gone() {
        let dir = LoopDir {
            path: env::temp_dir(),
        };
        let name = format!("kdev-test-{}", std::process::id());
        let held = dir.attach(&name, Bytes::new(1 << 20)).unwrap();
        assert!(is_attached(held.path(), &name).unwrap());
        for _ in 0..250 {
            // Not in vain only if udev does not look at it now. That it is detached already is no error here.
            let _ = ioctl::clear(&held.device);
            if !is_attached(held.path(), &name).unwrap() {
                return;
            }
            thread::sleep(Duration::from_millis(20));
        }
        panic!("{} is there after 5 s", held.path().display());
    }
}
