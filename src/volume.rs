use std::fs::{File, OpenOptions};
use std::path::Path;
use std::sync::Arc;
use std::thread;

use kdev_volumes_spec::Bytes;

use crate::backend::Named;
use crate::error::{Error, Result};
use crate::holding::Holding;
use crate::mount::Mount;

/// A block device that a test holds, or an image file.
///
/// Dropping it gives it back to its session, which removes all its volumes together when the last
/// one is dropped; [`close`](Self::close) removes this one now. A [`Mount`] holds its volume too.
///
/// ```rust,no_run,test_harness
/// use kdev_volumes::{Volume, kdev_volumes};
///
/// #[kdev_volumes(test = "1G")]
/// #[test]
/// fn has_a_device(test: Volume) {
///     println!("{} is {} of {}", test.name(), test.path().display(), test.size());
///     assert!(test.lv_name().ends_with("-test"));
/// }
/// ```
#[derive(Debug)]
#[must_use = "a volume is given back when it is dropped"]
pub struct Volume {
    name: String,
    about: Named,
    holding: Arc<Holding>,
}

impl Volume {
    pub(crate) fn new(name: String, about: Named, holding: Arc<Holding>) -> Self {
        Self { name, about, holding }
    }

    /// Returns the name by which the test asked for it, such as `test`.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Returns the path of the device: below `/dev/mapper` for an LV, `/dev/loopN` for a loop device; for an
    /// image, that of the file.
    pub fn path(&self) -> &Path {
        &self.about.path
    }

    /// Returns the real size in bytes, which is what was asked for, rounded up.
    pub fn size(&self) -> Bytes {
        self.about.size
    }

    /// Returns the unique name, `{prefix}-{time}-{random}-{name}`, by which records and `lvs` know it.
    pub fn lv_name(&self) -> &str {
        &self.about.lv_name
    }

    /// Opens the device to read and write.
    ///
    /// The file has to be closed before the volume can be given back.
    ///
    /// ```no_run
    /// # fn example(test: kdev_volumes::Volume) -> Result<(), Box<dyn std::error::Error>> {
    /// use std::os::unix::fs::FileExt;
    ///
    /// let device = test.open()?;
    /// device.write_all_at(&[0xa5; 4096], 0)?;
    /// device.sync_all()?;
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    ///
    /// [`Error::Io`] if the kernel refuses.
    pub fn open(&self) -> Result<File> {
        let opened = OpenOptions::new().read(true).write(true).open(self.path());
        opened.map_err(|err| Error::io("open", self.path(), err))
    }

    /// Mounts the filesystem on the volume, of whatever type, on a directory of its own.
    ///
    /// An image is mounted through a loop device, which only root can make and which goes when it is
    /// unmounted. For an ordinary user, who has LVs by `kdev setup-sudo`, ext2 to ext4, XFS, FAT, exFAT and ISO 9660
    /// are mounted; Btrfs, F2FS and others are root's to mount.
    ///
    /// ```no_run
    /// # fn example(test: kdev_volumes::Volume) -> Result<(), Box<dyn std::error::Error>> {
    /// let mount = test.mount()?;
    /// std::fs::write(mount.path().join("file"), "content")?;
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    ///
    /// [`Error::Command`] with what mount(8) said, such as that there is no filesystem; [`Error::Io`] if
    /// no directory can be made in `$TMPDIR` or `/tmp`; [`Error::NotRoot`] for an image.
    pub fn mount(&self) -> Result<Mount> {
        self.mount_with("")
    }

    /// Does the same with options as mount(8) takes them, such as `ro,noatime`.
    ///
    /// ```no_run
    /// # fn example(test: kdev_volumes::Volume) -> kdev_volumes::Result<()> {
    /// let mount = test.mount_with("ro,noatime")?;
    /// assert!(std::fs::write(mount.path().join("file"), "content").is_err());
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    ///
    /// As [`mount`](Self::mount).
    pub fn mount_with(&self, options: &str) -> Result<Mount> {
        Mount::new(&self.about, options, Arc::clone(&self.holding))
    }

    /// Gives the volume another size, rounded up as when it was made.
    ///
    /// What is on it is the caller's business: a filesystem is made larger after this, and smaller before, with
    /// `resize2fs` or its like. What is beyond a smaller size is lost. What is added is as clean as the pool
    /// promises of new volumes.
    ///
    /// ```no_run
    /// # use std::process::Command;
    /// # fn example(mut test: kdev_volumes::Volume) -> Result<(), Box<dyn std::error::Error>> {
    /// test.resize("2G".parse()?)?;
    /// assert!(Command::new("resize2fs").arg(test.path()).status()?.success());
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    ///
    /// [`Error::NoSpace`] if the pool has not that much more: it is not waited for. [`Error::NotAltered`] if it is to
    /// be smaller and something is mounted from it or stands on it, if it was given back, or if it is a snapshot or
    /// has one in a pool of thick volumes, which LVM does not resize. The volume is as it was then.
    pub fn resize(&mut self, size: Bytes) -> Result<()> {
        self.about.size = self.holding.resize(self.lv_name(), size)?;
        Ok(())
    }

    /// Makes a volume that is what this one is now, in the same session: it is given back, or kept, as that is.
    ///
    /// Either can be written to, and the other one does not change. In a thin pool it costs next to nothing. In
    /// one of thick volumes it takes as much room as the volume itself, so that it can never overflow; it goes with
    /// the volume that it is of, and if it is kept, that is kept too. Of loop devices and images it is a copy, which
    /// shares blocks with the first where the filesystem below can do that.
    ///
    /// A filesystem that is mounted from an LV is stopped for a moment, so that what is on the snapshot is
    /// whole. (ext4 and XFS have to replay their logs there, and XFS wants `nouuid` where both are mounted.)
    ///
    /// ```no_run
    /// # fn example(test: kdev_volumes::Volume) -> kdev_volumes::Result<()> {
    /// let before = test.snapshot("before")?;
    /// // Whatever is done to `test` now, `before` stays.
    /// println!("{} is {} as it was", before.path().display(), test.name());
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    ///
    /// [`Error::NoSpace`] if the pool has not the room: it is not waited for. [`Error::Spec`] for a name that no
    /// volume can have. [`Error::NotAltered`] if the session has a volume of that name; if this one is a loop
    /// device or an image and is mounted; or if it is a snapshot itself in a pool of thick volumes. Nothing is
    /// left then.
    pub fn snapshot(&self, name: &str) -> Result<Self> {
        let about = self.holding.snapshot(self.lv_name(), name)?;
        Ok(Self::new(name.to_owned(), about, Arc::clone(&self.holding)))
    }

    /// Removes the volume now. Under `KDEV_KEEP=always` it is kept instead.
    ///
    /// ```no_run
    /// # fn example(scratch: kdev_volumes::Volume) -> kdev_volumes::Result<()> {
    /// scratch.close()?; // there is room for others, while the test goes on
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    ///
    /// [`Error::Busy`] if it could not be removed: who holds it is said, and it stays on record.
    /// [`Error::NotAltered`] if it has a [snapshot](Self::snapshot) that would go with it.
    pub fn close(self) -> Result<()> {
        self.holding.finish_one(self.lv_name(), thread::panicking())
    }

    /// Keeps the volume: it stays on record, and nothing but `kdev pool cleanup --kept` removes it.
    ///
    /// ```no_run
    /// # use std::process::Command;
    /// # fn example(test: kdev_volumes::Volume) -> Result<(), Box<dyn std::error::Error>> {
    /// if !Command::new("e2fsck").arg("-fn").arg(test.path()).status()?.success() {
    ///     test.keep()?;
    /// }
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    ///
    /// If LVM or the kernel refused to mark it; then it is given back with its session.
    pub fn keep(self) -> Result<()> {
        self.holding
            .keep(|volume| volume.lv_name == self.about.lv_name, "asked")
    }
}

impl AsRef<Path> for Volume {
    fn as_ref(&self) -> &Path {
        self.path()
    }
}
