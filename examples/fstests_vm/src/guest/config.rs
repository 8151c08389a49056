use std::ffi::{OsStr, OsString};
use std::path::PathBuf;

use crate::guest::shell::quoted;

/// Where the guest finds its root.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Root {
    /// The host's, shared.
    Host,
    /// A disk with the serial number `root`.
    Disk,
}

/// What the guest is told before it runs anything; paths are as it sees them.
#[derive(Clone, Debug)]
pub(crate) struct GuestConfig {
    /// The device of the event line.
    pub(crate) events: &'static str,
    /// What the host's directories come by: `virtiofs`, `9p` or `hostfs`.
    pub(crate) sharing: &'static str,
    pub(crate) root: Root,
    /// The host's directory for results, which only `hostfs` names.
    pub(crate) results: PathBuf,
    /// Directories that are not on the root's file system, by the names of their shares.
    pub(crate) shares: Vec<(&'static str, PathBuf)>,
    /// All modules of the kernel, for `modprobe`.
    pub(crate) modules: Option<PathBuf>,
    pub(crate) fstests: PathBuf,
    pub(crate) filesystem: String,
    /// How many times slower the machine is than one with KVM, at least 1.
    pub(crate) slowness: u32,
    /// The disks' serial numbers, which are their roles.
    pub(crate) roles: Vec<String>,
    pub(crate) purpose: Purpose,
}

/// What a machine is started for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Purpose {
    /// To run tests.
    Tests,
    /// To see whether a kernel comes up at all.
    Probe,
}

impl GuestConfig {
    /// Returns it as the shell reads it.
    pub(crate) fn render(&self) -> Vec<u8> {
        let names: Vec<&str> = self.shares.iter().map(|(name, _)| *name).collect();
        let modules = self.modules.clone().unwrap_or_default();
        let root = match self.root {
            Root::Host => "host",
            Root::Disk => "disk",
        };
        let probe = match self.purpose {
            Purpose::Tests => "",
            Purpose::Probe => "yes",
        };
        let mut variables: Vec<(String, OsString)> = [
            ("events", OsStr::new(self.events)),
            ("sharing", self.sharing.as_ref()),
            ("root", root.as_ref()),
            ("results", self.results.as_os_str()),
            ("extra_shares", names.join(" ").as_ref()),
            ("modules", modules.as_os_str()),
            ("fstests", self.fstests.as_os_str()),
            ("fstyp", self.filesystem.as_ref()),
            ("mkfs_force", force(&self.filesystem).as_ref()),
            ("slowness", self.slowness.to_string().as_ref()),
            ("roles", self.roles.join(" ").as_ref()),
            ("host_name", HOST_NAME.as_ref()),
            ("probe", probe.as_ref()),
        ]
        .map(|(name, value)| (name.to_owned(), value.to_owned()))
        .into();
        let shares = self.shares.iter();
        variables.extend(shares.map(|(name, path)| (format!("share_{name}"), path.clone().into())));
        let mut script = Vec::new();
        for (name, value) in variables {
            script.extend_from_slice(name.as_bytes());
            script.push(b'=');
            script.extend(quoted(&value));
            script.push(b'\n');
        }
        script
    }
}

/// The guest's own name, which results have in them.
const HOST_NAME: &str = "fstests";

/// Returns what makes the filesystem's mkfs take a device on which it sees another filesystem.
fn force(filesystem: &str) -> &'static str {
    match filesystem {
        "ext2" | "ext3" | "ext4" => "-q -F",
        "xfs" | "btrfs" | "f2fs" | "bcachefs" | "nilfs2" => "-f",
        _ => "",
    }
}

#[cfg(test)]
mod tests {
    use std::ffi::OsStr;
    use std::os::unix::ffi::OsStrExt;
    use std::process::Command;

    use rstest::rstest;

    use super::*;

    fn config(path: &OsStr) -> GuestConfig {
        GuestConfig {
            events: "/dev/ttyS1",
            sharing: "9p",
            root: Root::Host,
            results: path.into(),
            shares: vec![("fstests", path.into())],
            modules: None,
            fstests: path.into(),
            filesystem: "ext4".to_owned(),
            slowness: 6,
            roles: vec!["test".to_owned(), "scratch".to_owned()],
            purpose: Purpose::Tests,
        }
    }

    /// What a shell has in these variables after it has read the configuration.
    fn read(config: &GuestConfig, variables: &str) -> Vec<u8> {
        let mut script = config.render();
        script.extend_from_slice(format!("printf '%s\\0' {variables}").as_bytes());
        let output = Command::new("sh")
            .arg("-c")
            .arg(OsStr::from_bytes(&script))
            .output()
            .unwrap();
        assert!(output.status.success() && output.stderr.is_empty(), "{output:?}");
        output.stdout
    }

    #[rstest]
    #[case(b"/a b")]
    #[case(b"/a'b")]
    #[case(b"/$(reboot)`x`\"\\")]
    #[case(b"/line\nline")]
    #[case(b"/not-utf8-\xff")]
    #[case(b"/a;exit 1")]
    fn paths_arrive_in_the_guest_as_they_are(#[case] path: &[u8]) {
        let expected = [path, b"\0", path, b"\0", path, b"\0"].concat();
        let config = config(OsStr::from_bytes(path));
        assert_eq!(
            read(&config, "\"$fstests\" \"$results\" \"$share_fstests\""),
            expected
        );
    }

    #[test]
    fn lists_are_words_and_what_is_not_there_is_empty() {
        let mut config = config(OsStr::new("/f"));
        assert_eq!(
            read(&config, "$roles \"$modules\" \"$probe\" $slowness"),
            b"test\0scratch\0\0\x006\0"
        );
        config.purpose = Purpose::Probe;
        assert_eq!(
            read(&config, "$root \"$probe\" \"$mkfs_force\""),
            b"host\0yes\0-q -F\0"
        );
    }
}
