//! udev on a loaded machine: its worker has a loop device open for longer than any fixed pause.

use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::lvm::disk::{Disk, Pool, run};
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

    fn is_waited_for_by(&self, command: Command, scene: &Scene) {
        let release = || fs::remove_file(&self.held).unwrap();
        waits_for_udev(command, scene, "waiting up to 30 s to lock /dev/loop", release);
    }
}

/// The command must wait for udev and report that, and succeed when udev is released.
fn waits_for_udev(mut command: Command, scene: &Scene, report: &str, release: impl FnOnce()) {
    let said = scene.path("said");
    command.stderr(File::create(&said).unwrap());
    let mut running = Running::of(command);
    let text = || fs::read_to_string(&said).unwrap();
    wait_until("the wait for udev is reported", || {
        let is_reported = text().contains(report);
        assert!(!running.has_ended() || is_reported, "it did not wait: {}", text());
        is_reported
    });
    assert!(text().contains("udev"), "the holder is named: {}", text());
    release();
    assert!(running.succeeds(), "{}", text());
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

/// udev locks no devices of device-mapper. The one that has it open here is no worker, but a program of such a name.
#[test]
fn a_mapped_device_that_udev_has_open_is_taken_down() {
    let pool = Pool::new(256);
    let foreign = Disk::new(16);
    let mapped = |name: &str| format!("{}-{name}", pool.name);
    let mut child = pool.child("waits_under_mapped_devices");
    child
        .env("CHILD_MAPPED", &pool.name)
        .env("CHILD_FOREIGN_DEVICE", foreign.name());
    pool.start_command(&mut child).kill();
    run("dmsetup", &["remove", "--retry", &mapped("shared")]);
    let (program, device) = (pool.path("udevd"), format!("/dev/mapper/{}", mapped("own")));
    fs::copy("/bin/sleep", &program).unwrap();
    let mut worker = Command::new(program);
    worker.arg("infinity").stdin(File::open(&device).unwrap());
    let worker = Running::of(worker);
    let cleanup = pool.kdev(&["pool", "cleanup"]);
    waits_for_udev(
        cleanup,
        &pool,
        "waiting up to 30 s for udev to close /dev/dm-",
        || worker.kill(),
    );
    assert!(!Path::new(&device).exists());
    pool.assert_no_trace();
}
