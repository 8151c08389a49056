#![doc = include_str!("../README.md")]
#![expect(
    clippy::test_attr_in_doctest,
    reason = "the examples show annotated tests, and are compiled to stay true"
)]

mod allocate;
mod announce;
mod backend;
mod blank;
mod clock;
mod command;
mod declared;
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
mod identity;
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
#[cfg(feature = "cli")]
pub mod plan;
mod pool;
pub mod pools;
mod pools_file;
mod process;
mod proof;
mod reap;
mod request;
mod retention;
mod session;
mod session_id;
mod stacked;
mod startup;
mod state;
mod state_dir;
mod test_dev;
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
pub use test_dev::TestDev;
pub use volume::Volume;

#[doc(hidden)]
pub mod __private {
    pub use crate::harness::{
        DECLARATIONS, Declaration, DeclaredVolume, Ended, Outcome, Session, lend, linkme, run, run_async,
        run_opaque, run_opaque_async, take,
    };
}
