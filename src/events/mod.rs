//! What has happened to volumes, one line for each thing, for `kdev metrics`.

mod event;
mod log;
#[cfg(any(feature = "cli", test))]
mod read;
mod tell;

#[cfg(feature = "cli")]
pub(crate) use event::{Event, LoggedVolume, WaitEnd, What};
pub(crate) use event::{Occasion, Was};
#[cfg(feature = "cli")]
pub(crate) use read::{Log, read};
pub(crate) use tell::{allocated, failed, kept, reaped, released, resized, snapshot, waited};
