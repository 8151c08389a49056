//! The records of who holds which volume: `lv-state.json`.

#[cfg(test)]
mod damaged;
mod file;
mod layout;
mod record;
mod records;

pub(crate) use file::State;
pub(crate) use record::{FOUND, Failure, Found, Kind, NewRecords, Phase, Record, SNAPSHOT_OF};
pub(crate) use records::Records;
