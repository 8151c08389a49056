//! The embedded default: loop devices over files without a name.

use std::fs;
use std::path::Path;
use std::process::Stdio;
use std::thread;

use crate::errors::a_volume_left_mounted_fails_the_test;
use crate::scene::{Say, Scene, wait_until};

/// Which loop devices are attached to volumes of that session's owner, by what the kernel says.
fn attached(scene: &Scene) -> Vec<String> {
    let paths = scene
        .records()
        .iter()
        .map(|record| record["lv_path"].as_str().unwrap().to_owned())
        .collect();
    let is_attached = |path: &String| {
        let name = Path::new(path).file_name().unwrap().to_str().unwrap();
        Path::new("/sys/block")
            .join(name)
            .join("loop/backing_file")
            .exists()
    };
    Vec::into_iter(paths).filter(is_attached).collect()
}

#[test]
fn a_test_gets_a_loop_device_and_gives_it_back() {
    let scene = Scene::embedded();
    let said = scene.child("passes").say();
    assert_eq!(said.code, Some(0), "{}", said.err);
    assert!(said.out.contains("DEVICE=/dev/loop"), "{}", said.out);
    assert!(
        said.err.contains("KERNELDEV_DEVICE_POOL is not set"),
        "{}",
        said.err
    );
    scene.assert_no_trace();
}

#[test]
fn the_kernel_takes_a_killed_tests_devices_back() {
    let scene = Scene::embedded();
    let child = scene.start("waits_after_unmounting");
    let devices = attached(&scene);
    assert_eq!(devices.len(), 2);
    child.kill();
    wait_until("the kernel has detached both", || attached(&scene).is_empty());
    assert_eq!(scene.records().len(), 2, "the records stay until somebody looks");
    scene.child("passes").good();
    scene.assert_no_trace();
}

#[test]
fn a_process_that_starts_finds_what_no_record_tells_of() {
    let scene = Scene::embedded();
    scene.start("waits").kill();
    fs::remove_file(scene.state_dir().join("lv-state.json")).unwrap();
    assert_eq!(scene.leases().len(), 1);
    scene.child("passes").good();
    scene.assert_no_trace();
}

#[test]
fn a_live_tests_devices_are_left_alone() {
    let scene = Scene::embedded();
    let child = scene.start("waits");
    scene.child("passes").good();
    assert_eq!(
        scene.kdev(&["pool", "cleanup", "--kept"]).good(),
        "nothing to clean up\n"
    );
    assert_eq!(attached(&scene).len(), 1);
    assert_eq!(scene.leases().len(), 1);
    let status = scene.kdev(&["pool", "status"]).good();
    assert!(
        status.contains("alive") && status.contains(&child.pid().to_string()),
        "{status}"
    );
    child.kill();
    scene.kdev(&["pool", "cleanup"]).good();
    scene.assert_no_trace();
}

#[test]
fn a_test_that_leaves_its_volume_mounted_fails_and_says_where() {
    a_volume_left_mounted_fails_the_test(&Scene::embedded(), "passes_while_mounted");
}

#[test]
fn a_test_that_should_panic_and_leaves_its_volume_mounted_fails_too() {
    a_volume_left_mounted_fails_the_test(&Scene::embedded(), "should_panic_and_does_while_mounted");
}

#[test]
fn the_lease_stays_while_a_volume_is_held_whatever_becomes_of_the_records() {
    let scene = Scene::embedded();
    let child = scene.start("waits_with_one_volume_and_no_records");
    let [lease] = scene.leases().try_into().unwrap();
    let locked = scene
        .program("flock")
        .arg("--nonblock")
        .arg(lease)
        .arg("true")
        .say();
    assert_eq!(locked.code, Some(1), "the owner holds it");
    child.kill();
    scene.kdev(&["pool", "cleanup"]).good();
    scene.assert_no_trace();
}

#[test]
fn a_kept_device_that_is_mounted_is_said_to_be_and_stays_on_record() {
    let scene = Scene::embedded();
    scene.child("passes").env("KDEV_KEEP", "1").good();
    let [record] = scene.records().try_into().unwrap();
    let [device] = attached(&scene).try_into().unwrap();
    scene.program("mkfs.ext4").args(["-q", "-F", &device]).good();
    let point = scene.mount_point().mount(Path::new(&device));
    let name = record["lv_name"].as_str().unwrap();
    let said = scene.kdev(&["pool", "cleanup", "--kept", name]).say();
    assert_eq!(said.code, Some(1));
    assert!(
        said.err.contains(&format!("could not remove `{name}`")),
        "{}",
        said.err
    );
    assert!(
        said.err.contains(&format!("mounted on {}", point.path.display())),
        "{}",
        said.err
    );
    assert!(!said.err.contains("no kept volume has that name"), "{}", said.err);
    assert_eq!(scene.records().len(), 1);
    drop(point);
    scene.kdev(&["pool", "cleanup", "--kept"]).good();
    scene.assert_no_trace();
}

#[test]
fn a_kept_device_outlives_its_process_and_goes_when_asked() {
    let scene = Scene::embedded();
    let said = scene.child("passes").env("KDEV_KEEP", "1").say();
    assert_eq!(said.code, Some(0), "{}", said.err);
    let [device] = attached(&scene).try_into().unwrap();
    assert!(said.err.contains(&format!("kept {device}")), "{}", said.err);

    scene.child("passes").good();
    assert_eq!(scene.kdev(&["pool", "cleanup"]).good(), "nothing to clean up\n");
    assert_eq!(
        attached(&scene),
        [device],
        "neither the reaper nor a cleanup takes what was kept"
    );

    let removed = scene.kdev(&["pool", "cleanup", "--kept"]).good();
    assert!(removed.starts_with("removed kdev-"), "{removed}");
    assert!(attached(&scene).is_empty());
    scene.assert_no_trace();
}

#[test]
fn only_what_failed_is_kept_under_failed() {
    for (child, code, is_kept) in [
        ("passes", 0, false),
        ("fails", 101, true),
        ("returns_an_error", 101, true),
        ("should_panic_and_does", 0, false),
        ("should_panic_and_does_not", 101, true),
    ] {
        let scene = Scene::embedded();
        let said = scene.child(child).env("KDEV_KEEP", "failed").say();
        assert_eq!(said.code, Some(code), "{child}: {}", said.err);
        assert_eq!(
            attached(&scene).len(),
            usize::from(is_kept),
            "{child}: {}",
            said.err
        );
        scene.kdev(&["pool", "cleanup", "--kept"]).good();
        scene.assert_no_trace();
    }
}

#[test]
fn a_test_may_keep_one_volume_of_its_own_accord() {
    let scene = Scene::embedded();
    scene.child("keeps_its_scratch").good();
    let [record] = scene.records().try_into().unwrap();
    let name = record["lv_name"].as_str().unwrap();
    assert!(
        name.ends_with("-scratch") && record["kept"] == "asked",
        "{record}"
    );
    scene.kdev(&["pool", "cleanup", "--kept", name]).good();
    scene.assert_no_trace();
}

#[test]
fn a_forked_child_gives_nothing_back() {
    let scene = Scene::embedded();
    scene.child("forks").good();
    scene.assert_no_trace();
}

#[test]
fn listing_tests_prints_only_tests_and_touches_nothing() {
    let scene = Scene::embedded();
    scene.start("waits").kill();
    let said = scene
        .program(std::env::current_exe().unwrap())
        .args(["--list", "--format", "terse"])
        .say();
    assert_eq!(said.err, "");
    assert!(
        said.out.lines().all(|line| line.ends_with(": test")),
        "{}",
        said.out
    );
    assert_eq!(scene.records().len(), 1, "the record of the dead is still there");
}

#[test]
fn the_reaper_can_be_switched_off() {
    let scene = Scene::embedded();
    scene.start("waits").kill();
    scene.child("passes").env("KDEV_REAPER", "off").good();
    assert_eq!(scene.records().len(), 1);
    scene.child("passes").good();
    scene.assert_no_trace();
}

#[test]
fn a_process_that_starts_does_not_wait_for_another_reaper() {
    let scene = Scene::embedded();
    scene.start("waits").kill();
    // Somebody else holds the reaper's lock, until its standard input ends.
    let lock = scene.state_dir().join("reaper.lock");
    let mut reaper = scene
        .program("flock")
        .arg(&lock)
        .arg("cat")
        .stdin(Stdio::piped())
        .spawn()
        .unwrap();
    wait_until("the lock is held", || {
        assert_eq!(reaper.try_wait().unwrap(), None);
        scene
            .program("flock")
            .arg("--nonblock")
            .arg(&lock)
            .arg("true")
            .say()
            .code
            == Some(1)
    });
    scene.child("passes").good();
    let left = scene.records().len();
    drop(reaper.stdin.take());
    reaper.wait().unwrap();
    assert_eq!(left, 1, "what the dead left is that reaper's business");
    scene.child("passes").good();
    scene.assert_no_trace();
}

#[test]
fn eight_processes_at_once_lose_nothing() {
    let scene = Scene::embedded();
    thread::scope(|scope| {
        for _ in 0..8 {
            scope.spawn(|| {
                for _ in 0..10 {
                    scene.child("passes").good();
                }
            });
        }
    });
    scene.assert_no_trace();
}

#[test]
fn an_unreadable_state_file_is_set_aside_and_said() {
    let scene = Scene::embedded();
    fs::create_dir_all(scene.state_dir()).unwrap();
    fs::write(scene.state_dir().join("lv-state.json"), "{\"allocations\": [").unwrap();
    let said = scene.child("passes").say();
    assert_eq!(said.code, Some(0), "{}", said.err);
    assert!(said.err.contains("lv-state.json.unreadable-"), "{}", said.err);
    scene.assert_no_trace();
    let names = fs::read_dir(scene.state_dir())
        .unwrap()
        .map(|entry| entry.unwrap().file_name());
    assert_eq!(
        names
            .filter(|name| name.to_string_lossy().contains("unreadable"))
            .count(),
        1
    );
}
