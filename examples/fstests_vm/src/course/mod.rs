//! The course of a run: machines are booted, tests run in them, and what comes of it is put together.

mod allowed;
mod asked;
mod boot;
mod dmesg;
mod plan;
mod report;
mod round;
mod run;
mod run_dir;
mod setup;
mod shard;
mod telling;

pub(crate) use allowed::Stop;
pub(crate) use run::{Over, run};
pub(crate) use run_dir::{make_latest, make_run_dir};
pub(crate) use shard::NoPlan;
pub(crate) use telling::Telling;
