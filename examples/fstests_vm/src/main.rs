//! Runs fstests in a virtual machine on volumes of its own: see `README.md` beside this directory.

fn main() -> std::process::ExitCode {
    fstests_vm::main()
}
