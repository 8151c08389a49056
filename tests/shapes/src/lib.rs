//! What tests of every shape check of their volumes, and how they are told apart after.

use std::env;
use std::ffi::{CStr, OsStr};
use std::fs::{self, OpenOptions};
use std::io::Write;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::FileTypeExt;
use std::os::unix::process::parent_id;
use std::path::Path;
use std::process::{Command, ExitCode, Termination};
use std::thread;

use kdev_volumes::Volume;

/// The file to which each test writes a line for each of its volumes: test, pid, device, LV, and the program
/// that started its process.
const REPORT: &str = "SHAPES_REPORT";

/// Checks a volume that a test has as a guard: its variable names it, in this process and for programs.
///
/// # Panics
///
/// If that is not so.
pub fn check(variable: &str, volume: &Volume) {
    check_environment(variable, volume.path());
    tell(volume.path(), volume.lv_name());
}

/// Checks what a test without guards has: a device in the environment.
///
/// # Panics
///
/// If there is none.
pub fn check_variable(variable: &str) {
    let path = env::var_os(variable).unwrap_or_else(|| panic!("{variable} is not set"));
    check_environment(variable, Path::new(&path));
    tell(Path::new(&path), "-");
}

/// Checks a volume of a test that stays in its runner's process: its environment is not the test's.
///
/// # Panics
///
/// If it is.
pub fn check_in_process(variable: &str, volume: &Volume) {
    assert_ne!(env::var_os(variable).as_deref(), Some(volume.path().as_os_str()));
    assert_is_volume(volume.path());
    tell(volume.path(), volume.lv_name());
}

fn check_environment(variable: &str, path: &Path) {
    assert_is_volume(path);
    assert_eq!(env::var_os(variable).as_deref(), Some(path.as_os_str()));
    let output = Command::new("printenv")
        .arg(variable)
        .output()
        .expect("printenv is there");
    assert_eq!(output.stdout.trim_ascii_end(), path.as_os_str().as_bytes());
}

fn assert_is_volume(path: &Path) {
    let file_type = fs::metadata(path).expect("the volume is there").file_type();
    let is_as_asked = match env::var_os("KERNELDEV_DEVICE_POOL") {
        Some(pool) if pool == "images" => file_type.is_file(),
        _ => file_type.is_block_device(),
    };
    assert!(is_as_asked, "{}", path.display());
}

fn tell(path: &Path, lv_name: &str) {
    let Some(report) = env::var_os(REPORT) else { return };
    let test = thread::current().name().unwrap_or("-").to_owned();
    let parent = fs::read_to_string(format!("/proc/{}/comm", parent_id())).unwrap_or_default();
    let (pid, device) = (std::process::id(), path.display());
    let line = format!("{test}\t{pid}\t{device}\t{lv_name}\t{}\n", parent.trim_end());
    let mut file = OpenOptions::new()
        .create(true)
        .append(true)
        .open(report)
        .expect("a report");
    file.write_all(line.as_bytes()).expect("a report");
}

/// Reads a variable as C code does.
pub fn getenv(name: &CStr) -> Option<Vec<u8>> {
    // SAFETY: the name ends with a zero. No thread of this process sets variables meanwhile: that this
    // holds is what is tested.
    let value = unsafe { nix::libc::getenv(name.as_ptr()) };
    // SAFETY: what is not null is a text that ends with a zero, and stays until the variable is set.
    (!value.is_null()).then(|| unsafe { CStr::from_ptr(value) }.to_bytes().to_owned())
}

/// Checks, again and again, that a variable names one device, as Rust sees it and as C does.
///
/// # Panics
///
/// If it ever names another one, with how often it did.
pub fn read_often(variable: &CStr, path: &Path) {
    let name = OsStr::from_bytes(variable.to_bytes());
    let foreign = (0..200).filter(|_| {
        thread::yield_now();
        env::var_os(name).as_deref() != Some(path.as_os_str())
            || getenv(variable).as_deref() != Some(path.as_os_str().as_bytes())
    });
    assert_eq!(foreign.count(), 0, "of 200 reads, so many saw another device");
}

/// A return type of a test's own.
#[derive(Debug)]
pub struct Grade(
    /// What the process ends with.
    pub u8,
);

impl Termination for Grade {
    fn report(self) -> ExitCode {
        ExitCode::from(self.0)
    }
}
