//! What the tests stand on: a place of their own each, kernels, and what can be seen of a run from outside.

mod fake;
mod kernel;
mod left;
mod ran;
mod running;
mod scene;

pub(crate) use fake::{FakeKernel, fake_fstests};
pub(crate) use kernel::Kernel;
pub(crate) use ran::Ran;
use running::wait_until;
pub(crate) use running::{At, Running};
pub(crate) use scene::{NOBODY, Scene};
