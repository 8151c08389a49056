//! udev on a loaded machine: its worker has a loop device open for longer than any fixed pause.

use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::disk::{Disk, run};
use crate::scene::{Running, Say, Scene, wait_until};

/// A rule by which a udev worker has the loop devices over certain files open until it is released.
struct SlowUdev {
    rule: PathBuf,
    held: PathBuf,
    begun: PathBuf,
}

impl SlowUdev {
    /// `files` is a pattern as fnmatch(3) takes it, `scene` has a directory that is not matched.
    fn new(scene: &Scene, files: &str) -> Self {
        let number = files.bytes().fold(std::process::id(), |sum, byte| {
            sum.wrapping_mul(31).wrapping_add(byte.into())
        });
        let slow = Self {
            rule: format!("/run/udev/rules.d/99-kdev-test-slow-{number:08x}.rules").into(),
            held: scene.path("udev-is-held"),
            begun: scene.path("udev-has-begun"),
        };
        fs::write(&slow.held, "").unwrap();
        fs::create_dir_all("/run/udev/rules.d").unwrap();
        let (begun, held) = (slow.begun.display(), slow.held.display());
        // The worker has the disk open and locked while it waits for a PROGRAM, as for the builtin blkid.
        let rule = format!(
            "ACTION!=\"remove\", SUBSYSTEM==\"block\", KERNEL==\"loop*\", ATTR{{loop/backing_file}}==\"{files}\", \
             PROGRAM=\"/bin/sh -c 'touch {begun}; while [ -e {held} ]; do sleep 0.1; done'\"\n"
        );
        fs::write(&slow.rule, rule).unwrap();
        run("udevadm", &["control", "--reload"]);
        slow
    }

    /// Waits until a worker has a device open.
    fn wait_until_it_has_begun(&self) {
        wait_until("udev has begun", || self.begun.exists());
    }

    /// The command must wait for udev and say so, and succeed when udev is released.
    fn is_waited_for_by(&self, mut command: Command, scene: &Scene) {
        let said = scene.path("said");
        command.stderr(File::create(&said).unwrap());
        let mut running = Running::of(command);
        let text = || fs::read_to_string(&said).unwrap();
        let is_said = || text().contains("waiting up to 30 s for the lock on /dev/loop");
        wait_until("the wait for udev is reported", || {
            assert!(!running.has_ended() || is_said(), "it did not wait: {}", text());
            is_said()
        });
        assert!(text().contains("udev"), "the holder is named: {}", text());
        fs::remove_file(&self.held).unwrap();
        assert!(running.succeeds(), "{}", text());
    }
}

impl Drop for SlowUdev {
    fn drop(&mut self) {
        // The test has released it already, unless it failed.
        let _ = fs::remove_file(&self.held);
        let _ = fs::remove_file(&self.rule);
        let _ = Command::new("udevadm").args(["control", "--reload"]).status();
    }
}

/// A scene whose loop devices are over files in a directory of its own, and the pattern of these.
fn embedded() -> (Scene, String) {
    let scene = Scene::embedded();
    scene.make_tmp();
    let files = format!("{}/*", fs::canonicalize(scene.tmp()).unwrap().display());
    (scene, files)
}

#[test]
fn a_test_whose_loop_device_udev_has_open_passes() {
    let (scene, files) = embedded();
    let udev = SlowUdev::new(&scene, &files);
    let mut child = scene.child("passes_when_a_file_is_there");
    child.env("CHILD_FILE", &udev.begun);
    udev.is_waited_for_by(child, &scene);
    scene.assert_no_trace();
}

#[test]
fn a_kept_loop_device_that_udev_has_open_is_removed() {
    let (scene, files) = embedded();
    let udev = SlowUdev::new(&scene, &files);
    scene.child("passes").env("KDEV_KEEP", "1").good();
    udev.wait_until_it_has_begun();
    udev.is_waited_for_by(scene.kdev(&["pool", "cleanup", "--kept"]), &scene);
    scene.assert_no_trace();
}

#[test]
fn a_disk_that_udev_has_open_becomes_a_pool() {
    let (scene, disk) = (Scene::embedded(), Disk::new(64));
    let sysfs = |name: &str| {
        let device = disk.name().trim_start_matches("/dev/");
        let text = fs::read_to_string(format!("/sys/block/{device}/{name}")).unwrap();
        text.trim().to_owned()
    };
    let udev = SlowUdev::new(&scene, &sysfs("loop/backing_file"));
    run("udevadm", &["trigger", "--action=change", disk.name()]);
    udev.wait_until_it_has_begun();
    let pool = format!("--pool=u{}", std::process::id());
    let device = format!("--device={}", disk.name());
    udev.is_waited_for_by(scene.kdev(&["pool", "setup", &pool, &device]), &scene);
    scene.kdev(&["pool", "teardown", &pool]).good();
    assert!(disk.is_blank_at_both_ends());
}

#[test]
fn a_pools_file_that_udev_has_open_is_detached_and_removed() {
    let scene = Scene::embedded();
    let file = fs::canonicalize(scene.path("")).unwrap().join("pool.img");
    let pool = format!("--pool=v{}", std::process::id());
    let option = format!("--file={}", file.display());
    scene
        .kdev(&["pool", "setup", &pool, &option, "--size=64M"])
        .good();
    let udev = SlowUdev::new(&scene, file.to_str().unwrap());
    let device = run(
        "losetup",
        &[
            "--noheadings",
            "--output=NAME",
            "--associated",
            file.to_str().unwrap(),
        ],
    );
    run("udevadm", &["trigger", "--action=change", device.trim()]);
    udev.wait_until_it_has_begun();
    udev.is_waited_for_by(scene.kdev(&["pool", "teardown", &pool]), &scene);
    assert!(!file.exists());
    let is_attached = Path::new("/sys/block")
        .join(device.trim().trim_start_matches("/dev/"))
        .join("loop/backing_file")
        .exists();
    assert!(!is_attached, "{device}");
}

/// Only udev is waited for: any other process that has the device open is reported as soon as ever.
#[test]
fn a_process_that_is_not_udev_is_not_waited_for() {
    let (scene, _) = embedded();
    scene.child("passes").env("KDEV_KEEP", "1").good();
    let [record] = scene.records().try_into().unwrap();
    let device = File::open(record["lv_path"].as_str().unwrap()).unwrap();
    let said = scene.kdev(&["pool", "cleanup", "--kept"]).say();
    assert_eq!(said.code, Some(1), "{}", said.err);
    assert!(!said.err.contains("waiting"), "{}", said.err);
    assert!(said.err.contains("open in"), "{}", said.err);
    drop(device);
    scene.kdev(&["pool", "cleanup", "--kept"]).good();
    scene.assert_no_trace();
}
