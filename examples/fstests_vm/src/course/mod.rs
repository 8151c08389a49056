//! The course of a run: machines are booted, tests run in them, and what comes of it is put together.

mod allowed;
mod asked;
mod asking;
mod boot;
mod common;
mod dmesg;
mod last_lines;
mod machines;
mod no_plan;
mod not_up;
mod plan;
mod prepare;
mod report;
mod round;
mod run;
mod run_dir;
mod setup;
mod shard;
mod shares;
mod start;
mod telling;

pub(crate) use allowed::Stop;
pub(crate) use no_plan::NoPlan;
pub(crate) use run::{Over, list, run};
pub(crate) use run_dir::{make_latest, make_run_dir};
pub(crate) use shard::Done;

pub(crate) use telling::Telling;
