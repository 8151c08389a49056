//! The course of a run: machines are booted, tests run in them, and what comes of it is put together.

mod allowed;
mod asked;
mod boot;
mod dmesg;
mod report;
mod round;
mod run;
mod setup;
mod shard;

pub(crate) use allowed::Stop;
pub(crate) use run::run;
pub(crate) use shard::NoPlan;
