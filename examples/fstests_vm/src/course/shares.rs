//! What a guest finds when it starts: the host's directories, and its first files.

use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use crate::course::setup::Setup;
use crate::guest::{DISK, GuestConfig, INIT, JOB, Purpose, Root};
use crate::machine;
use crate::machine::initramfs::{self, File};
use crate::machine::kernel::Flavour;
use crate::machine::share::Sharing;
use crate::volumes::Placed;

/// A directory of the host that the guest gets by a name.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Shared {
    pub(super) name: &'static str,
    pub(super) path: PathBuf,
}

impl Setup {
    /// Lists the directories that the guest does not have with its root.
    pub(super) fn shares(&self) -> Vec<Shared> {
        let wanted = [
            ("fstests", Some(&self.fstests)),
            ("modules", self.kernel.modules.as_ref()),
        ];
        let wanted = wanted.into_iter().filter_map(|(name, path)| Some((name, path?)));
        wanted
            .filter(|(_, path)| self.rootfs.is_some() || !self.is_in_root(path))
            .map(|(name, path)| Shared {
                name,
                path: path.clone(),
            })
            .collect()
    }

    /// A share is of one filesystem of the host; what is mounted below it is not in it. hostfs has all.
    fn is_in_root(&self, path: &Path) -> bool {
        let device = |path: &Path| fs::metadata(path).map(|metadata| metadata.dev()).ok();
        self.sharing == Sharing::Hostfs || device(path) == device(Path::new("/"))
    }

    /// Makes the first files of a machine with these disks.
    pub(super) fn initramfs(
        &self,
        results: &Path,
        disks: &[Placed],
        purpose: Purpose,
    ) -> machine::Result<Vec<u8>> {
        let shares = self.shares();
        let config = GuestConfig {
            events: match self.kernel.flavour {
                Flavour::Bzimage => "/dev/ttyS1",
                Flavour::Uml => "/dev/tty1",
            },
            sharing: self.sharing_name(),
            root: match self.rootfs {
                Some(_) => Root::Disk,
                None => Root::Host,
            },
            results: results.to_owned(),
            shares: shares
                .into_iter()
                .map(|shared| (shared.name, shared.path))
                .collect(),
            modules: self.kernel.modules.clone(),
            fstests: self.fstests.clone(),
            filesystem: self.filesystem.clone(),
            roles: disks.iter().map(|disk| disk.role.clone()).collect(),
            slowness: self.slowness(),
            purpose,
        };
        let config = config.render();
        let mut files = vec![
            File {
                path: "config",
                mode: 0o644,
                bytes: &config,
            },
            File {
                path: "disk",
                mode: 0o644,
                bytes: DISK.as_bytes(),
            },
            File {
                path: "job",
                mode: 0o755,
                bytes: JOB.as_bytes(),
            },
        ];
        if let Some(built_with) = &self.kernel.config {
            files.push(File {
                path: "kernel-config",
                mode: 0o644,
                bytes: built_with.text().as_bytes(),
            });
        }
        initramfs::pack(INIT, &self.busybox, &self.closure.modules, &files)
    }
}
