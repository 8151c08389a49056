//! The records of who holds which volume: `lv-state.json`.

mod file;
mod record;

pub(crate) use file::write_by_rename;
pub(crate) use file::{Records, State};
pub(crate) use record::{Failure, Found, Kind, NewRecords, Phase, Record};
