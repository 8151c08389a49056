use std::process::ExitCode;

use kdev_volumes::kdev_volumes;

#[kdev_volumes(test = "1G")]
fn f() -> ExitCode {
    ExitCode::SUCCESS
}

fn main() {}
