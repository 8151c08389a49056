//! The program, as `cargo run --example fstests_vm` finds it.

fn main() -> std::process::ExitCode {
    fstests_vm::main()
}
