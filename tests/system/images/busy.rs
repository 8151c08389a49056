//! What stands on images: loop devices, and what is mounted through them.

use std::fs::{self, File};
use std::io::Read;
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::busy::{is_mounted, mount_elsewhere_is_undone, mount_in_use_is_stuck, mount_is_undone};
use crate::disk::detach;
use crate::errors::a_volume_left_mounted_fails_the_test;
use crate::filesystems::{cleanup_unmounts, passes_without_trace, stays_while_in_use, watchdog_unmounts};
use crate::scene::{Say, Scene, wait_until};

/// The loop devices over an image.
fn over(image: &Path) -> Vec<String> {
    let mut losetup = Command::new("losetup");
    losetup.args(["--noheadings", "--output", "NAME", "--associated"]);
    let said = losetup.arg(image).good();
    said.lines().map(|line| line.trim().to_owned()).collect()
}

/// A loop device that somebody made over an image, and that stays until somebody detaches it.
struct Attached {
    device: PathBuf,
    image: PathBuf,
}

impl Attached {
    fn new(image: &Path) -> Self {
        let mut losetup = Command::new("losetup");
        Self {
            device: losetup.args(["--find", "--show"]).arg(image).good().trim().into(),
            image: image.to_owned(),
        }
    }
}

impl Drop for Attached {
    fn drop(&mut self) {
        detach(&self.device, &self.image);
    }
}

#[test]
fn what_a_dead_test_left_mounted_of_an_image_is_unmounted() {
    mount_is_undone(&Scene::images());
}

#[test]
fn an_image_is_unmounted_in_other_namespaces_too() {
    mount_elsewhere_is_undone(&Scene::images());
}

#[test]
fn an_image_that_somebody_uses_is_left_and_said() {
    mount_in_use_is_stuck(&Scene::images());
}

#[test]
fn a_tower_on_an_image_is_taken_down_from_the_top() {
    let scene = Scene::images();
    let [point, upper] = [scene.mount_point(), scene.mount_point()];
    let mut child = scene.child("waits_under_an_inner_image");
    child
        .env("CHILD_MOUNT_POINT", &point.path)
        .env("CHILD_UPPER_MOUNT_POINT", &upper.path);
    scene.start_command(&mut child).kill();
    assert!(is_mounted(&point.path) && is_mounted(&upper.path));
    scene.kdev(&["pool", "cleanup"]).good();
    assert!(!is_mounted(&point.path) && !is_mounted(&upper.path));
    scene.assert_no_trace();
}

#[test]
fn a_test_that_leaves_its_image_mounted_fails_and_says_where() {
    a_volume_left_mounted_fails_the_test(&Scene::images(), "passes_while_mounted");
}

#[test]
fn a_loop_device_that_nobody_uses_is_taken_from_a_dead_tests_image() {
    let scene = Scene::images();
    let child = scene.start("waits");
    let [image] = scene.image_files().try_into().unwrap();
    let attached = Attached::new(&image);
    child.kill();
    scene.kdev(&["pool", "cleanup"]).good();
    wait_until("it is detached", || over(&image).is_empty());
    drop(attached);
    scene.assert_no_trace();
}

#[test]
fn a_kept_image_over_which_somebody_has_a_loop_device_stays_and_that_is_said() {
    let scene = Scene::images();
    scene.child("passes").env("KDEV_KEEP", "1").good();
    let [image, _mark] = scene.image_files().try_into().unwrap();
    let attached = Attached::new(&image);
    let said = scene.kdev(&["pool", "cleanup", "--kept"]).say();
    assert_eq!(said.code, Some(1));
    let used = format!("used by {}", attached.device.display());
    assert!(said.err.contains(&used), "{}", said.err);
    assert_eq!(scene.image_files().len(), 2, "with its mark");
    drop(attached);
    scene.kdev(&["pool", "cleanup", "--kept"]).good();
    scene.assert_no_trace();
}

#[test]
fn who_merely_has_an_image_open_keeps_its_content_and_hinders_nobody() {
    let scene = Scene::images();
    let child = scene.start("waits");
    let [image] = scene.image_files().try_into().unwrap();
    fs::write(&image, "content").unwrap();
    let mut open = File::open(&image).unwrap();
    child.kill();
    scene.kdev(&["pool", "cleanup"]).good();
    scene.assert_no_trace();
    let mut content = String::new();
    open.read_to_string(&mut content).unwrap();
    assert_eq!(content, "content");
}

#[test]
fn images_come_with_their_filesystems_and_are_mounted() {
    passes_without_trace(&Scene::images(), "writes_to_its_filesystems");
}

#[test]
fn the_loop_device_goes_when_an_image_is_unmounted() {
    let scene = Scene::images();
    scene
        .child("mounts_and_unmounts")
        .env("KDEV_KEEP", "always")
        .good();
    let [image, _mark] = scene.image_files().try_into().unwrap();
    wait_until("it is detached", || over(&image).is_empty());
    let point = scene.mount_point().mount(&image);
    assert_eq!(fs::read_to_string(point.path.join("file")).unwrap(), "content");
    drop(point);
    scene.kdev(&["pool", "cleanup", "--kept"]).good();
    scene.assert_no_trace();
}

#[test]
fn an_image_that_is_closed_while_mounted_is_busy() {
    let scene = Scene::images();
    scene.child("closes_while_mounted").good();
    scene.kdev(&["pool", "cleanup"]).good();
    scene.assert_no_trace();
}

#[test]
fn an_image_in_use_for_ever_stays_and_its_user_is_named() {
    stays_while_in_use(&Scene::images());
}

#[test]
fn a_watchdog_unmounts_images() {
    watchdog_unmounts(&Scene::images().with_watchdogs());
}

#[test]
fn a_cleanup_unmounts_images_wherever_it_looks() {
    cleanup_unmounts(&Scene::images());
}
