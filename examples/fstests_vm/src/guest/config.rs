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
    /// The disks' serial numbers, which are their roles.
    pub(crate) roles: Vec<String>,
    /// Whether to end as soon as the kernel has come up.
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
