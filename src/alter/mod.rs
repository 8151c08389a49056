//! Changing volumes that are there: making them larger or smaller, and taking snapshots of them.

mod resize;
mod snapshot;

pub(crate) use resize::resize;
pub(crate) use snapshot::{Snapshot, snapshot};

use std::fs::File;

use crate::backend::{Backend, Named};
use crate::error::{Error, Result};
use crate::lease::Lease;
use crate::lvm::is_the_way;
use crate::owner::OwnerTag;
use crate::state::State;

/// Whose a volume is that is to be changed, and with what.
pub(crate) struct Altering<'a> {
    pub(crate) state: &'a State,
    pub(crate) backend: &'a Backend,
    pub(crate) tag: &'a OwnerTag,
    /// The session's, if it is ours: programs hold it while they work.
    pub(crate) lease: Option<&'a Lease>,
}

impl Altering<'_> {
    fn lock(&self) -> Result<Option<File>> {
        self.lease.map(Lease::shared).transpose()
    }

    /// By sudo there is no such question: what an ordinary user may have done to an LV stays little.
    fn check_may(&self, lv_name: &str, done: &'static str) -> Result<()> {
        match self.backend {
            Backend::Lvm(_) if is_the_way() => {
                let why = "it is an LV, and an ordinary user has that done by root alone, not by sudo";
                Err(refused(lv_name, done, why))
            }
            _ => Ok(()),
        }
    }

    /// Returns the pool that a record says a volume is of; for people to read.
    fn pool_name(&self, volume: &Named) -> Result<String> {
        let records = self.state.snapshot()?;
        Ok(records.named(&volume.lv_name).map_or_else(
            || self.backend.vg_name().to_owned(),
            |record| record.pool_name.clone(),
        ))
    }
}

/// What is told of a volume that was not `done`.
pub(crate) fn refused(lv_name: &str, done: &'static str, why: impl Into<String>) -> Error {
    Error::NotAltered {
        volume: lv_name.to_owned(),
        done,
        why: why.into(),
    }
}
