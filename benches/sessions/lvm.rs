//! LVM's own commands, on the pool's VG.

use std::env;
use std::fs;
use std::path::PathBuf;
use std::process::{Command, Stdio};

use kdev_volumes::Bytes;

use crate::children::run;

pub(crate) fn pool() -> String {
    env::var("KERNELDEV_DEVICE_POOL").expect("a pool's name")
}

pub(crate) fn vg() -> String {
    format!("kerneldev-{}-vg", pool())
}

/// Has one process of LVM's run these commands.
pub(crate) fn script(commands: &[String]) {
    let mut file = tempfile::NamedTempFile::new().expect("a file");
    let text = format!("#!/sbin/lvm\n{}\n", commands.join("\n"));
    std::io::Write::write_all(&mut file, text.as_bytes()).expect("a script");
    run(Command::new("lvm").arg(file.path()));
}

/// A name of our form, so that udev leaves the LV alone as it does ours.
pub(crate) fn name_like_ours(number: usize) -> String {
    format!("kdev-20261124120000-{number:06x}-volume0")
}

/// The least that LVM itself takes for so many volumes: none of ours is written down, and none has an owner.
pub(crate) fn bare(count: usize, size: Bytes) {
    let vg = vg();
    let create = |number| {
        format!(
            "lvcreate --yes --wipesignatures y --zero y --autobackup n --size {}b --name {} {vg}",
            size.get(),
            name_like_ours(number)
        )
    };
    script(&(0..count).map(create).collect::<Vec<_>>());
    let names = (0..count).map(|number| format!("{vg}/{}", name_like_ours(number)));
    run(Command::new("lvremove")
        .args(["--force", "--autobackup", "n"])
        .args(names));
}

pub(crate) fn lvs() -> Command {
    let mut command = Command::new("lvs");
    command.arg(vg()).stdout(Stdio::null());
    command
}

/// The names of the LVs that there are.
pub(crate) fn names() -> Vec<String> {
    let output = Command::new("lvs")
        .args(["--noheadings", "--options", "lv_name", &vg()])
        .output()
        .expect("lvs");
    assert!(output.status.success(), "{output:?}");
    let names = String::from_utf8(output.stdout).expect("names");
    names.split_whitespace().map(str::to_owned).collect()
}

/// That nothing has been left by what was measured, in the VG, the books, or the leases.
pub(crate) fn expect_empty() {
    assert_eq!(names(), [""; 0], "LVs that have been left");
    expect_no_records();
}

pub(crate) fn expect_no_records() {
    assert!(are_no_leases(), "all sessions are given back");
    let records = fs::read_to_string(state().join("lv-state.json")).expect("the records");
    let records: serde_json::Value = serde_json::from_str(&records).expect("JSON");
    assert_eq!(records["allocations"], serde_json::json!([]));
}

pub(crate) fn are_no_leases() -> bool {
    let mut leases = fs::read_dir(state().join("leases")).expect("the leases");
    leases.next().is_none()
}

fn state() -> PathBuf {
    PathBuf::from(env::var_os("KDEV_STATE_DIR").expect("a state directory"))
}
