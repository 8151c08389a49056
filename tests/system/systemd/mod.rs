//! With systemd as the first process, and over a reboot, in the test bed: `tests/bed/phases` runs what is in `before`,
//! reboots, and runs what is in `after`.

mod after;
mod before;

use std::env;
use std::fs;
use std::path::{Path, PathBuf};

use crate::disk::run;
use crate::scene::{Say, Scene};

/// What a test has written to a volume before the reboot.
const CONTENT: &str = "written before the reboot";

/// A thick pool on the bed's disk.
const DISK_POOL: &str = "disk";

/// A thin pool on a file.
const FILE_POOL: &str = "file";

/// Where the mount unit of these tests mounts a volume.
const MOUNT_POINT: &str = "/srv/kdev-kept";

const MOUNT_UNIT: &str = "srv-kdev\\x2dkept.mount";

fn vg(pool: &str) -> String {
    format!("kerneldev-{pool}-vg")
}

/// The LVs of a pool's VG that are volumes.
fn volumes(pool: &str) -> Vec<String> {
    let lvs = run("lvs", &["--noheadings", "-o", "lv_name", &vg(pool)]);
    let names = lvs.lines().map(|line| line.trim().to_owned());
    names.filter(|name| name.starts_with("kdev-2")).collect()
}

/// The path of a volume, as the command reports it.
fn path(pool: &str, lv: &str) -> PathBuf {
    let mapped = |name: &str| name.replace('-', "--");
    PathBuf::from(format!("/dev/mapper/{}-{}", mapped(&vg(pool)), mapped(lv)))
}

/// The devices that device-mapper has of a pool.
fn active(pool: &str) -> Vec<String> {
    let prefix = format!("{}-", vg(pool).replace('-', "--"));
    let names = run("dmsetup", &["info", "--columns", "--noheadings", "-o", "name"]);
    let names = names.lines().map(str::to_owned);
    names.filter(|name| name.starts_with(&prefix)).collect()
}

fn systemctl(args: &[&str]) -> String {
    run("systemctl", args)
}

fn property(unit: &str, name: &str) -> String {
    let value = systemctl(&["show", &format!("--property={name}"), "--value", unit]);
    value.trim().to_owned()
}

/// Tells whether systemd has a volume's device unit as one that is there.
fn device_is_active(device: &Path) -> bool {
    let unit = run(
        "systemd-escape",
        &["--path", "--suffix=device", device.to_str().unwrap()],
    );
    property(unit.trim(), "ActiveState") == "active"
}

/// Keeps one volume of a pool with a filesystem on it, which holds `CONTENT`.
fn keep_one(scene: &Scene, pool: &str) -> String {
    scene.child("passes").env("KDEV_KEEP", "1").good();
    let [kept] = volumes(pool).try_into().unwrap();
    let device = path(pool, &kept);
    run("mkfs.ext4", &["-q", "-F", device.to_str().unwrap()]);
    let point = scene.mount_point().mount(&device);
    fs::write(point.path.join("file"), CONTENT).unwrap();
    kept
}

fn assert_content(directory: &Path) {
    assert_eq!(fs::read_to_string(directory.join("file")).unwrap(), CONTENT);
}

/// No unit has failed, and what systemd, udev and LVM have reported of us since the boot is no trouble.
fn assert_no_trouble() {
    let failed = systemctl(&["list-units", "--failed", "--plain", "--no-legend"]);
    assert_eq!(failed, "");
    assert_eq!(trouble(&["--boot"]), Vec::<String>::new());
}

/// What the journal has of us that is a warning or worse. The bed's own service is the test's.
fn trouble(of: &[&str]) -> Vec<String> {
    let journal = journal(&[of, &["--priority=warning"]].concat());
    let of_ours = |line: &&str| line.contains("kdev") && !line.contains("kdev-bed");
    journal.lines().filter(of_ours).map(str::to_owned).collect()
}

fn journal(args: &[&str]) -> String {
    run(
        "journalctl",
        &[&["--no-pager", "--output=cat", "--quiet"], args].concat(),
    )
}

fn disk() -> String {
    env::var("KDEV_BED_DISK").expect("the test bed has a disk")
}

fn unit_file(name: &str) -> PathBuf {
    Path::new("/etc/systemd/system").join(name)
}
