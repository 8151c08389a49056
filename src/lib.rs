#![doc = include_str!("../README.md")]
#![expect(
    clippy::test_attr_in_doctest,
    reason = "the examples show annotated tests, and are compiled to stay true"
)]

mod allocate;
mod backend;
mod blank;
mod clock;
mod command;
mod environment;
mod error;
mod fault;
#[cfg(feature = "rstest")]
pub mod fixtures;
#[cfg(test)]
mod garbage;
mod give_back;
mod harness;
mod here;
mod holders;
mod holding;
mod keep;
mod lease;
mod liveness;
mod lock;
mod loops;
mod lvm;
mod mkfs;
mod mount;
mod mount_point;
mod mounts;
mod owner;
mod pool;
pub mod pools;
mod pools_file;
mod process;
mod reap;
mod request;
mod session;
mod session_id;
mod stacked;
mod startup;
mod state;
mod state_dir;
mod trust;
mod undo;
mod volume;
mod watchdog;

pub use error::{Error, Result};
pub use kdev_volumes_macros::kdev_volumes;
pub use kdev_volumes_spec::{Bytes, Spec, SpecError, VolumeSpec};
pub use mount::Mount;
pub use pool::Pool;
pub use session::Session;
pub use volume::Volume;

#[doc(hidden)]
pub mod __private {
    pub use crate::harness::{
        DECLARATIONS, Declaration, DeclaredVolume, Outcome, Session, lend, linkme, run, take,
    };
}
