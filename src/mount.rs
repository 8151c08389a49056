use std::path::{Path, PathBuf};
use std::process;
use std::sync::Arc;
use std::thread;
use std::time::Duration;

use nix::errno::Errno;
use nix::libc;

use crate::backend::Named;
use crate::command::Invocation;
use crate::error::{Error, Result};
use crate::fault;
use crate::holders::users_of_mount;
use crate::holding::Holding;
use crate::lvm::MountBySudo;
use crate::mount_point;
use crate::mounts::{block_device, mounts_at, source_of};
use crate::unmount::unmount;

/// How long is waited before each attempt to unmount, in milliseconds: five seconds in all, as LVM waits
/// for a busy device. The second looks whether the first has done it.
const PAUSES: [u64; 10] = [0, 0, 10, 40, 150, 300, 500, 1000, 1000, 2000];

/// A volume's filesystem, mounted until this value is dropped.
///
/// It is mounted on a directory of its own, `{lv_name}` in `$TMPDIR` or `/tmp`. The volume outlives its
/// mount: it may be dropped first, and is given back after. [`unmount`](Self::unmount) tells whether it
/// worked; dropping tells standard error if not. If the process dies first, who gives the volume
/// back unmounts it. `KDEV_KEEP` keeps volumes, and no mounts.
///
/// ```rust,no_run,test_harness
/// # use kdev_volumes::{Volume, kdev_volumes};
/// #[kdev_volumes(test(size = "1G", mkfs = "ext4"))]
/// #[test]
/// fn finds_what_it_has_written(test: Volume) -> Result<(), Box<dyn std::error::Error>> {
///     let mount = test.mount()?;
///     std::fs::write(mount.path().join("file"), "content")?;
///     mount.unmount()?;
///     let mount = test.mount_with("ro")?;
///     assert_eq!(std::fs::read_to_string(mount.path().join("file"))?, "content");
///     Ok(())
/// }
/// ```
#[derive(Debug)]
#[must_use = "a filesystem is unmounted when its guard is dropped"]
pub struct Mount {
    point: PathBuf,
    device: PathBuf,
    /// A child that was forked off has a copy of this value, and nothing to unmount.
    pid: u32,
    is_mounted: bool,
    sudo: Option<MountBySudo>,
    /// The last of these gives the volume back.
    _holding: Arc<Holding>,
}

impl Mount {
    /// Mounts with mount(8), which finds out what is on the volume.
    pub(crate) fn new(volume: &Named, options: &str, holding: Arc<Holding>) -> Result<Self> {
        let is_image = block_device(&volume.path).is_none();
        if is_image && !nix::unistd::geteuid().is_root() {
            return Err(Error::NotRoot {
                doing: "mounting an image file",
            });
        }
        if let Some(sudo) = holding.mount_by_sudo(&volume.lv_name) {
            return Self::by_sudo(volume, options, sudo, holding);
        }
        let mut program = Invocation::new("mount", "mount")?.changing();
        if !options.is_empty() {
            program = program.args(["-o", options]);
        }
        // Should we die meanwhile, nobody looks for mounts before it is done, nor has another session's device
        // taken the place of a loop device.
        program = program
            .keeping(holding.shared_device(&volume.lv_name)?)
            .holding(holding.shared_lease()?);
        let point = mount_point::make(&volume.lv_name)?;
        if let Err(err) = program.arg(&volume.path).arg(&point).run() {
            // What mount said is what is reported. A directory that is empty harms nobody.
            let _ = mount_point::remove(&point);
            return Err(err);
        }
        // For an image mount(8) has made a loop device, which goes when it is unmounted.
        let device = match is_image {
            true => source_of(&point).ok_or_else(|| {
                let gone = std::io::Error::other("nothing is mounted there any more");
                Error::io("find the loop device that is mounted on", &point, gone)
            })?,
            false => volume.path.clone(),
        };
        Ok(Self {
            point,
            device,
            pid: process::id(),
            is_mounted: true,
            sudo: None,
            _holding: holding,
        })
    }

    /// What is on the volume is found out here, so that nothing that runs as root reads it but the kernel.
    fn by_sudo(volume: &Named, options: &str, sudo: MountBySudo, holding: Arc<Holding>) -> Result<Self> {
        let fs_type = fs_type_on(&volume.path)?;
        let lease = holding.shared_lease()?;
        let point = mount_point::make(&volume.lv_name)?;
        if let Err(err) = sudo.mount(&point, &fs_type, options, lease) {
            // As above.
            let _ = mount_point::remove(&point);
            return Err(err);
        }
        Ok(Self {
            point,
            device: volume.path.clone(),
            pid: process::id(),
            is_mounted: true,
            sudo: Some(sudo),
            _holding: holding,
        })
    }

    /// Returns the directory on which the filesystem is mounted.
    pub fn path(&self) -> &Path {
        &self.point
    }

    /// Unmounts now, and removes the directory. A filesystem that is in use is waited for, for five seconds.
    ///
    /// ```no_run
    /// # use std::process::Command;
    /// # fn example(test: kdev_volumes::Volume) -> Result<(), Box<dyn std::error::Error>> {
    /// test.mount()?.unmount()?;
    /// assert!(Command::new("xfs_repair").arg("-n").arg(test.path()).status()?.success());
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    ///
    /// [`Error::StillMounted`] if it is in use after that, with who uses it; it stays mounted then.
    /// [`Error::Io`] if the kernel refuses for another reason, or somebody has put something into the
    /// directory beneath.
    pub fn unmount(mut self) -> Result<()> {
        self.is_mounted = false;
        self.try_to_unmount()
    }

    fn try_to_unmount(&self) -> Result<()> {
        let mut last = Errno::EBUSY.into();
        for pause in PAUSES {
            thread::sleep(Duration::from_millis(pause));
            // Another mount namespace that was made meanwhile has a copy, which holds the device too.
            let mounts =
                block_device(&self.device).map_or_else(Vec::new, |device| mounts_at(&self.point, device));
            if mounts.is_empty() {
                fault::point("unmounted");
                return mount_point::remove(&self.point);
            }
            for mount in mounts {
                let unmounted = match &self.sudo {
                    Some(sudo) => sudo.unmount(&mount.point),
                    None => unmount(&mount),
                };
                if let Err(err) = unmounted {
                    last = err;
                }
            }
        }
        match last.raw_os_error() {
            Some(libc::EBUSY) => Err(Error::StillMounted {
                point: self.point.clone(),
                users: users_of_mount(&self.point, &self.device),
            }),
            _ => Err(Error::io("unmount", &self.point, last)),
        }
    }
}

/// Has blkid(8) find out what mount(8) would.
fn fs_type_on(device: &Path) -> Result<String> {
    let mut found = Invocation::new("blkid", "util-linux")?
        .args(["--probe", "--output", "value", "--match-tag", "TYPE"])
        .arg(device)
        .finish()?;
    let fs_type = String::from_utf8_lossy(&found.stdout).trim().to_owned();
    if found.status.success() && !fs_type.is_empty() {
        return Ok(fs_type);
    }
    if found.stderr.trim().is_empty() {
        found.stderr = "it finds no filesystem there".to_owned();
    }
    Err(found.error())
}

impl AsRef<Path> for Mount {
    fn as_ref(&self) -> &Path {
        self.path()
    }
}

impl Drop for Mount {
    fn drop(&mut self) {
        if !self.is_mounted || self.pid != process::id() {
            return;
        }
        if let Err(err) = self.try_to_unmount() {
            eprintln!("kdev: {}", err.chain());
        }
    }
}
