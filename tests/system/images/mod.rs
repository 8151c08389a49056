//! Sparse image files: the same records, leases and reaper as for block devices, and no rights needed.

mod busy;
mod kept;
mod lost;
mod matrix;
mod users;

use std::fs;
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::Path;
use std::time::Duration;

use serde_json::{Value, json};

use crate::errors::one_too_large_is_none;
use crate::runners::{every_shape_passes, what_failed_is_kept};
use crate::scene::{Say, Scene};
use crate::suite::Runner;
use crate::test_dev::{first_volume, said_of};
use crate::torture::torture;
use crate::watchdog::SIGNALS;

#[test]
fn a_test_gets_an_image_and_gives_it_back_without_a_word() {
    let scene = Scene::images();
    let said = scene.child("passes").say();
    assert_eq!((said.code, said.err.as_str()), (Some(0), ""));
    let path = format!("DEVICE={}/kdev-images-0/kdev-", scene.tmp().display());
    assert!(said.out.contains(&path), "{}", said.out);
    scene.assert_no_trace();
}

#[test]
fn an_image_is_a_sparse_file_for_its_owner_only() {
    let scene = Scene::images();
    let child = scene.start("waits");
    let [image] = scene.image_files().try_into().unwrap();
    let meta = fs::metadata(&image).unwrap();
    assert_eq!((meta.len(), meta.blocks()), (16 << 20, 0));
    assert_eq!(meta.permissions().mode() & 0o777, 0o600);
    let above = fs::metadata(image.parent().unwrap()).unwrap();
    assert_eq!(above.permissions().mode() & 0o777, 0o700);
    let [record] = scene.records().try_into().unwrap();
    assert_eq!(
        (&record["kind"], &record["pool_name"], &record["lv_path"]),
        (&"image".into(), &"images".into(), &image.to_str().unwrap().into())
    );
    child.kill();
    scene.kdev(&["pool", "cleanup"]).good();
    scene.assert_no_trace();
}

#[test]
fn images_can_be_had_whatever_the_pool_and_sizes_are_rounded_up() {
    let scene = Scene::with_pool_named("nowhere");
    scene.make_tmp();
    scene.child("takes_an_image_by_name").good();
    scene.assert_no_trace();
}

#[test]
fn the_embedded_default_can_be_named_and_is_then_no_news() {
    let scene = Scene::with_pool_named("embedded");
    let said = scene.child("passes").say();
    assert_eq!((said.code, said.err.as_str()), (Some(0), ""));
    assert!(said.out.contains("DEVICE=/dev/loop"), "{}", said.out);
    scene.assert_no_trace();
}

#[test]
fn no_disk_can_be_a_pool_of_a_name_that_stands_for_none() {
    let scene = Scene::images();
    for name in ["images", "embedded"] {
        let setup = ["pool", "setup", "--device=/dev/null", "--pool", name];
        let said = scene.kdev(&setup).say();
        assert_ne!(said.code, Some(0));
        let refused = format!("bad pool name `{name}` (that name stands for volumes without a disk");
        assert!(said.err.contains(&refused), "{}", said.err);
    }
}

#[test]
fn if_one_image_is_too_large_for_the_filesystem_there_is_none() {
    one_too_large_is_none(&Scene::images());
}

#[test]
fn a_killed_owners_image_is_gone_by_its_watchdog() {
    for signal in SIGNALS {
        let scene = Scene::images().with_watchdogs();
        let child = scene.start("waits_with_two_sessions");
        assert_eq!((scene.image_names().len(), scene.watchdogs().len()), (2, 1));
        child.signal_group(signal);
        child.wait();
        scene.wait_for_watchdogs();
    }
}

#[test]
fn a_live_tests_image_is_left_alone() {
    let scene = Scene::images();
    let child = scene.start("waits");
    scene.child("passes").good();
    let cleaned = scene.kdev(&["pool", "cleanup", "--kept"]).good();
    assert_eq!(cleaned, "nothing to clean up\n");
    assert_eq!(scene.image_names().len(), 1);
    child.kill();
    // A process that starts finds it.
    scene.child("passes").good();
    scene.assert_no_trace();
}

#[test]
fn a_forked_child_gives_no_image_back() {
    let scene = Scene::images();
    scene.child("forks").good();
    scene.assert_no_trace();
}

#[test]
fn the_status_tells_of_images() {
    let scene = Scene::images();
    assert_eq!(scene.status(), json!({"pools": []}));
    let child = scene.start("waits");
    let pool = scene.status()["pools"][0].clone();
    assert_eq!(
        (&pool["name"], &pool["vg_name"]),
        (&"images".into(), &Value::Null)
    );
    assert_eq!(pool["foreign"], json!([]));
    let volume = &pool["volumes"][0];
    let [image] = scene.image_files().try_into().unwrap();
    assert_eq!(
        (
            &volume["path"],
            &volume["size_bytes"],
            &volume["pool"],
            &volume["verdict"]
        ),
        (
            &image.to_str().unwrap().into(),
            &(16 << 20).into(),
            &"images".into(),
            &"alive".into()
        )
    );
    let elsewhere = scene.kdev(&["pool", "status", "--pool=embedded"]).good();
    assert_eq!(elsewhere, "pool `embedded`\n");
    child.kill();
    let table = scene.kdev(&["pool", "status", "--pool=images"]).good();
    assert!(
        table.starts_with("pool `images`\n") && table.contains(" dead "),
        "{table}"
    );
    scene.kdev(&["pool", "cleanup", "--pool=embedded"]).good();
    assert_eq!(scene.image_names().len(), 1, "only what is asked for");
    scene.kdev(&["pool", "cleanup", "--pool=images"]).good();
    scene.assert_no_trace();
}

#[test]
fn a_program_is_told_of_its_own_tests_image_and_of_no_other_file() {
    let scene = Scene::images();
    scene.child("tells_a_program").good();
    scene.child("reads_the_environment_and_gives_back").good();

    let owner = scene.start("waits");
    let (image, name, session) = first_volume(&scene);
    let (link, hard, copy) = (scene.path("link"), scene.path("hard"), scene.path("copy"));
    std::os::unix::fs::symlink(&image, &link).unwrap();
    fs::hard_link(&image, &hard).unwrap();
    fs::copy(&image, &copy).unwrap();
    let ours = |path: &Path| format!("OURS {} 16M {name}", path.display());
    for path in [&image, &link, &hard] {
        assert_eq!(said_of(&scene, Some(path), Some(&session)), ours(path));
    }
    let other = "20251115103045-a3f9d2";
    for (path, told) in [(&copy, session.as_str()), (&image, other)] {
        let said = said_of(&scene, Some(path), Some(told));
        let refused = format!("but a file, and no image of session {told}");
        assert!(said.starts_with("REFUSED ") && said.contains(&refused), "{said}");
    }
    // Without the records its lease tells where its images are.
    fs::remove_file(scene.state_dir().join("lv-state.json")).unwrap();
    assert_eq!(said_of(&scene, Some(&image), Some(&session)), ours(&image));
    owner.kill();
    let said = said_of(&scene, Some(&image), Some(&session));
    assert!(said.contains("its test has ended"), "{said}");
    scene.kdev(&["pool", "cleanup"]).good();
    scene.assert_no_trace();
}

#[test]
fn every_shape_of_test_passes_on_images() {
    every_shape_passes(&Scene::images().with_watchdogs());
}

#[test]
fn a_test_that_fails_in_any_way_keeps_its_images_if_asked_to() {
    what_failed_is_kept(&Scene::images().with_watchdogs(), &[Runner::CargoTest(16)]);
}

#[test]
fn hundreds_of_sessions_of_images_leave_nothing() {
    let scene = Scene::images().with_watchdogs();
    torture(&scene, 300, Duration::from_millis(60));
}
