//! Taking back what the dead left.

mod books;
mod judge;
mod sweep;

pub(crate) use books::{Entry, survey};
pub(crate) use judge::{Presence, Verdict, Wish};
pub(crate) use sweep::{cleanup, places, reap_if_any_died, reap_pool};
