//! A filesystem that is made in a file and copied to its volume: XFS, for who is not root.
//!
//! mkfs.xfs sets the block size of the device that it works on (`BLKBSZSET`), for which the kernel wants
//! `CAP_SYS_ADMIN` whoever may write there, and gives up without. In a file it does all the same.

use std::ffi::OsStr;
use std::fs::{self, File};
use std::io;
use std::os::fd::AsRawFd;
use std::os::unix::fs::FileExt;
use std::path::Path;

use nix::errno::Errno;
use nix::unistd::{Whence, lseek};

use crate::command::Invocation;
use crate::error::{Error, Result};
use crate::fault;
use crate::lease::Lease;
use crate::mounts::{block_device, text_of};

/// How much is copied at once.
const STEP: usize = 1 << 20;

/// Tells whether a filesystem cannot be made on the device itself.
pub(crate) fn is_needed(fs_type: &str, device: &Path) -> bool {
    fs_type == "xfs" && !nix::unistd::geteuid().is_root() && block_device(device).is_some()
}

/// Runs mkfs on a sparse file of the volume's size, in `$TMPDIR` or `/tmp`, and copies what it has written. The file
/// has no name, so that nothing is left of it if we are killed.
///
/// What it has not written stays on the volume as it was, as it does when mkfs works on a device.
pub(crate) fn make(program: Invocation, device: &Path, size: u64, lease: &Lease) -> Result<()> {
    make_in(&std::env::temp_dir(), program, device, size, lease)
}

fn make_in(directory: &Path, program: Invocation, device: &Path, size: u64, lease: &Lease) -> Result<()> {
    let failed = |err| Error::io("make a file of the volume's size in", directory, err);
    let image = tempfile::tempfile_in(directory).map_err(failed)?;
    image.set_len(size).map_err(failed)?;
    let shared = image.try_clone().map_err(failed)?;
    sector_size(program, device)
        .arg(format!("/proc/self/fd/{}", shared.as_raw_fd()))
        .keeping(Some(shared))
        .holding(lease.shared()?)
        .changing()
        .run()?;
    let failed = |err| Error::io("copy a new filesystem to", device, err);
    let to = File::options().write(true).open(device).map_err(failed)?;
    copy(&image, &to).map_err(failed)?;
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

/// Copies all of a sparse file but its holes.
fn copy(from: &File, to: &File) -> io::Result<()> {
    let mut buffer = vec![0; STEP];
    let mut at = 0;
    loop {
        at = match lseek(from, at, Whence::SeekData) {
            // There is nothing but a hole to its end.
            Err(Errno::ENXIO) => return Ok(()),
            found => found?,
        };
        let end = lseek(from, at, Whence::SeekHole)?;
        while at < end {
            let length = STEP.min(usize::try_from(end - at).unwrap_or(STEP));
            let position = u64::try_from(at).map_err(io::Error::other)?;
            from.read_exact_at(&mut buffer[..length], position)?;
            to.write_all_at(&buffer[..length], position)?;
            at += i64::try_from(length).map_err(io::Error::other)?;
        }
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
        make_in(dir.path(), mkfs, device.path(), 8192, &lease).unwrap();
        let made = fs::read(device.path()).unwrap();
        assert_eq!((&made[4096..4100], made.len()), (&b"made"[..], 8192));
    }

    #[test]
    fn what_is_written_is_copied_and_what_is_a_hole_is_left() {
        let [from, to] = [(); 2].map(|()| tempfile::tempfile().unwrap());
        let size = 8 << 20;
        from.set_len(size).unwrap();
        to.write_all_at(&vec![7; 8 << 20], 0).unwrap();
        let written = [(0, 4096), (3 << 20, (1 << 20) + 512), (size - 4096, 4096)];
        for (at, length) in written {
            from.write_all_at(&vec![1; length], at).unwrap();
        }
        copy(&from, &to).unwrap();
        let byte_at = |at: u64| {
            let mut byte = [0];
            to.read_exact_at(&mut byte, at).unwrap();
            byte[0]
        };
        for (at, length) in written {
            assert_eq!((byte_at(at), byte_at(at + length as u64 - 1)), (1, 1), "at {at}");
        }
        assert_eq!((byte_at(1 << 20), byte_at(6 << 20)), (7, 7));
        assert_eq!(to.metadata().unwrap().len(), size);
    }
}
