//! Kept images, and the marks beside them.

use std::fs;
use std::path::PathBuf;
use std::thread;

use crate::keep::{kept_of_that_age_go, oldest_kept_go};
use crate::scene::{Say, Scene};

/// Keeps one image, and returns its path and that of its mark.
fn kept(scene: &Scene) -> [PathBuf; 2] {
    scene.child("passes").env("KDEV_KEEP", "1").good();
    scene.image_files().try_into().unwrap()
}

fn lose_the_records(scene: &Scene) {
    fs::remove_file(scene.state_dir().join("lv-state.json")).unwrap();
}

#[test]
fn a_kept_image_stays_until_it_is_asked_for() {
    let scene = Scene::images();
    let said = scene.child("fails").env("KDEV_KEEP", "failed").say();
    let [image, mark] = scene.image_files().try_into().unwrap();
    assert_eq!(mark.to_str().unwrap(), format!("{}.kept", image.display()));
    let told = format!("kdev: kept {} (16M, volume `test`)", image.display());
    assert!(said.err.contains(&told), "{}", said.err);
    scene.child("passes").good();
    assert_eq!(scene.kdev(&["pool", "cleanup"]).good(), "nothing to clean up\n");
    assert_eq!(scene.image_names().len(), 1);
    let name = scene.image_names().remove(0);
    assert_eq!(scene.volume_status(&name)["kept"], "failed");
    scene.kdev(&["pool", "cleanup", "--kept", &name]).good();
    scene.assert_no_trace();
}

#[test]
fn a_test_may_keep_one_image_of_its_own_accord() {
    let scene = Scene::images();
    scene.child("keeps_its_scratch").good();
    assert_eq!(scene.image_files().len(), 2);
    assert_eq!(scene.records()[0]["kept"], "asked");
    scene.kdev(&["pool", "cleanup", "--kept"]).good();
    scene.assert_no_trace();
}

#[test]
fn a_killed_tests_image_is_kept_under_failed() {
    let scene = Scene::images().with_watchdogs();
    let mut child = scene.child("waits");
    scene.start_command(child.env("KDEV_KEEP", "failed")).kill();
    crate::scene::wait_until("the watchdog is gone", || scene.watchdogs().is_empty());
    assert_eq!(scene.kdev(&["pool", "cleanup"]).good(), "nothing to clean up\n");
    assert_eq!(scene.image_files().len(), 2);
    scene.kdev(&["pool", "cleanup", "--kept"]).good();
    scene.assert_no_trace();
}

#[test]
fn a_kept_image_survives_that_the_records_are_lost() {
    let scene = Scene::images();
    kept(&scene);
    lose_the_records(&scene);
    scene.child("passes").good();
    scene.kdev(&["pool", "cleanup"]).good();
    assert_eq!(scene.image_files().len(), 2);
    let [record] = scene.records().try_into().unwrap();
    assert_eq!(
        (&record["kept"], &record["pool_name"]),
        (&"found".into(), &"images".into())
    );
    scene.kdev(&["pool", "cleanup", "--kept"]).good();
    scene.assert_no_trace();
}

#[test]
fn a_mark_that_is_missing_is_made_again() {
    let scene = Scene::images();
    let [_, mark] = kept(&scene);
    fs::remove_file(&mark).unwrap();
    scene.kdev(&["pool", "cleanup"]).good();
    assert!(mark.exists());
    scene.kdev(&["pool", "cleanup", "--kept"]).good();
    scene.assert_no_trace();
}

#[test]
fn a_mark_makes_a_record_say_that_its_image_is_kept() {
    let scene = Scene::images();
    scene.start("waits").kill();
    let [image] = scene.image_files().try_into().unwrap();
    fs::write(format!("{}.kept", image.display()), "").unwrap();
    scene.kdev(&["pool", "cleanup"]).good();
    assert_eq!(scene.records()[0]["kept"], "found");
    scene.kdev(&["pool", "cleanup", "--kept"]).good();
    scene.assert_no_trace();
}

#[test]
fn a_mark_without_its_image_is_swept() {
    for are_lost in [false, true] {
        let scene = Scene::images();
        let [image, _mark] = kept(&scene);
        fs::remove_file(image).unwrap();
        if are_lost {
            lose_the_records(&scene);
        }
        let said = scene.kdev(&["pool", "cleanup"]).good();
        assert!(said.starts_with("dropped the record of kdev-"), "{said}");
        scene.assert_no_trace();
    }
}

#[test]
fn kept_images_of_that_age_go() {
    kept_of_that_age_go(&Scene::images());
}

#[test]
fn only_so_many_sessions_of_images_stay_and_the_oldest_go() {
    oldest_kept_go(&Scene::images());
}

/// Each that starts looks for the dead, and may have read the records before another has kept its image and
/// ended.
#[test]
fn of_many_that_keep_at_once_and_end_each_is_kept() {
    let scene = Scene::images();
    thread::scope(|scope| {
        for _ in 0..8 {
            scope.spawn(|| {
                for _ in 0..15 {
                    let said = scene.child("fails").env("KDEV_KEEP", "failed").say();
                    assert!(!said.err.contains("removed"), "{}", said.err);
                }
            });
        }
    });
    assert_eq!((scene.image_names().len(), scene.records().len()), (120, 120));
    scene.kdev(&["pool", "cleanup", "--kept"]).good();
    scene.assert_no_trace();
}
