use std::fmt;
use std::path::PathBuf;

use kdev_volumes_spec::Bytes;

use crate::holders::holders;
use crate::loops::LoopDevice;
use crate::state::Record;

/// A volume that is to be made, or removed.
#[derive(Clone, Debug)]
pub(crate) struct Named {
    pub(crate) lv_name: String,
    pub(crate) path: PathBuf,
    pub(crate) size: Bytes,
    /// Of an LV that is known to be there.
    pub(crate) uuid: Option<String>,
}

impl Named {
    /// Takes what a record says of its volume.
    pub(crate) fn on_record(record: &Record) -> Self {
        Self {
            lv_name: record.lv_name.clone(),
            path: record.lv_path.clone(),
            size: Bytes::new(record.size_bytes.unwrap_or(0)),
            uuid: record.lv_uuid.clone(),
        }
    }
}

/// A volume that was made.
#[derive(Debug)]
pub(crate) struct Made {
    pub(crate) lv_name: String,
    pub(crate) path: PathBuf,
    pub(crate) size: Bytes,
    pub(crate) uuid: Option<String>,
    /// What the volume lives by; `None` if it lives by itself.
    pub(crate) device: Option<LoopDevice>,
}

impl Made {
    /// Of a loop device, by which it lives.
    pub(super) fn of_device(volume: &Named, device: LoopDevice) -> Self {
        Self {
            lv_name: volume.lv_name.clone(),
            path: device.path().to_owned(),
            size: volume.size,
            uuid: None,
            device: Some(device),
        }
    }

    /// Of an image, which is where the volume says.
    pub(super) fn of_image(volume: &Named) -> Self {
        Self {
            lv_name: volume.lv_name.clone(),
            path: volume.path.clone(),
            size: volume.size,
            uuid: None,
            device: None,
        }
    }
}

impl From<&Made> for Named {
    fn from(made: &Made) -> Self {
        Self {
            lv_name: made.lv_name.clone(),
            path: made.path.clone(),
            size: made.size,
            uuid: made.uuid.clone(),
        }
    }
}

/// A volume that could not be removed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Leftover {
    pub(crate) lv_name: String,
    pub(crate) path: PathBuf,
    pub(crate) why: String,
}

impl Leftover {
    /// Says who holds the volume; if nobody can be seen to, what the attempt said.
    pub(super) fn held(volume: &Named, said: String) -> Self {
        let holders = holders(&volume.path);
        let why = if holders.is_empty() {
            said
        } else {
            holders.join(", ")
        };
        Self::new(volume, why)
    }

    pub(super) fn new(volume: &Named, why: String) -> Self {
        Self {
            lv_name: volume.lv_name.clone(),
            path: volume.path.clone(),
            why,
        }
    }
}

impl fmt::Display for Leftover {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "`{}` ({}): {}", self.lv_name, self.path.display(), self.why)
    }
}
