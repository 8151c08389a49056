//! The ioctls of loop devices, as loop(4) and `linux/loop.h` give them. All that is unsafe about them
//! is here.

use std::fs::File;
use std::io;
use std::os::fd::AsRawFd;

use nix::errno::Errno;

pub(super) const LO_FLAGS_AUTOCLEAR: u32 = 4;
pub(super) const LO_FLAGS_DIRECT_IO: u32 = 16;

const LO_NAME_SIZE: usize = 64;

/// `struct loop_info64`.
#[repr(C)]
#[derive(Clone, Copy)]
pub(super) struct LoopInfo {
    /// The file system that the backing file is in.
    lo_device: u64,
    lo_inode: u64,
    /// The backing device, if it is one.
    lo_rdevice: u64,
    lo_offset: u64,
    lo_sizelimit: u64,
    lo_number: u32,
    lo_encrypt_type: u32,
    lo_encrypt_key_size: u32,
    pub(super) lo_flags: u32,
    lo_file_name: [u8; LO_NAME_SIZE],
    lo_crypt_name: [u8; LO_NAME_SIZE],
    lo_encrypt_key: [u8; 32],
    lo_init: [u64; 2],
}

/// `struct loop_config`.
#[repr(C)]
pub(super) struct LoopConfig {
    fd: u32,
    block_size: u32,
    info: LoopInfo,
    reserved: [u64; 8],
}

// The sizes that the kernel's own structures have.
const _: () = assert!(size_of::<LoopInfo>() == 232);
const _: () = assert!(size_of::<LoopConfig>() == 304);

mod raw {
    use super::{LoopConfig, LoopInfo};

    nix::ioctl_none_bad!(ctl_get_free, 0x4C82);
    nix::ioctl_write_ptr_bad!(configure, 0x4C0A, LoopConfig);
    nix::ioctl_none_bad!(clr_fd, 0x4C01);
    nix::ioctl_none_bad!(set_capacity, 0x4C07);
    nix::ioctl_write_ptr_bad!(set_status64, 0x4C04, LoopInfo);
    nix::ioctl_read_bad!(get_status64, 0x4C05, LoopInfo);
}

impl LoopInfo {
    fn zeroed() -> Self {
        Self {
            lo_device: 0,
            lo_inode: 0,
            lo_rdevice: 0,
            lo_offset: 0,
            lo_sizelimit: 0,
            lo_number: 0,
            lo_encrypt_type: 0,
            lo_encrypt_key_size: 0,
            lo_flags: 0,
            lo_file_name: [0; LO_NAME_SIZE],
            lo_crypt_name: [0; LO_NAME_SIZE],
            lo_encrypt_key: [0; 32],
            lo_init: [0; 2],
        }
    }

    /// Tells whether the device is over this one, or over a file in the file system on it.
    pub(super) fn is_over(&self, device: u64) -> bool {
        self.lo_device == device || self.lo_rdevice == device
    }

    /// Tells whether the device is over this file, by the number of its file system and its own.
    pub(super) fn is_over_file(&self, (device, inode): (u64, u64)) -> bool {
        self.lo_device == device && self.lo_inode == inode
    }

    /// Returns the name that the device was given when it was attached.
    pub(super) fn name(&self) -> &[u8] {
        let end = self
            .lo_file_name
            .iter()
            .position(|&byte| byte == 0)
            .unwrap_or(LO_NAME_SIZE);
        &self.lo_file_name[..end]
    }
}

/// Asks `/dev/loop-control` for the number of a device that is not in use, making one if need be.
pub(super) fn get_free(control: &File) -> io::Result<u32> {
    // SAFETY: the descriptor is open, and the call takes no argument.
    let number = unsafe { raw::ctl_get_free(control.as_raw_fd()) }?;
    u32::try_from(number).map_err(io::Error::other)
}

/// Attaches a file to a device, with its name and flags, in one step (Linux 5.8).
pub(super) fn configure(device: &File, backing: &File, name: &str, flags: u32) -> io::Result<()> {
    let mut info = LoopInfo::zeroed();
    info.lo_flags = flags;
    // One byte stays 0, as the end. What does not fit is cut; our names are shorter.
    for (to, from) in info.lo_file_name[..LO_NAME_SIZE - 1].iter_mut().zip(name.bytes()) {
        *to = from;
    }
    let fd = u32::try_from(backing.as_raw_fd()).map_err(io::Error::other)?;
    let config = LoopConfig {
        fd,
        block_size: 0,
        info,
        reserved: [0; 8],
    };
    // SAFETY: both descriptors are open, and the structure is laid out as the kernel's and lives
    // through the call, which only reads it.
    unsafe { raw::configure(device.as_raw_fd(), &config) }?;
    Ok(())
}

/// Returns a device's status; `None` if no file is attached to it.
pub(super) fn status(device: &File) -> io::Result<Option<LoopInfo>> {
    let mut info = LoopInfo::zeroed();
    // SAFETY: the descriptor is open, and the structure is laid out as the kernel's, which fills it.
    match unsafe { raw::get_status64(device.as_raw_fd(), &mut info) } {
        Ok(_) => Ok(Some(info)),
        Err(Errno::ENXIO) => Ok(None),
        Err(err) => Err(err.into()),
    }
}

/// Changes what may be changed of an attached device: here, its autoclear flag.
pub(super) fn set_status(device: &File, info: &LoopInfo) -> io::Result<()> {
    // SAFETY: the descriptor is open, and the structure came from the kernel and is only read.
    unsafe { raw::set_status64(device.as_raw_fd(), info) }?;
    Ok(())
}

/// Has the device take the size that its file has now.
pub(super) fn set_capacity(device: &File) -> io::Result<()> {
    // SAFETY: the descriptor is open, and the call takes no argument.
    unsafe { raw::set_capacity(device.as_raw_fd()) }?;
    Ok(())
}

/// Detaches the file, at once or when the last one who has the device open closes it.
pub(super) fn clear(device: &File) -> io::Result<()> {
    // SAFETY: the descriptor is open, and the call takes no argument.
    match unsafe { raw::clr_fd(device.as_raw_fd()) } {
        Ok(_) | Err(Errno::ENXIO) => Ok(()),
        Err(err) => Err(err.into()),
    }
}
