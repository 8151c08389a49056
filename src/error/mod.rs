//! What can go wrong.

mod chain;
mod kinds;
mod words;

pub use kinds::{Error, Result};
