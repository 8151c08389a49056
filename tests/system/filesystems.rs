//! Volumes that carry filesystems.

use crate::scene::{Say, Scene};

#[test]
fn volumes_come_with_their_filesystems() {
    let scene = Scene::embedded();
    scene.child("has_filesystems").good();
    scene.assert_no_trace();
}

#[test]
fn a_filesystem_that_does_not_fit_is_said_in_mkfs_own_words() {
    no_filesystem_no_volumes(&Scene::embedded());
}

fn no_filesystem_no_volumes(scene: &Scene) {
    let said = scene.child("wants_a_filesystem_that_does_not_fit").say();
    assert_eq!(said.code, Some(101), "{}", said.out);
    for text in [
        "could not make xfs on volume `scratch` of 16M: `mkfs.xfs -f -q /dev/",
        "300MB",
    ] {
        assert!(said.err.contains(text), "no `{text}` in: {}", said.err);
    }
    scene.assert_no_trace();
}

#[test]
fn a_filesystem_that_nobody_makes_is_missed_before_anything_is_made() {
    let scene = Scene::embedded();
    let mut child = scene.child("wants_a_filesystem_that_nobody_makes");
    let said = child.env("KDEV_FAULT_LOG", scene.path("places")).say();
    assert_eq!(said.code, Some(101), "{}", said.out);
    assert!(
        said.err.contains("`mkfs.kdev-none` is not installed"),
        "{}",
        said.err
    );
    assert!(!scene.path("places").exists(), "nothing was begun");
    scene.assert_no_trace();
}
