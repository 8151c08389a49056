//! What is told while a run goes on: what happens ([`told`]), and who tells it in which form ([`teller`]).

mod bar;
mod json;
pub(crate) mod lines;
mod progress;
pub(crate) mod teller;
pub(crate) mod told;
