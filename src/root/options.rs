//! With what an ordinary user may have a filesystem mounted. Decides, and touches nothing.

use nix::libc;

/// Filesystems that lie on the one device that they are mounted from, whatever is written there. Of others the
/// superblock can name more devices, or join those of another filesystem, and the kernel opens them as root: Btrfs,
/// F2FS and EROFS do. And each that reads what a user has written is one more way into the kernel.
const MOUNTED: [&str; 7] = ["ext2", "ext3", "ext4", "xfs", "vfat", "exfat", "iso9660"];

/// Options of filesystems that name no other file or device, and cannot stop the machine.
const HARMLESS: [&str; 38] = [
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

/// Makes sure that a filesystem is one that may be mounted for an ordinary user.
pub(super) fn check_type(fs_type: &str) -> Result<(), String> {
    match MOUNTED.contains(&fs_type) {
        true => Ok(()),
        false => Err(format!(
            "`{fs_type}` is for root to mount: what is on a volume could have the kernel open other devices (run \
             that test as root; for an ordinary user are {})",
            MOUNTED.join(", ")
        )),
    }
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
    #[case("noexec,sync", "vfat", FIXED | libc::MOUNT_ATTR_NOEXEC, &["sync"])]
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
    #[case("degraded")]
    #[case("subvol=/")]
    #[case("RO")]
    #[case("ro ")]
    #[case("")]
    #[case("ro,,noatime")]
    fn an_option_that_could_harm_anybody_is_refused(#[case] text: &str) {
        assert!(Options::parse(text, "ext4").is_err());
    }

    #[rstest]
    #[case("ext2", true)]
    #[case("ext3", true)]
    #[case("ext4", true)]
    #[case("xfs", true)]
    #[case("vfat", true)]
    #[case("exfat", true)]
    #[case("iso9660", true)]
    #[case::joins_what_has_its_uuid("btrfs", false)]
    #[case::has_a_table_of_devices("f2fs", false)]
    #[case::has_a_table_of_devices("erofs", false)]
    #[case::of_several_devices("bcachefs", false)]
    #[case::names_its_journal("jfs", false)]
    #[case::names_its_journal("reiserfs", false)]
    #[case::loaded_or_not("nilfs2", false)]
    #[case::without_a_device("tmpfs", false)]
    #[case::no_filesystem("proc", false)]
    #[case::a_program_of_the_users("fuseblk", false)]
    #[case("EXT4", false)]
    #[case("", false)]
    fn what_is_mounted_can_reach_no_other_device(#[case] fs_type: &str, #[case] may: bool) {
        assert_eq!(check_type(fs_type).is_ok(), may);
    }
}
