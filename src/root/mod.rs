//! The program `kdev-root`: what an ordinary user may have done as root, by sudo.
//!
//! All that reaches it is hostile until it is proved otherwise: arguments, environment, descriptors, signals,
//! limits and paths. A new verb needs a row in each of its tables of refusals, and in `tests/system/lvm/ordinary/hostile.rs`.

mod act;
mod attach;
mod caller;
mod check;
mod nodes;
mod options;
mod pinned;
mod run;
mod surroundings;
mod verb;

pub(crate) use nodes::give_again;
pub(crate) use run::BUSY;
pub use run::{IS_ROOT_PROGRAM, main};
pub(crate) use verb::Verb;

/// Where the program is installed. Not a matter of configuration: sudo's line names it.
pub(crate) const PROGRAM: &str = "/usr/local/sbin/kdev-root";
