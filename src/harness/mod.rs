//! What the attribute macro's expansion calls. Not an interface for people.

mod again;
mod alone;
mod declaration;
mod outcome;
mod replay;
mod report;
mod run;
mod unfinished;
mod verdict;

pub(crate) use alone::end_with_parent;
pub use declaration::{DECLARATIONS, Declaration, DeclaredVolume};
pub use linkme;
pub use outcome::{Ended, Outcome};
pub use run::{lend, run, run_async, run_opaque, run_opaque_async, take};

pub use crate::session::Session;
