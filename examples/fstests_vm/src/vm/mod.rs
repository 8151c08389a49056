//! A virtual machine while it runs: its process, what it says, and how it ends.

mod keeper;
mod processor;
mod qmp;
mod said;
#[expect(
    clippy::module_inception,
    reason = "the machine itself is the room's main thing"
)]
mod vm;
mod wake;

pub(crate) use keeper::{Keeper, Launch, keep_if_asked};
pub(crate) use processor::Processors;
pub(crate) use said::Said;
pub(crate) use vm::{Heard, Lines, Vm};
pub(crate) use wake::Wake;
