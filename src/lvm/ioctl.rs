//! The ioctls of device-mapper's that are used (`linux/dm-ioctl.h`). All that is unsafe about it is here.

use std::fs::File;
use std::io;
use std::os::fd::AsRawFd;

const CONTROL: &str = "/dev/mapper/control";

/// Understood by every kernel since 2.6.
const VERSION: [u32; 3] = [4, 0, 0];

const NAME_LEN: usize = 128;
const UUID_LEN: usize = 129;

/// `struct dm_ioctl`.
#[repr(C)]
struct DmIoctl {
    version: [u32; 3],
    /// Of this structure and all that follows it.
    data_size: u32,
    data_start: u32,
    target_count: u32,
    open_count: i32,
    flags: u32,
    /// For a removal, the cookie by which somebody waits for udev; 0 if nobody does.
    event_nr: u32,
    padding: u32,
    dev: u64,
    name: [u8; NAME_LEN],
    uuid: [u8; UUID_LEN],
    data: [u8; 7],
}

/// The size that the kernel's own structure has.
const SIZE: u32 = 312;
const _: () = assert!(size_of::<DmIoctl>() == SIZE as usize);

mod raw {
    use super::DmIoctl;

    nix::ioctl_readwrite!(version, 0xfd, 0, DmIoctl);
    nix::ioctl_readwrite!(dev_remove, 0xfd, 4, DmIoctl);
}

impl DmIoctl {
    fn of_no_device() -> Self {
        Self {
            version: VERSION,
            data_size: SIZE,
            data_start: SIZE,
            target_count: 0,
            open_count: 0,
            flags: 0,
            event_nr: 0,
            padding: 0,
            dev: 0,
            name: [0; NAME_LEN],
            uuid: [0; UUID_LEN],
            data: [0; 7],
        }
    }
}

fn open_control() -> io::Result<File> {
    File::options().read(true).write(true).open(CONTROL)
}

/// Asks device-mapper whether it understands our version of its interface.
pub(super) fn check_version() -> io::Result<()> {
    let mut about = DmIoctl::of_no_device();
    let control = open_control()?;
    // SAFETY: as below.
    unsafe { raw::version(control.as_raw_fd(), &mut about) }?;
    Ok(())
}

/// Removes the device that has this UUID, unless somebody has it open (EBUSY), or there is none (ENXIO).
pub(super) fn remove(uuid: &str) -> io::Result<()> {
    let mut about = DmIoctl::of_no_device();
    // One byte stays 0, as the end.
    if uuid.is_empty() || uuid.len() >= UUID_LEN {
        return Err(io::ErrorKind::InvalidInput.into());
    }
    about.uuid[..uuid.len()].copy_from_slice(uuid.as_bytes());
    let control = open_control()?;
    // SAFETY: the descriptor is open, and the structure is laid out as the kernel's, is of the size that it says,
    // and lives through the call, which reads and writes no more than that.
    unsafe { raw::dev_remove(control.as_raw_fd(), &mut about) }?;
    Ok(())
}
