//! The records of who holds which volume: `lv-state.json`.

mod file;
mod record;

pub(crate) use file::{Records, State, remove_unfinished, write_by_rename};
pub(crate) use record::{FOUND, Failure, Found, Kind, NewRecords, Phase, Record, SNAPSHOT_OF};
