//! Images of which the records do not tell, and directories that are not to be trusted.

use std::fs::{self, Permissions};
use std::os::unix::fs::{PermissionsExt, chown, symlink};

use crate::scene::{NOBODY, Say, Scene};

fn lose_the_records(scene: &Scene) {
    fs::remove_file(scene.state_dir().join("lv-state.json")).unwrap();
}

#[test]
fn an_image_without_a_record_is_found_by_its_lease() {
    let scene = Scene::images();
    scene.start("waits").kill();
    lose_the_records(&scene);
    assert_eq!(scene.image_names().len(), 1);
    scene.child("passes").good();
    scene.assert_no_trace();
}

#[test]
fn an_image_is_found_wherever_it_was_made() {
    for are_lost in [false, true] {
        let scene = Scene::images();
        scene.start("waits").kill();
        if are_lost {
            lose_the_records(&scene);
        }
        let elsewhere = scene.mount_point();
        let mut cleanup = scene.kdev(&["pool", "cleanup"]);
        let said = cleanup.env("TMPDIR", &elsewhere.path).good();
        assert!(said.starts_with("removed kdev-"), "{said}");
        scene.assert_no_trace();
    }
}

#[test]
fn the_watchdog_needs_no_records_for_images() {
    let scene = Scene::images().with_watchdogs();
    let child = scene.start("waits");
    lose_the_records(&scene);
    child.kill();
    scene.wait_for_watchdogs();
}

#[test]
fn a_live_tests_image_stays_and_its_record_is_written_anew() {
    let scene = Scene::images();
    let child = scene.start("waits");
    lose_the_records(&scene);
    scene.kdev(&["pool", "cleanup", "--kept"]).good();
    let [record] = scene.records().try_into().unwrap();
    assert_eq!(
        (&record["kind"], &record["kept"]),
        (&"image".into(), &serde_json::Value::Null)
    );
    assert_eq!(scene.image_names().len(), 1);
    child.kill();
    scene.kdev(&["pool", "cleanup"]).good();
    scene.assert_no_trace();
}

#[test]
fn records_that_kerneldev_mcp_has_written_anew_are_still_of_images() {
    let scene = Scene::images().with_watchdogs();
    let child = scene.start("waits");
    scene.rewrite_as_kerneldev_mcp();
    let name = scene.image_names().remove(0);
    assert_eq!(scene.volume_status(&name)["verdict"], "alive");
    child.kill();
    scene.wait_for_watchdogs();
}

#[test]
fn an_image_of_which_neither_record_nor_lease_tells_is_shown_and_left() {
    let scene = Scene::images();
    scene.child("passes").good();
    let name = "kdev-20251115103045-a3f9d2-test";
    let image = scene.tmp().join("kdev-images-0").join(format!("{name}.img"));
    fs::write(&image, "somebody's").unwrap();
    scene.kdev(&["pool", "cleanup", "--kept"]).good();
    let status = scene.kdev(&["pool", "status", "--pool=images"]).good();
    assert_eq!(
        status,
        format!("pool `images`\nnot ours, and never touched: {name}\n")
    );
    assert_eq!(fs::read(&image).unwrap(), b"somebody's");
    fs::remove_file(image).unwrap();
}

#[test]
fn what_stands_in_place_of_the_directory_is_refused_and_left_as_it_is() {
    for (what, why) in [
        ("a link", "it is a symbolic link"),
        ("another user's", "it belongs to user 65534 and this is user 0"),
        ("open to others", "other users may reach into it"),
        ("a file", "it is not a directory"),
    ] {
        let scene = Scene::images();
        let (directory, behind) = (scene.tmp().join("kdev-images-0"), scene.path("behind"));
        fs::create_dir(&behind).unwrap();
        fs::set_permissions(&behind, Permissions::from_mode(0o700)).unwrap();
        match what {
            "a link" => symlink(&behind, &directory).unwrap(),
            "a file" => fs::write(&directory, "").unwrap(),
            _ => fs::rename(&behind, &directory).unwrap(),
        }
        match what {
            "another user's" => chown(&directory, Some(NOBODY), None).unwrap(),
            "open to others" => fs::set_permissions(&directory, Permissions::from_mode(0o770)).unwrap(),
            _ => {}
        }
        // Whom sudo runs us for may not lay it there either.
        for sudo_user in ["", "65534"] {
            let said = scene.child("passes").env("SUDO_UID", sudo_user).say();
            assert_eq!(said.code, Some(101), "{what}");
            assert!(
                said.err.contains("kdev-images-0` is not used: "),
                "{what}: {}",
                said.err
            );
            assert!(
                said.err.contains(why) && said.err.contains("TMPDIR"),
                "{what}: {}",
                said.err
            );
            scene.assert_no_trace();
        }
        assert!(
            !behind.exists() || fs::read_dir(&behind).unwrap().next().is_none(),
            "{what}"
        );
    }
}

/// A record leads to a directory that somebody has put in the place of ours since.
#[test]
fn an_image_behind_a_link_is_not_removed_and_its_record_says_why() {
    let scene = Scene::images();
    scene.start("waits").kill();
    let (directory, behind) = (scene.tmp().join("kdev-images-0"), scene.path("behind"));
    fs::rename(&directory, &behind).unwrap();
    symlink(&behind, &directory).unwrap();
    let said = scene.kdev(&["pool", "cleanup"]).say();
    assert_eq!(said.code, Some(1));
    assert!(said.err.contains("it is a symbolic link"), "{}", said.err);
    let status = scene.kdev(&["pool", "status"]).good();
    assert!(
        status.contains("stuck (") && status.contains("it is a symbolic link"),
        "{status}"
    );
    assert_eq!(fs::read_dir(&behind).unwrap().count(), 1);
    fs::remove_file(&directory).unwrap();
    fs::rename(&behind, &directory).unwrap();
    scene.kdev(&["pool", "cleanup"]).good();
    scene.assert_no_trace();
}

#[test]
fn a_lease_stays_while_its_images_cannot_be_looked_at() {
    let scene = Scene::images();
    scene.start("waits").kill();
    lose_the_records(&scene);
    let directory = scene.tmp().join("kdev-images-0");
    fs::set_permissions(&directory, Permissions::from_mode(0o755)).unwrap();
    scene.kdev(&["pool", "cleanup"]).good();
    assert_eq!((scene.leases().len(), scene.image_names().len()), (1, 1));
    fs::set_permissions(&directory, Permissions::from_mode(0o700)).unwrap();
    scene.kdev(&["pool", "cleanup", "--pool=embedded"]).good();
    assert_eq!(scene.leases().len(), 1, "nor while nobody looks");
    scene.kdev(&["pool", "cleanup"]).good();
    scene.assert_no_trace();
}
