//! Builds the library that User-Mode Linux kernels are given (`src/machine/uml/xstate.c`).

use std::env;
use std::path::Path;

const SOURCE: &str = "src/machine/uml/xstate.c";

fn main() {
    println!("cargo::rerun-if-changed={SOURCE}");
    let out = env::var_os("OUT_DIR").expect("cargo sets it for build scripts");
    let library = Path::new(&out).join("xstate.so");
    let target = |what: &str| env::var(format!("CARGO_CFG_TARGET_{what}")).unwrap_or_default();
    if target("ARCH") != "x86_64" || target("OS") != "linux" {
        // User-Mode Linux is for x86 alone; an empty library is none.
        std::fs::write(&library, []).expect("OUT_DIR can be written");
        return;
    }
    // Not `compile`, which makes a static library.
    let compiler = cc::Build::new()
        .pic(true)
        .opt_level(2)
        .warnings(true)
        .extra_warnings(true)
        .get_compiler();
    let status = compiler
        .to_command()
        .arg("-shared")
        .arg("-o")
        .arg(&library)
        .arg(SOURCE)
        .status();
    match status {
        Ok(status) if status.success() => {}
        failed => panic!(
            "cannot build {SOURCE} with {}: {failed:?}",
            compiler.path().display()
        ),
    }
}
