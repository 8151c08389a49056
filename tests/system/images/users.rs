//! Users without any rights.

use std::fs::{self, Permissions};
use std::os::unix::fs::{MetadataExt, PermissionsExt};

use crate::errors::passes_as_nobody;
use crate::scene::{NOBODY, Say, Scene, wait_until};

/// A scene that is all an ordinary user's.
fn nobodys() -> Scene {
    let scene = Scene::images();
    scene.give_all_to(NOBODY);
    scene
}

#[test]
fn a_user_without_rights_makes_a_filesystem_and_checks_it() {
    let scene = nobodys();
    let said = scene
        .child_as_nobody("checks_its_image_and_cannot_mount_it")
        .say();
    assert_eq!(said.code, Some(0), "{}{}", said.out, said.err);
    scene.assert_no_trace();
}

#[test]
fn a_user_without_rights_has_a_watchdog() {
    let scene = nobodys().with_watchdogs();
    let child = scene.start_command(&mut scene.child_as_nobody("waits"));
    let [image] = scene.image_files().try_into().unwrap();
    assert_eq!(fs::metadata(&image).unwrap().uid(), NOBODY);
    assert!(image.parent().unwrap().ends_with("kdev-images-65534"));
    child.kill();
    scene.wait_for_watchdogs();
}

#[test]
fn a_user_without_rights_has_a_reaper_with_and_without_records() {
    for are_lost in [false, true] {
        let scene = nobodys();
        scene.start_command(&mut scene.child_as_nobody("waits")).kill();
        if are_lost {
            fs::remove_file(scene.state_dir().join("lv-state.json")).unwrap();
        }
        let said = scene.child_as_nobody("passes").say();
        assert_eq!(said.code, Some(0), "{}", said.err);
        let told: Vec<&str> = said.err.lines().collect();
        assert_eq!(told.len(), 1, "{told:?}");
        let removed = "kdev: removed 1 volume that dead processes left: kdev-";
        assert!(told[0].starts_with(removed), "{told:?}");
        scene.assert_no_trace();
    }
}

#[test]
fn a_user_without_rights_keeps_images_and_cleans_up() {
    let scene = nobodys();
    for _ in 0..3 {
        let mut child = scene.child_as_nobody("passes");
        child.env("KDEV_KEEP", "1").env("KDEV_KEEP_MAX", "2").good();
    }
    assert_eq!((scene.image_names().len(), scene.image_files().len()), (2, 4));
    let status = scene.kdev_as_nobody(&["pool", "status"]).good();
    assert_eq!(status.matches(" kept ").count(), 2, "{status}");
    scene.kdev_as_nobody(&["pool", "cleanup"]).good();
    assert_eq!(scene.image_names().len(), 2);
    scene.kdev_as_nobody(&["pool", "cleanup", "--kept"]).good();
    scene.assert_no_trace();
}

/// Somebody has the disk of a virtual machine attached; only root can see by which number.
#[test]
fn a_user_without_rights_removes_no_image_over_which_root_has_a_loop_device() {
    let scene = nobodys();
    scene.child_as_nobody("passes").env("KDEV_KEEP", "1").good();
    let [image, _mark] = scene.image_files().try_into().unwrap();
    let device = scene
        .program("losetup")
        .args(["--find", "--show"])
        .arg(&image)
        .good();
    let said = scene.kdev_as_nobody(&["pool", "cleanup", "--kept"]).say();
    scene.program("losetup").args(["--detach", device.trim()]).good();
    assert_eq!(said.code, Some(1));
    assert!(
        said.err.contains(&format!("used by {}", device.trim())),
        "{}",
        said.err
    );
    wait_until("it is detached", || {
        scene.kdev_as_nobody(&["pool", "cleanup", "--kept"]).say().code == Some(0)
    });
    scene.assert_no_trace();
}

#[test]
fn two_users_with_one_directory_for_temporary_files_do_not_meet() {
    let (roots, theirs) = (Scene::images(), nobodys());
    let tmp = roots.tmp();
    fs::set_permissions(roots.path(""), Permissions::from_mode(0o755)).unwrap();
    fs::set_permissions(&tmp, Permissions::from_mode(0o1777)).unwrap();
    let mine = roots.start("waits");
    let mut child = theirs.child_as_nobody("waits");
    let other = theirs.start_command(child.env("TMPDIR", &tmp));
    assert_eq!(roots.image_names().len(), 2);
    other.kill();
    roots.kdev(&["pool", "cleanup", "--kept"]).good();
    assert_eq!(roots.image_names().len(), 2);
    let mut cleanup = theirs.kdev_as_nobody(&["pool", "cleanup"]);
    let said = cleanup.env("TMPDIR", &tmp).good();
    assert_eq!(said.matches("removed ").count(), 1, "{said}");
    assert_eq!(roots.image_names().len(), 1);
    mine.kill();
    roots.kdev(&["pool", "cleanup"]).good();
    roots.assert_no_trace();
    theirs.assert_no_trace();
}

/// As `sudo kdev pool cleanup` in a user's home.
#[test]
fn root_removes_the_images_of_the_user_of_sudo() {
    let scene = nobodys();
    scene.start_command(&mut scene.child_as_nobody("waits")).kill();
    let mut cleanup = scene.kdev(&["pool", "cleanup"]);
    cleanup.env("SUDO_UID", NOBODY.to_string()).good();
    scene.assert_no_trace();
}

#[test]
fn what_wants_a_block_device_gets_no_file_and_is_told_of_images() {
    let said = passes_as_nobody(&Scene::embedded());
    assert_eq!(said.code, Some(101));
    let remedy = "KERNELDEV_DEVICE_POOL=images gives image files without any rights";
    assert!(said.err.contains(remedy), "{}", said.err);
}
