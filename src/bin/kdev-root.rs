//! What ordinary users have done as root, by sudo; see `kdev setup-sudo`. All of it is in the library.

use std::process::ExitCode;

use kdev_volumes::__root::{IS_ROOT_PROGRAM, main as run};
use linkme::distributed_slice;

/// Without it the library's constructor would listen to the caller's environment.
#[distributed_slice(IS_ROOT_PROGRAM)]
static THIS_IS_IT: u8 = 1;

fn main() -> ExitCode {
    run()
}
