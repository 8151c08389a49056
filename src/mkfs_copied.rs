//! A filesystem that is made in a file and copied to its volume: XFS, for who is not root.
//!
//! mkfs.xfs sets the block size of the device that it works on (`BLKBSZSET`), for which the kernel wants
//! `CAP_SYS_ADMIN` whoever may write there, and gives up without. In a file it does all the same.

use std::ffi::OsStr;
use std::fs::{self, File};
use std::os::fd::AsRawFd;
use std::path::Path;

use kdev_volumes_spec::Bytes;

use crate::command::Invocation;
use crate::error::{Error, Result};
use crate::fault;
use crate::lease::Lease;
use crate::mounts::{block_device, text_of};
use crate::sparse;

/// Tells whether a filesystem cannot be made on the device itself.
pub(crate) fn is_needed(fs_type: &str, device: &Path) -> bool {
    fs_type == "xfs" && !nix::unistd::geteuid().is_root() && block_device(device).is_some()
}

/// Runs mkfs on a sparse file of the volume's size, in `$TMPDIR` or `/tmp`, and copies what it has written. The file
/// has no name, so that nothing is left of it if we are killed.
///
/// What it has not written stays on the volume as it was, as it does when mkfs works on a device.
pub(crate) fn make(program: Invocation, device: &Path, size: Bytes, lease: &Lease) -> Result<()> {
    make_in(&std::env::temp_dir(), program, device, size, lease)
}

fn make_in(directory: &Path, program: Invocation, device: &Path, size: Bytes, lease: &Lease) -> Result<()> {
    let failed = |err| Error::io("make a file of the volume's size in", directory, err);
    let image = tempfile::tempfile_in(directory).map_err(failed)?;
    image.set_len(size.get()).map_err(failed)?;
    let shared = image.try_clone().map_err(failed)?;
    sector_size(program, device)
        .arg(format!("/proc/self/fd/{}", shared.as_raw_fd()))
        .keeping(Some(shared))
        .holding(lease.shared()?)
        .changing()
        .run()?;
    let failed = |err| Error::io("copy a new filesystem to", device, err);
    let to = File::options().write(true).open(device).map_err(failed)?;
    sparse::copy(&image, &to, size).map_err(failed)?;
    to.sync_all().map_err(failed)?;
    fault::point("filesystem copied");
    Ok(())
}

/// Of a file mkfs cannot know what the device's sectors are.
fn sector_size(program: Invocation, device: &Path) -> Invocation {
    let is_told = program.has_arg(|arg| arg.as_encoded_bytes().starts_with(b"-s"));
    let number = block_device(device).map(text_of).unwrap_or_default();
    let file = Path::new("/sys/dev/block")
        .join(number)
        .join("queue/physical_block_size");
    match fs::read_to_string(file) {
        Ok(size) if !is_told => {
            program.args([OsStr::new("-s"), OsStr::new(&format!("size={}", size.trim()))])
        }
        _ => program,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Whoever is killed meanwhile leaves nothing, then.
    #[test]
    fn a_filesystem_is_made_where_there_is_no_file_to_be_seen() {
        let (dir, device) = (
            tempfile::tempdir().unwrap(),
            tempfile::NamedTempFile::new().unwrap(),
        );
        device.as_file().set_len(8192).unwrap();
        let lease = Lease::inherited(tempfile::tempfile().unwrap());
        // In the place of mkfs.
        let script = format!(
            "test -z \"$(ls -A {})\" && printf made | dd of=\"$1\" seek=4096 bs=1 conv=notrunc status=none",
            dir.path().display()
        );
        let mkfs = Invocation::new("sh", "dash").unwrap();
        let mkfs = mkfs.args(["-c", &script, "sh"]);
        make_in(dir.path(), mkfs, device.path(), Bytes::new(8192), &lease).unwrap();
        let made = fs::read(device.path()).unwrap();
        assert_eq!((&made[4096..4100], made.len()), (&b"made"[..], 8192));
    }
}
