//! Getting a session its volumes: all of them or none, at once or when there is room.

mod ask;
mod choose;
mod claim;
mod make;
mod queued;
mod serve;
mod tell;
mod wait;

pub(crate) use serve::allocate;
pub(crate) use tell::whole_seconds;
