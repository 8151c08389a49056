//! The ioctls of disks (`linux/fs.h`). All that is unsafe about them is here.
//!
//! Not `blockdev --rereadpt` and `blkdiscard --zeroout`: both open the device themselves, and what is
//! done here is done while we hold it exclusively, so that nobody comes between.

use std::fs::File;
use std::io;
use std::os::fd::AsRawFd;

mod raw {
    nix::ioctl_none_bad!(reread_partitions, 0x125F);
    nix::ioctl_write_ptr_bad!(zero_out, 0x127F, [u64; 2]);
}

/// Has the kernel read the partition table of a disk anew (BLKRRPART).
pub(super) fn reread_partitions(device: &File) -> io::Result<()> {
    // SAFETY: the descriptor is open, and the call takes no argument.
    unsafe { raw::reread_partitions(device.as_raw_fd()) }?;
    Ok(())
}

/// Overwrites a range with zeros (BLKZEROOUT): the disk does it by itself if it can, else they are
/// written. Both numbers are whole sectors, in bytes.
pub(super) fn zero_out(device: &File, start: u64, length: u64) -> io::Result<()> {
    // SAFETY: the descriptor is open, and the kernel only reads the two numbers, which live through the call.
    unsafe { raw::zero_out(device.as_raw_fd(), &[start, length]) }?;
    Ok(())
}
