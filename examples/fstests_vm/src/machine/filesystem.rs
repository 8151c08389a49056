//! The filesystem under test: the host's programs for it, and how small it can be.

use std::path::PathBuf;

use kdev_volumes::Bytes;

use super::{Error, Result, host};

/// Which package of Debian has the `mkfs` for a filesystem.
const PACKAGES: [(&str, &str); 15] = [
    ("ext2", "e2fsprogs"),
    ("ext3", "e2fsprogs"),
    ("ext4", "e2fsprogs"),
    ("xfs", "xfsprogs"),
    ("btrfs", "btrfs-progs"),
    ("f2fs", "f2fs-tools"),
    ("bcachefs", "bcachefs-tools"),
    ("vfat", "dosfstools"),
    ("exfat", "exfatprogs"),
    ("ntfs", "ntfs-3g"),
    ("jfs", "jfsutils"),
    ("nilfs2", "nilfs-tools"),
    ("udf", "udftools"),
    ("gfs2", "gfs2-utils"),
    ("ocfs2", "ocfs2-tools"),
];

/// How small the `mkfs` of a filesystem makes it, without options. Others make what they are given.
///
/// Found by trying, with xfsprogs 6.1 and btrfs-progs 6.2. The first refuses less since 5.19, by
/// intent; the second by what two copies of its metadata take.
const LEAST: [(&str, Bytes); 2] = [("xfs", Bytes::new(300 << 20)), ("btrfs", Bytes::new(109 << 20))];

/// Returns the host's program that makes a filesystem, which the guest uses too.
///
/// # Errors
///
/// [`Error::Program`], with the package to install.
pub(crate) fn mkfs_for(filesystem: &str) -> Result<PathBuf> {
    let program = format!("mkfs.{filesystem}");
    host::which(&program).ok_or_else(|| Error::Program {
        program: format!("`{program}`, which the guest takes from this host"),
        remedy: match package(filesystem) {
            Some(package) => format!("apt-get install {package}"),
            None => format!("install the programs for {filesystem}"),
        },
    })
}

/// Refuses a volume that is too small for a filesystem.
///
/// # Errors
///
/// [`Error::TooSmall`].
pub(crate) fn check_size(volume: &str, size: Bytes, filesystem: &str) -> Result<()> {
    match LEAST.iter().find(|(name, _)| *name == filesystem) {
        Some(&(_, least)) if size < least => Err(Error::TooSmall {
            volume: volume.into(),
            size,
            filesystem: filesystem.into(),
            least,
        }),
        _ => Ok(()),
    }
}

/// The package that has the `mkfs` for a filesystem.
fn package(filesystem: &str) -> Option<&'static str> {
    PACKAGES
        .iter()
        .find(|(name, _)| *name == filesystem)
        .map(|&(_, package)| package)
}

#[cfg(test)]
mod tests {
    use rstest::rstest;

    use super::*;

    #[rstest]
    #[case("ext4", "1M", true)]
    #[case("xfs", "300M", true)]
    #[case("xfs", "299M", false)]
    #[case("btrfs", "109M", true)]
    #[case("btrfs", "108M", false)]
    #[case("another", "1M", true)]
    fn a_volume_must_be_large_enough_for_its_filesystem(
        #[case] filesystem: &str,
        #[case] size: Bytes,
        #[case] accepted: bool,
    ) {
        let got = check_size("test", size, filesystem);
        assert_eq!(got.is_ok(), accepted);
        if let Err(error) = got {
            assert!(error.is_usage());
            let text = error.to_string();
            assert!(
                text.contains(&size.to_string()) && text.contains("which needs"),
                "{text}"
            );
        }
    }

    #[test]
    fn the_programs_for_ext4_are_on_this_host() {
        assert!(mkfs_for("ext4").unwrap().is_absolute());
    }

    #[rstest]
    #[case("ocfs2", "apt-get install ocfs2-tools")]
    #[case("nosuchfs", "install the programs for nosuchfs")]
    fn a_missing_program_is_named_with_its_package(#[case] filesystem: &str, #[case] expected: &str) {
        // Whoever works on that one has it installed.
        if let Err(error) = mkfs_for(filesystem) {
            assert!(!error.is_usage());
            assert!(error.to_string().contains(expected), "{error}");
        }
    }
}
