//! Dying at every place at which anything has been done with images.

use std::fs;

use crate::filesystems::{PLACES, dies_anywhere};
use crate::matrix::{Matrix, assert_passed, comes_to_nothing, is_kept_or_gone, watchdogs_die_anywhere};
use crate::scene::{Say, Scene};

#[test]
fn a_session_of_images_that_dies_anywhere_comes_to_nothing() {
    let scene = Scene::images();
    for lose_the_records in [false, true] {
        let places = Matrix {
            scene: &scene,
            prepare: &|| {
                // So that making it is dying in too.
                let _ = fs::remove_dir(scene.tmp().join("kdev-images-0"));
            },
            command: &|| scene.child("passes_with_two"),
            known: 0,
            check: &|place| {
                if lose_the_records {
                    // There may be none yet.
                    let _ = fs::remove_file(scene.state_dir().join("lv-state.json"));
                }
                comes_to_nothing(&scene, place, &|| scene.image_names());
            },
        }
        .run();
        assert_passed(
            &places,
            &[
                "lease made",
                "file replaced",
                "directory of images made",
                "image made",
                "image has its size",
                "image made",
                "image has its size",
                "file replaced",
                "image removed",
                "image removed",
                "volumes removed",
                "file replaced",
                "lease removed",
            ],
        );
    }
}

#[test]
fn a_session_of_images_whose_keeping_dies_anywhere_is_kept_or_gone() {
    for (name, keep, kept) in [("passes_with_two", "always", 2), ("keeps", "never", 1)] {
        let scene = Scene::images();
        let places = Matrix {
            scene: &scene,
            prepare: &|| {},
            command: &|| {
                let mut child = scene.child(name);
                child.env("KDEV_KEEP", keep);
                child
            },
            known: 0,
            check: &|place| is_kept_or_gone(&scene, place, &|| scene.image_names()),
        }
        .run();
        assert_passed(
            &places,
            &["image has its size", "image marked as kept", "file replaced"],
        );
        let kept_here = places.iter().filter(|place| *place == "image marked as kept");
        assert_eq!(kept_here.count(), kept, "{places:#?}");
    }
}

#[test]
fn images_that_are_on_record_as_kept_are_kept_wherever_it_dies_and_the_records_are_lost() {
    let scene = Scene::images();
    Matrix {
        scene: &scene,
        prepare: &|| {},
        command: &|| {
            let mut child = scene.child("passes_with_two");
            child.env("KDEV_KEEP", "always");
            child
        },
        known: 0,
        check: &|place| {
            let is_kept = |record: &serde_json::Value| record["kept"] != serde_json::Value::Null;
            let records = scene.records();
            let kept = records
                .iter()
                .filter(|record| is_kept(record) && record["phase"] == "active");
            let kept = kept.count();
            let _ = fs::remove_file(scene.state_dir().join("lv-state.json"));
            scene.kdev(&["pool", "cleanup"]).good();
            assert!(scene.image_names().len() >= kept, "after dying at `{place}`");
            scene.kdev(&["pool", "cleanup", "--kept"]).good();
            scene.assert_no_trace();
        },
    }
    .run();
}

#[test]
fn a_session_whose_keeping_removes_other_images_and_dies_anywhere_leaves_both_kept_or_gone() {
    let scene = Scene::images();
    let kept = || {
        let mut child = scene.child("passes");
        child.env("KDEV_KEEP", "always").env("KDEV_KEEP_MAX", "1");
        child
    };
    let places = Matrix {
        scene: &scene,
        prepare: &|| {
            kept().good();
        },
        command: &kept,
        known: 0,
        check: &|place| is_kept_or_gone(&scene, place, &|| scene.image_names()),
    }
    .run();
    assert_passed(
        &places,
        &[
            "image marked as kept",
            "image removed",
            "mark of an image removed",
            "volumes removed",
            "lease removed",
        ],
    );
}

#[test]
fn a_cleanup_of_images_that_dies_anywhere_is_finished_by_the_next() {
    let scene = Scene::images();
    for lose_the_records in [false, true] {
        let point = scene.mount_point();
        let places = Matrix {
            scene: &scene,
            prepare: &|| {
                let mut child = scene.child("waits_while_mounted");
                scene
                    .start_command(child.env("CHILD_MOUNT_POINT", &point.path))
                    .kill();
                if lose_the_records {
                    fs::remove_file(scene.state_dir().join("lv-state.json")).unwrap();
                }
            },
            command: &|| scene.kdev(&["pool", "cleanup"]),
            known: 0,
            check: &|place| comes_to_nothing(&scene, place, &|| scene.image_names()),
        }
        .run();
        assert_passed(
            &places,
            &[
                "unmounted",
                "took down a stacked device",
                "image removed",
                "volumes removed",
                "file replaced",
                "lease removed",
            ],
        );
    }
}

#[test]
fn a_cleanup_of_kept_images_that_dies_anywhere_is_finished_by_the_next() {
    for lose_the_records in [false, true] {
        let scene = Scene::images();
        let places = Matrix {
            scene: &scene,
            prepare: &|| {
                scene.child("passes_with_two").env("KDEV_KEEP", "always").good();
            },
            command: &|| scene.kdev(&["pool", "cleanup", "--kept"]),
            known: 0,
            check: &|place| {
                if lose_the_records {
                    let _ = fs::remove_file(scene.state_dir().join("lv-state.json"));
                }
                is_kept_or_gone(&scene, place, &|| scene.image_names());
            },
        }
        .run();
        assert_passed(
            &places,
            &["image removed", "mark of an image removed", "volumes removed"],
        );
    }
}

/// All that a reaper can meet: the removal of an image had come as far as its mark.
#[test]
fn a_cleanup_of_marks_that_dies_anywhere_is_finished_by_the_next() {
    let scene = Scene::images();
    let places = Matrix {
        scene: &scene,
        prepare: &|| {
            scene.child("passes").env("KDEV_KEEP", "always").good();
            let [image, _mark] = scene.image_files().try_into().unwrap();
            fs::remove_file(image).unwrap();
        },
        command: &|| scene.kdev(&["pool", "cleanup"]),
        known: 0,
        check: &|place| comes_to_nothing(&scene, place, &|| scene.image_names()),
    }
    .run();
    assert_passed(
        &places,
        &["mark of an image removed", "file replaced", "lease removed"],
    );
}

#[test]
fn a_watchdog_that_dies_anywhere_leaves_its_images_to_the_next_process() {
    let scene = Scene::images().with_watchdogs();
    watchdogs_die_anywhere(
        &scene,
        &|| scene.image_names(),
        &[
            "unmounted",
            "took down a stacked device",
            "image removed",
            "volumes removed",
            "lease removed",
        ],
    );
}

#[test]
fn an_image_with_a_filesystem_that_dies_anywhere_comes_to_nothing() {
    let scene = Scene::images();
    let nothing = |place: &str| comes_to_nothing(&scene, place, &|| scene.image_names());
    let places = dies_anywhere(&scene, 0, &nothing);
    assert_passed(&places, &["lease made", "image has its size"]);
    assert_passed(&places, &PLACES);
}
