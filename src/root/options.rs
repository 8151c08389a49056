//! With what an ordinary user may have a filesystem mounted. Decides, and touches nothing.

use nix::libc;

/// Filesystems that may be mounted though the kernel has not loaded them yet. Others are for root to load: each
/// that reads what a user has written is one more way into the kernel.
const COMMON: [&str; 9] = [
    "ext2", "ext3", "ext4", "xfs", "btrfs", "f2fs", "vfat", "exfat", "iso9660",
];

/// Options of filesystems that name no other file or device, and cannot stop the machine.
const HARMLESS: [&str; 44] = [
    "acl",
    "noacl",
    "user_xattr",
    "nouser_xattr",
    "barrier",
    "nobarrier",
    "barrier=0",
    "barrier=1",
    "data=journal",
    "data=ordered",
    "data=writeback",
    "delalloc",
    "nodelalloc",
    "discard",
    "nodiscard",
    "discard=async",
    "discard=sync",
    "errors=continue",
    "errors=remount-ro",
    "journal_checksum",
    "journal_async_commit",
    "noload",
    "norecovery",
    "auto_da_alloc",
    "noauto_da_alloc",
    "dioread_lock",
    "dioread_nolock",
    "init_itable",
    "noinit_itable",
    "quota",
    "noquota",
    "usrquota",
    "grpquota",
    "prjquota",
    "inode32",
    "inode64",
    "largeio",
    "nouuid",
    "wsync",
    "filestreams",
    "compress",
    "compress=zstd",
    "nodatacow",
    "nodatasum",
];

/// What is asked of the kernel for one mount.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Options {
    pub(super) is_read_only: bool,
    /// For fsmount(2); set-user-ID programs and device files never count.
    pub(super) attributes: u64,
    /// Flags of the superblock, and options of the filesystem, as they were written.
    pub(super) of_filesystem: Vec<String>,
}

impl Options {
    /// Reads a list as mount(8) takes it.
    pub(super) fn parse(text: &str, fs_type: &str) -> Result<Self, String> {
        let mut options = Self {
            attributes: libc::MOUNT_ATTR_NOSUID | libc::MOUNT_ATTR_NODEV,
            ..Self::default()
        };
        for word in text.split(',') {
            match word {
                "defaults" | "rw" | "nosuid" | "nodev" => {}
                "ro" => {
                    options.is_read_only = true;
                    options.attributes |= libc::MOUNT_ATTR_RDONLY;
                    options.of_filesystem.push(word.to_owned());
                }
                "noexec" => options.attributes |= libc::MOUNT_ATTR_NOEXEC,
                "noatime" => options.set_atime(libc::MOUNT_ATTR_NOATIME),
                "relatime" => options.set_atime(libc::MOUNT_ATTR_RELATIME),
                "strictatime" => options.set_atime(libc::MOUNT_ATTR_STRICTATIME),
                "nodiratime" => options.attributes |= libc::MOUNT_ATTR_NODIRATIME,
                "sync" | "dirsync" | "lazytime" => options.of_filesystem.push(word.to_owned()),
                word if HARMLESS.contains(&word) => options.of_filesystem.push(word.to_owned()),
                _ => {
                    return Err(format!(
                        "mount option `{word}` is not one of those that an ordinary user may use"
                    ));
                }
            }
        }
        // A superblock can ask for a panic where it is damaged. What is asked for here comes before that.
        let has_errors = options
            .of_filesystem
            .iter()
            .any(|word| word.starts_with("errors="));
        if matches!(fs_type, "ext2" | "ext3" | "ext4") && !has_errors {
            options.of_filesystem.push("errors=remount-ro".to_owned());
        }
        Ok(options)
    }

    fn set_atime(&mut self, attribute: u64) {
        self.attributes = self.attributes & !libc::MOUNT_ATTR__ATIME | attribute;
    }
}

/// Tells whether a filesystem may be mounted; `filesystems` is what `/proc/filesystems` says.
pub(super) fn may_be_mounted(fs_type: &str, filesystems: &str) -> bool {
    // Those without a device are marked, and are no filesystems of volumes.
    let is_loaded = filesystems
        .lines()
        .any(|line| line.strip_prefix('\t') == Some(fs_type));
    // What is mounted through FUSE is a program of the user's, not a filesystem of the kernel's.
    COMMON.contains(&fs_type) || (is_loaded && !fs_type.starts_with("fuse"))
}

#[cfg(test)]
mod tests {
    use rstest::rstest;

    use super::*;

    const FIXED: u64 = libc::MOUNT_ATTR_NOSUID | libc::MOUNT_ATTR_NODEV;

    #[rstest]
    #[case("defaults", "xfs", FIXED, &[])]
    #[case("rw,nosuid,nodev", "xfs", FIXED, &[])]
    #[case("ro,noatime", "xfs", FIXED | libc::MOUNT_ATTR_RDONLY | libc::MOUNT_ATTR_NOATIME, &["ro"])]
    #[case::the_last_of_one_kind("noatime,relatime", "xfs", FIXED, &[])]
    #[case("noexec,sync", "btrfs", FIXED | libc::MOUNT_ATTR_NOEXEC, &["sync"])]
    #[case::a_panic_is_never_wanted("defaults", "ext4", FIXED, &["errors=remount-ro"])]
    #[case("data=journal,errors=continue", "ext4", FIXED, &["data=journal", "errors=continue"])]
    fn options_are_read(
        #[case] text: &str,
        #[case] fs_type: &str,
        #[case] attributes: u64,
        #[case] of_filesystem: &[&str],
    ) {
        let options = Options::parse(text, fs_type).unwrap();
        assert_eq!(options.attributes, attributes);
        assert_eq!(options.of_filesystem, of_filesystem);
    }

    #[rstest]
    #[case("suid")]
    #[case("dev")]
    #[case("ro,suid")]
    #[case("bind")]
    #[case("remount")]
    #[case("move")]
    #[case("errors=panic")]
    #[case("fatal_errors=panic")]
    #[case("journal_path=/dev/sda")]
    #[case("journal_dev=2049")]
    #[case("logdev=/dev/sda")]
    #[case("rtdev=/dev/sda")]
    #[case("device=/dev/sda")]
    #[case("source=/dev/sda")]
    #[case("context=system_u:object_r:etc_t:s0")]
    #[case("uid=0")]
    #[case("loop")]
    #[case("x-mount.mkdir")]
    #[case("RO")]
    #[case("ro ")]
    #[case("")]
    #[case("ro,,noatime")]
    fn an_option_that_could_harm_anybody_is_refused(#[case] text: &str) {
        assert!(Options::parse(text, "ext4").is_err());
    }

    #[rstest]
    #[case("ext4", true)]
    #[case("xfs", true)]
    #[case::loaded("nilfs2", true)]
    #[case::not_loaded("hfsplus", false)]
    #[case::without_a_device("tmpfs", false)]
    #[case::no_filesystem("proc", false)]
    #[case("fuseblk", false)]
    #[case("", false)]
    fn what_is_not_common_is_for_root_to_load(#[case] fs_type: &str, #[case] may: bool) {
        let filesystems = "nodev\tsysfs\nnodev\ttmpfs\nnodev\tproc\n\text4\n\tnilfs2\n\tfuseblk\n";
        assert_eq!(may_be_mounted(fs_type, filesystems), may);
    }
}
