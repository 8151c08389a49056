//! Misuse of the attribute, and what the compiler says of it.

use std::env;
use std::fs;
use std::path::Path;
use std::process::Command;

#[test]
fn misuse_is_an_error_at_its_place_and_what_is_promised_compiles() {
    let cases = trybuild::TestCases::new();
    cases.compile_fail("tests/ui/*.rs");
    cases.pass("tests/ui/pass/*.rs");
}

/// What only a program of tests has is not there for trybuild: these are compiled as tests.
#[test]
fn a_place_below_what_makes_the_test_is_an_error() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let package = Path::new(env!("CARGO_TARGET_TMPDIR")).join("as-tests");
    let tests = package.join("tests");
    // An earlier run may have left it.
    let _ = fs::remove_dir_all(&package);
    fs::create_dir_all(&tests).unwrap();
    let manifest = format!(
        "[package]\nname = 'as-tests'\nversion = '0.0.0'\nedition = '2024'\n\n[lib]\npath = 'lib.rs'\n\n[workspace]\n\n\
         [dev-dependencies]\nkdev-volumes = {{ path = '{}' }}\n\
         rstest = {{ version = '0.28', default-features = false }}\n",
        root.display()
    );
    fs::write(package.join("Cargo.toml"), manifest).unwrap();
    fs::write(package.join("lib.rs"), "").unwrap();
    // The versions that are at hand.
    fs::copy(root.join("Cargo.lock"), package.join("Cargo.lock")).unwrap();
    for file in fs::read_dir(root.join("tests/ui/as_tests")).unwrap() {
        let file = file.unwrap();
        fs::copy(file.path(), tests.join(file.file_name())).unwrap();
    }
    let output = Command::new(env::var_os("CARGO").unwrap_or("cargo".into()))
        .args([
            "check",
            "--tests",
            "--keep-going",
            "--offline",
            "--message-format=short",
        ])
        // Where what it depends on is built already.
        .env("CARGO_TARGET_DIR", package.parent().unwrap().parent().unwrap())
        .current_dir(&package)
        .output()
        .unwrap();
    let said = String::from_utf8(output.stderr).unwrap();
    let made = "error: another macro has made this test, and perhaps others without volumes (put `#[kdev_volumes]` first, above it)";
    let errors = [
        ("below_rstest.rs:8:", made),
        ("below_rstest.rs:16:", made),
        ("below_rstest.rs:22:", made),
        (
            "below_the_test_attribute.rs:5:",
            "error: functions used as tests can not have any arguments",
        ),
    ];
    for (place, message) in errors {
        let is_it = |line: &&str| line.contains(place) && line.contains(message);
        assert_eq!(said.lines().filter(is_it).count(), 1, "{place} {message}\n{said}");
    }
}
