//! Waiting for room: who waits, in which order, and for what.

mod line;
mod place;
#[cfg(test)]
mod processes;
mod ticket;
mod watch;

pub(crate) use line::Line;
pub(crate) use place::{Place, tidy};
pub(crate) use ticket::Ticket;
pub(crate) use watch::Watch;
