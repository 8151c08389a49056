//! What can go wrong.

mod chain;
mod kinds;

pub use kinds::{Error, Result};
