//! Filesystems that volumes carry when their test begins.

use kdev_volumes_spec::{Spec, VolumeSpec};

use crate::backend::Made;
use crate::command::Invocation;
use crate::error::{Error, Result};
use crate::lease::Lease;
use crate::loops::LoopDevice;
use crate::mkfs_copied;

/// How a volume's filesystem is made. Its program was found.
pub(crate) struct Mkfs<'spec> {
    volume: &'spec VolumeSpec,
    fs_type: &'spec str,
    program: Invocation,
}

impl<'spec> Mkfs<'spec> {
    /// Finds what makes the volumes' filesystems, before any volume is there; `None` for one that stays empty.
    pub(crate) fn find(spec: &'spec Spec) -> Result<Vec<Option<Self>>> {
        let find = |volume: &'spec VolumeSpec, fs_type: &'spec str| {
            let program = Invocation::of_user(&format!("mkfs.{fs_type}"), package(fs_type))?;
            Ok(Self {
                volume,
                fs_type,
                program: program.args(flags(fs_type)).args(volume.mkfs_args()),
            })
        };
        let volumes = spec.volumes().iter();
        volumes
            .map(|volume| volume.mkfs().map(|fs_type| find(volume, fs_type)).transpose())
            .collect()
    }

    /// Makes the filesystem. Should we die meanwhile, the session is not dead before mkfs is done: it
    /// holds the lease too, so that nobody removes a volume on which it is at work; and a loop device, so that
    /// none of another session can be in its place.
    pub(crate) fn run(self, made: &Made, lease: &Lease) -> Result<()> {
        let failed = |err| Error::Mkfs {
            fs_type: self.fs_type.to_owned(),
            volume: self.volume.name().to_owned(),
            size: made.size,
            source: Box::new(err),
        };
        if mkfs_copied::is_needed(self.fs_type, &made.path) {
            return mkfs_copied::make(self.program, &made.path, made.size, lease).map_err(failed);
        }
        let device = made.device.as_ref().map(LoopDevice::shared).transpose()?;
        let program = self
            .program
            .arg(&made.path)
            .holding(lease.shared()?)
            .keeping(device)
            .changing();
        program.run().map_err(failed)?;
        Ok(())
    }
}

/// What has mkfs take a device without a question, whatever it finds there, and say nothing of success.
fn flags(fs_type: &str) -> &'static [&'static str] {
    match fs_type {
        "ext2" | "ext3" | "ext4" => &["-F", "-q"],
        "xfs" | "btrfs" | "f2fs" => &["-f", "-q"],
        _ => &[],
    }
}

/// The Debian package with a filesystem's mkfs, where we know it.
fn package(fs_type: &str) -> Option<&'static str> {
    Some(match fs_type {
        "ext2" | "ext3" | "ext4" => "e2fsprogs",
        "xfs" => "xfsprogs",
        "btrfs" => "btrfs-progs",
        "f2fs" => "f2fs-tools",
        "fat" | "msdos" | "vfat" => "dosfstools",
        "exfat" => "exfatprogs",
        "bcachefs" => "bcachefs-tools",
        "gfs2" => "gfs2-utils",
        "jfs" => "jfsutils",
        "nilfs2" => "nilfs-tools",
        "ntfs" => "ntfs-3g",
        "ocfs2" => "ocfs2-tools",
        "reiserfs" => "reiserfsprogs",
        "udf" => "udftools",
        "bfs" | "cramfs" | "minix" => "util-linux",
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use kdev_volumes_spec::Bytes;

    use super::*;

    #[test]
    fn a_filesystem_that_nobody_can_make_is_found_out_before_anything_is_made() {
        for (fs_type, remedy) in [
            ("kdev-none", "apt-file search mkfs.kdev-none"),
            ("ocfs2", "ocfs2-tools"),
        ] {
            let volume = VolumeSpec::new("test", Bytes::new(1)).unwrap();
            let spec = Spec::new([volume.with_mkfs(fs_type).unwrap()]).unwrap();
            let message = Mkfs::find(&spec).err().unwrap().to_string();
            assert!(message.contains(remedy), "{message}");
        }
    }
}
