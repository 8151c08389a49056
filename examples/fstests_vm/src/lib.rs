//! The program `fstests_vm`: fstests in a virtual machine, on volumes of its own.

mod machine;
mod results;
mod vm;

use std::process::ExitCode;

/// Runs the program with the arguments of this process.
pub fn main() -> ExitCode {
    if let Some(code) = vm::keep_if_asked() {
        return code;
    }
    ExitCode::SUCCESS
}
