//! Volumes that are resized, copied and removed one by one: on loop devices and images here, and in `lvm` on LVs.

use std::fs;
use std::path::PathBuf;
use std::process::Command;

use serde_json::json;

use crate::metrics::{events, kinds, metrics};
use crate::scene::{Say, Scene};

fn names(scene: &Scene) -> Vec<String> {
    let records = scene.records();
    let mut names: Vec<String> = records
        .iter()
        .map(|record| record["lv_name"].as_str().unwrap().to_owned())
        .collect();
    names.sort();
    names
}

#[test]
fn a_loop_device_is_resized_and_copied_by_its_own_test() {
    let scene = Scene::embedded();
    let said = scene.child("takes_snapshots_and_resizes").good();
    assert!(said.contains("ADDED_ZEROS=true"), "{said}");
    scene.assert_no_trace();
    let said = scene.child("resizes_and_copies_while_mounted").good();
    assert!(
        said.contains("a copy of what changes meanwhile would be worth nothing"),
        "{said}"
    );
    scene.assert_no_trace();
    // It is removed by whoever finds that its owner died.
    scene.start("waits_with_a_snapshot").kill();
    scene.kdev(&["pool", "cleanup"]).good();
    scene.assert_no_trace();
}

#[test]
fn a_kept_loop_device_cannot_be_resized_and_can_be_removed() {
    let scene = Scene::embedded();
    scene.child("keeps_its_snapshot").good();
    let [kept] = names(&scene).try_into().unwrap();
    assert!(kept.ends_with("-before"), "{kept}");
    let said = scene.kdev(&["volume", "resize", &kept, "32M"]).say();
    assert_eq!(said.code, Some(1));
    assert!(
        said.err
            .contains("was not resized: the file behind this loop device has no name"),
        "{}",
        said.err
    );
    let path = scene.records()[0]["lv_path"].as_str().unwrap().to_owned();
    let said = scene.kdev(&["volume", "rm", &path]).good();
    assert_eq!(said, format!("removed {kept}\n"));
    scene.assert_no_trace();
}

#[test]
fn an_image_is_resized_copied_and_removed_also_when_it_is_kept() {
    let scene = Scene::images();
    let mut child = scene.child("takes_snapshots_and_resizes");
    let said = child.env("CHILD_PROGRAM", env!("CARGO_BIN_EXE_kdev")).good();
    assert!(
        said.contains("ADDED_ZEROS=true") && said.contains("-after of 8M"),
        "{said}"
    );
    scene.assert_no_trace();

    scene.child("passes").env("KDEV_KEEP", "1").good();
    let [kept] = names(&scene).try_into().unwrap();
    let said = scene.kdev(&["volume", "resize", &kept, "32M"]).good();
    assert_eq!(said, format!("`{kept}` is of 32M now\n"));
    let [image] = scene
        .image_files()
        .into_iter()
        .filter(|path| path.extension().unwrap() == "img")
        .collect::<Vec<PathBuf>>()
        .try_into()
        .unwrap();
    assert_eq!(fs::metadata(&image).unwrap().len(), 32 << 20);
    assert_eq!(scene.volume_status(&kept)["size_bytes"], 32 << 20);
    fs::write(&image, vec![7; 32 << 20]).unwrap();
    let said = scene
        .kdev(&["volume", "snapshot", image.to_str().unwrap(), "before"])
        .good();
    let copy = said.split_whitespace().nth(1).unwrap();
    assert!(copy.ends_with("-before"), "{said}");
    let copied = image.with_file_name(format!("{copy}.img"));
    assert!(fs::read(&copied).unwrap() == vec![7; 32 << 20]);
    assert_eq!(scene.volume_status(copy)["verdict"], "kept");
    // It is kept without its record too.
    fs::remove_file(scene.state_dir().join("lv-state.json")).unwrap();
    scene.kdev(&["pool", "cleanup"]).good();
    assert_eq!(scene.volume_status(copy)["verdict"], "kept");
    let said = scene
        .kdev(&["volume", "rm", &kept, copied.to_str().unwrap()])
        .good();
    assert_eq!(said.matches("removed ").count(), 2, "{said}");
    scene.assert_no_trace();
}

#[test]
fn a_volume_of_which_no_record_tells_is_not_taken_for_a_snapshot_that_failed() {
    for scene in [Scene::embedded(), Scene::images()] {
        scene
            .child("takes_a_snapshot_by_a_taken_name_without_records")
            .good();
        scene.assert_no_trace();
    }
}

#[test]
fn a_snapshot_and_a_resizing_are_told_and_count() {
    let scene = Scene::images();
    scene.child("takes_snapshots_and_resizes").good();
    assert_eq!(
        kinds(&scene),
        [
            "allocated",
            "snapshot",
            "released",
            "resized",
            "resized",
            "released"
        ]
    );
    let [_, snapshot, _, more, less, _] = events(&scene).try_into().unwrap();
    assert_eq!(snapshot["volumes"][0]["bytes"], 16 << 20);
    assert!(snapshot["of"].as_str().unwrap().ends_with("-test"), "{snapshot}");
    for (resized, from, to) in [(more, 16 << 20, 24 << 20), (less, 24 << 20, 8 << 20)] {
        assert_eq!(
            (&resized["from_bytes"], &resized["volumes"][0]["bytes"]),
            (&json!(from), &json!(to))
        );
    }
    let all = &metrics(&scene, &[])["all"];
    assert_eq!((&all["volumes"], &all["released"]), (&json!(3), &json!(3)));
    assert_eq!(
        (&all["peak_volumes"], &all["peak_bytes"]),
        (&json!(3), &json!(48 << 20))
    );
}

#[test]
fn a_live_volume_and_what_is_not_ours_are_refused() {
    let scene = Scene::images();
    let child = scene.start("waits");
    let [held] = names(&scene).try_into().unwrap();
    scene.child("passes").env("KDEV_KEEP", "1").good();
    let kept = names(&scene).into_iter().find(|name| *name != held).unwrap();
    for args in [
        &["volume", "rm", &kept, &held][..],
        &["volume", "resize", &held, "32M"],
        &["volume", "snapshot", &held, "before"],
    ] {
        let said = scene.kdev(args).say();
        assert_eq!(said.code, Some(1), "{args:?}");
        let whose = format!(
            "it is held by `system::children::waits` (pid {}), which runs",
            child.pid()
        );
        assert!(said.err.contains(&whose), "{args:?}: {}", said.err);
    }
    assert_eq!(names(&scene).len(), 2, "none of them was removed");
    let file = scene.path("file");
    fs::write(&file, "somebody's").unwrap();
    for unknown in [
        "kdev-20251115103045-a3f9d2-test",
        file.to_str().unwrap(),
        "/dev/null",
        "/nowhere",
    ] {
        let said = scene.kdev(&["volume", "rm", unknown]).say();
        assert_eq!(said.code, Some(1));
        assert!(
            said.err
                .contains(&format!("`{unknown}` is no volume that a record")),
            "{}",
            said.err
        );
    }
    assert!(file.exists());
    assert_eq!(scene.kdev(&["volume", "rm"]).say().code, Some(2));
    assert_eq!(
        scene.kdev(&["volume", "resize", &kept, "much"]).say().code,
        Some(2)
    );
    // With the session in its environment it is that test's own program.
    let (session, _) = held.rsplit_once('-').unwrap();
    let (_, session) = session.split_once('-').unwrap();
    let mut own: Command = scene.kdev(&["volume", "resize", &held, "32M"]);
    own.env("KDEV_SESSION", session).good();
    child.kill();
    // What nothing keeps, a dead owner's, may go too.
    scene.kdev(&["volume", "rm", &held]).good();
    scene.kdev(&["volume", "rm", &kept]).good();
    scene.assert_no_trace();
}
