use std::fs::{self, File};
use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::Path;

use kdev_volumes_spec::Bytes;

use crate::images;
use crate::loops;
use crate::lvm::MappedName;
use crate::mounts::text_of;

/// Which LV or named loop device a block device is, by the kernel's word alone: paths in `/dev` are only
/// links, and numbers go from one device to another. Which image a file is, the
/// books have to say.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Identity {
    /// For a loop device, the name under which it was attached.
    pub(crate) lv_name: String,
    /// Empty for a loop device, as in its record.
    pub(crate) vg_name: String,
    /// An LV's.
    pub(crate) uuid: Option<String>,
    /// An image's, by the numbers of its file system and its own.
    pub(crate) file: Option<(u64, u64)>,
}

impl Identity {
    /// Asks for the device with that number, which is at `path`; `None` if it is neither of the two.
    ///
    /// Anything but a loop device is not opened: it may be a disk that minds.
    pub(crate) fn at(path: &Path, number: u64) -> io::Result<Option<Self>> {
        if let Some(mapped) = MappedName::of(number) {
            return Ok(Some(mapped.into()));
        }
        if !fs::exists(in_sysfs(number).join("loop"))? {
            return Ok(None);
        }
        let device = File::open(path)?;
        // Somebody may have put another device there meanwhile.
        let is_that = device.metadata()?.rdev() == number;
        Ok(is_that.then(|| Self::of_loop(&device)).flatten())
    }

    /// Tells whether a device, or file, that is open is this one. It cannot become another meanwhile.
    pub(crate) fn is(&self, device: &File) -> io::Result<bool> {
        if self.file.is_some() {
            return Ok(images::identity(device)? == self.file);
        }
        let mapped = MappedName::of(device.metadata()?.rdev()).map(Self::from);
        Ok(mapped.or_else(|| Self::of_loop(device)).as_ref() == Some(self))
    }

    /// Takes a volume's image; `None` if it is not there.
    pub(crate) fn of_image(path: &Path, lv_name: &str) -> io::Result<Option<(Self, Bytes)>> {
        let Some(image) = images::pin(path, lv_name) else {
            return Ok(None);
        };
        let identity = Self {
            lv_name: lv_name.to_owned(),
            vg_name: String::new(),
            uuid: None,
            file: images::identity(&image)?,
        };
        Ok(Some((identity, Bytes::new(image.metadata()?.len()))))
    }

    fn of_loop(device: &File) -> Option<Self> {
        Some(Self {
            lv_name: loops::name_of(device)?,
            vg_name: String::new(),
            uuid: None,
            file: None,
        })
    }
}

impl From<MappedName> for Identity {
    fn from(mapped: MappedName) -> Self {
        Self {
            lv_name: mapped.lv_name,
            vg_name: mapped.vg_name,
            uuid: Some(mapped.uuid),
            file: None,
        }
    }
}

/// Returns the size of the device with that number; `None` if there is none.
pub(crate) fn size_of(number: u64) -> Option<Bytes> {
    let sectors = fs::read_to_string(in_sysfs(number).join("size")).ok()?;
    sectors
        .trim()
        .parse::<u64>()
        .ok()?
        .checked_mul(512)
        .map(Bytes::new)
}

fn in_sysfs(number: u64) -> std::path::PathBuf {
    Path::new("/sys/dev/block").join(text_of(number))
}
