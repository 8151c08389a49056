use std::process::{ExitCode, Termination};

use kdev_volumes::kdev_volumes;

struct Own;

impl Termination for Own {
    fn report(self) -> ExitCode {
        ExitCode::SUCCESS
    }
}

#[kdev_volumes(test = "1G")]
fn f() -> Own {
    Own
}

fn main() {}
