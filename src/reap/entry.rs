use std::path::PathBuf;

use kdev_volumes_spec::Bytes;

use crate::backend::Named;
use crate::lvm::Activation;
use crate::owner::OwnerTag;
use crate::reap::judge::{Presence, Verdict};
use crate::reap::owners::is_anothers;
use crate::state::{Kind, Record};

/// A volume as the books have it.
#[derive(Clone, Debug)]
pub(crate) struct Entry {
    pub(crate) lv_name: String,
    pub(crate) path: PathBuf,
    pub(crate) size: Option<Bytes>,
    /// How much of it is written, if it is thin and active.
    pub(crate) written: Option<Bytes>,
    /// An LV's, as the VG has it.
    pub(crate) uuid: Option<String>,
    /// Of an LV; `None` if it is not there, or LVM does not know.
    pub(crate) activation: Option<Activation>,
    pub(crate) kind: Kind,
    pub(crate) vg_name: String,
    pub(crate) tag: OwnerTag,
    pub(crate) presence: Presence,
    pub(crate) verdict: Verdict,
    /// Whether the volume itself says that it is kept.
    pub(crate) is_marked_kept: bool,
    /// `None` if only the LV's tags tell of the volume.
    pub(crate) record: Option<Record>,
}

impl Entry {
    /// Tells whether it is another user's LV, which this one may not remove.
    pub(crate) fn is_anothers(&self) -> bool {
        self.kind == Kind::Lvm && is_anothers(&self.tag)
    }

    /// Why such a one stays, and what to do.
    pub(crate) fn whose_it_is(&self) -> String {
        let user = self.tag.owner.uid.unwrap_or_default();
        format!("it is user {user}'s (have that user, or root, remove it)")
    }

    pub(crate) fn named(&self) -> Named {
        Named {
            lv_name: self.lv_name.clone(),
            path: self.path.clone(),
            size: self.size.unwrap_or_default(),
            uuid: self.uuid.clone(),
        }
    }
}
