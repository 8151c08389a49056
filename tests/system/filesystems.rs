//! Volumes that carry filesystems, and guards that mount them: on loop devices here, and in `lvm` on LVs.

use std::path::Path;

use crate::busy::is_mounted;
use crate::matrix::{Matrix, assert_passed, attached, comes_to_nothing, is_kept_or_gone};
use crate::scene::{Say, Scene, wait_until};

fn embedded() -> Scene {
    let scene = Scene::embedded();
    scene.make_tmp();
    scene
}

fn assert_no_mount_points(scene: &Scene) {
    assert_eq!(scene.mount_points(), Vec::<&Path>::new());
}

/// A child that passes and leaves nothing, neither volume nor directory.
pub(crate) fn passes_without_trace(scene: &Scene, child: &str) {
    let said = scene.child(child).say();
    assert_eq!(said.code, Some(0), "{}{}", said.out, said.err);
    assert_no_mount_points(scene);
    scene.assert_no_trace();
}

#[test]
fn volumes_come_with_their_filesystems_and_are_mounted() {
    passes_without_trace(&embedded(), "writes_to_its_filesystems");
}

#[test]
fn what_is_in_use_for_a_moment_is_waited_for() {
    passes_without_trace(&embedded(), "is_in_use_for_a_moment");
}

#[test]
fn a_copy_in_another_namespace_is_unmounted_too() {
    passes_without_trace(&embedded(), "is_mounted_elsewhere_too");
}

#[test]
fn a_forked_child_unmounts_nothing() {
    passes_without_trace(&embedded(), "forks_while_mounted");
}

#[test]
fn what_is_in_use_for_ever_stays_and_its_user_is_named() {
    stays_while_in_use(&embedded());
}

/// Nothing is lost, and all of it goes when nobody uses it any more.
pub(crate) fn stays_while_in_use(scene: &Scene) {
    let said = scene.child("is_in_use_for_ever").say();
    assert_eq!(said.code, Some(0), "{}{}", said.out, said.err);
    let second = said
        .out
        .lines()
        .find_map(|line| line.split_once("SECOND="))
        .unwrap()
        .1;
    for text in [
        "kdev: could not unmount",
        ".2`: ",
        &format!("in use by sleep (pid {second})"),
    ] {
        assert!(said.err.contains(text), "no `{text}` in: {}", said.err);
    }
    assert_eq!(scene.records().len(), 1);
    assert_eq!(scene.mount_points().len(), 2);
    assert!(scene.mount_points().iter().all(|point| is_mounted(point)));
    scene.kdev(&["pool", "cleanup"]).good();
    assert_no_mount_points(scene);
    scene.assert_no_trace();
}

#[test]
fn a_volume_that_is_closed_while_mounted_is_busy() {
    let scene = embedded();
    scene.child("closes_while_mounted").good();
    assert_no_mount_points(&scene);
    scene.kdev(&["pool", "cleanup"]).good();
    scene.assert_no_trace();
}

#[test]
fn a_kept_volume_is_not_kept_mounted() {
    let scene = embedded();
    scene
        .child("mounts_and_unmounts")
        .env("KDEV_KEEP", "always")
        .good();
    assert_no_mount_points(&scene);
    let [record] = scene.records().try_into().unwrap();
    let point = scene
        .mount_point()
        .mount(Path::new(record["lv_path"].as_str().unwrap()));
    assert_eq!(
        std::fs::read_to_string(point.path.join("file")).unwrap(),
        "content"
    );
    drop(point);
    scene.kdev(&["pool", "cleanup", "--kept"]).good();
    scene.assert_no_trace();
}

#[test]
fn a_watchdog_unmounts_and_removes_the_directory() {
    let scene = Scene::embedded().with_watchdogs();
    scene.make_tmp();
    watchdog_unmounts(&scene);
}

pub(crate) fn watchdog_unmounts(scene: &Scene) {
    let child = scene.start("waits_in_its_mount");
    assert!(is_mounted(&scene.mount_points()[0]));
    child.kill();
    scene.wait_for_watchdogs();
    assert_no_mount_points(scene);
}

#[test]
fn a_cleanup_unmounts_and_removes_the_directory_wherever_it_is() {
    cleanup_unmounts(&embedded());
}

pub(crate) fn cleanup_unmounts(scene: &Scene) {
    scene.start("waits_in_its_mount").kill();
    assert!(is_mounted(&scene.mount_points()[0]));
    scene
        .kdev(&["pool", "cleanup"])
        .env("TMPDIR", "/nonexistent")
        .good();
    assert_no_mount_points(scene);
    scene.assert_no_trace();
}

#[test]
fn a_directory_with_somebodys_data_is_left() {
    let scene = embedded();
    let child = scene.start("waits_in_its_mount");
    let [point] = scene.mount_points().try_into().unwrap();
    child.kill();
    scene.program("umount").arg(&point).good();
    std::fs::write(point.join("mine"), "").unwrap();
    scene.kdev(&["pool", "cleanup"]).good();
    assert!(point.join("mine").exists());
    scene.assert_no_trace();
}

#[test]
fn a_filesystem_that_does_not_fit_is_said_in_mkfs_own_words() {
    no_filesystem_no_volumes(&embedded());
}

pub(crate) fn no_filesystem_no_volumes(scene: &Scene) {
    let said = scene.child("wants_a_filesystem_that_does_not_fit").say();
    assert_eq!(said.code, Some(101), "{}", said.out);
    for text in [
        "could not make xfs on volume `scratch` of 16M: `mkfs.xfs -f -q /dev/",
        "300MB",
    ] {
        assert!(said.err.contains(text), "no `{text}` in: {}", said.err);
    }
    assert_no_mount_points(scene);
    scene.assert_no_trace();
}

#[test]
fn a_filesystem_that_nobody_makes_is_missed_before_anything_is_made() {
    let scene = embedded();
    let mut child = scene.child("wants_a_filesystem_that_nobody_makes");
    let said = child.env("KDEV_FAULT_LOG", scene.path("places")).say();
    assert_eq!(said.code, Some(101), "{}", said.out);
    assert!(said.err.contains("cannot run `mkfs.kdev-none`"), "{}", said.err);
    assert!(!scene.path("places").exists(), "nothing was begun");
    scene.assert_no_trace();
}

#[test]
fn a_session_with_a_filesystem_that_dies_anywhere_comes_to_nothing() {
    let scene = embedded();
    let places = dies_anywhere(&scene, 0, &|place| comes_to_nothing(&scene, place, &Vec::new));
    assert_passed(&places, &["lease made", "loop device attached"]);
    assert_passed(&places, &PLACES);
}

#[test]
fn a_volume_whose_filesystem_was_not_made_is_not_kept() {
    let scene = embedded();
    let places = Matrix {
        scene: &scene,
        prepare: &|| {},
        command: &|| {
            let mut child = scene.child("passes_with_a_filesystem");
            child.env("KDEV_KEEP", "always");
            child
        },
        known: 0,
        check: &|place| {
            if place.contains("mkfs") {
                wait_until("nothing is kept", || {
                    scene.kdev(&["pool", "cleanup"]).good();
                    scene.is_without_trace()
                });
            }
            is_kept_or_gone(&scene, place, &|| attached(&scene));
        },
    }
    .run();
    assert_passed(&places, &PLACES[..4]);
    assert_passed(&places, &["done: mkfs.ext4", "file replaced", "loop device kept"]);
}

/// Where a process can die over a filesystem.
pub(crate) const PLACES: [&str; 11] = [
    "about to run: mkfs.ext4",
    "begun: mkfs.ext4",
    "done: mkfs.ext4",
    "file replaced",
    "mount point made",
    "about to run: mount",
    "begun: mount",
    "done: mount",
    "unmounted",
    "mount point removed",
    "volumes removed",
];

/// Has a child die at each place that it passes, from a first one on and until nothing is mounted any more.
pub(crate) fn dies_anywhere(scene: &Scene, known: usize, comes_to_nothing: &dyn Fn(&str)) -> Vec<String> {
    Matrix {
        scene,
        prepare: &|| {},
        command: &|| scene.child("mounts_and_unmounts"),
        known,
        check: &|place| {
            comes_to_nothing(place);
            assert!(scene.mount_points().is_empty(), "after dying at `{place}`");
        },
    }
    .run_until("mount point removed")
}
