//! Taking back what the dead left.

mod adopt;
mod bequest;
mod books;
mod doomed;
mod entry;
mod judge;
mod occasions;
mod off_record;
mod owners;
mod reaped;
mod retain;
mod sweep;
mod take_back;

pub(crate) use bequest::reap_owner;
pub(crate) use books::{Places, Survey, survey};
pub(crate) use entry::Entry;
pub(crate) use judge::{Presence, Verdict, Wish};
pub(crate) use occasions::{cleanup, places, reap_if_any_died, reap_pool, wait_for_removals};
pub(crate) use retain::retain;
