//! The command `kdev`, as it is typed.

use std::fs;

use crate::scene::{Say, Scene};

#[test]
fn without_pools_it_says_so() {
    let scene = Scene::embedded();
    let none = "no pool is set up (make one with `kdev pool setup --device=DEVICE`)\n";
    assert_eq!(scene.kdev(&["pool", "list"]).good(), none);
    assert_eq!(
        scene.kdev(&["pool", "status"]).good(),
        "no pool is set up, and no volume is on record\n"
    );
    assert_eq!(scene.kdev(&["pool", "cleanup"]).good(), "nothing to clean up\n");
}

#[test]
fn a_usage_error_has_status_2() {
    let scene = Scene::embedded();
    for args in [
        &["pool"][..],
        &["pool", "setup"],
        &["pool", "setup", "--devise=/dev/null"],
        &["pool", "teardown"],
        &["pool", "cleanup", "kdev-20251115103045-a3f9d2-test"],
    ] {
        let said = scene.kdev(args).say();
        assert_eq!(said.code, Some(2), "{args:?}: {}", said.err);
        assert_eq!(said.out, "", "{args:?}");
    }
}

#[test]
fn a_pool_that_is_not_there_is_an_error_of_every_verb() {
    let scene = Scene::embedded();
    for verb in ["status", "cleanup", "teardown"] {
        let said = scene.kdev(&["pool", verb, "--pool=nowhere"]).say();
        assert_eq!(said.code, Some(1), "{verb}");
        assert!(
            said.err.contains("there is no pool `nowhere`"),
            "{verb}: {}",
            said.err
        );
    }
}

#[test]
fn a_kept_volume_that_is_not_there_is_named() {
    let scene = Scene::embedded();
    let said = scene
        .kdev(&["pool", "cleanup", "--kept", "kdev-20251115103045-a3f9d2-test"])
        .say();
    assert_eq!(said.code, Some(1));
    assert!(said.err.contains("no kept volume has that name"), "{}", said.err);
}

#[test]
fn records_of_kerneldev_mcp_are_shown_and_kept_as_they_are() {
    let scene = Scene::embedded();
    fs::create_dir_all(scene.state_dir()).unwrap();
    let theirs = r#"{"allocations": [{"lv_path": "/dev/kerneldev-x-vg/kdev-20251115103045-a3f9d2-test",
        "lv_name": "kdev-20251115103045-a3f9d2-test", "pool_name": "x", "vg_name": "kerneldev-x-vg",
        "volume_spec": {"name": "test", "size": "10G", "env_var": "TEST_DEV", "order": 0},
        "pid": 1, "allocated_at": "2025-11-15T10:30:45.123456", "session_id": "session-a3f9d2", "theirs": [1, 2]}]}"#;
    fs::write(scene.state_dir().join("lv-state.json"), theirs).unwrap();
    let before = scene.records();
    scene.child("passes").good();
    let after = scene.records();
    assert_eq!(after.len(), 1, "a record that proves nothing is left alone");
    for (key, value) in before[0].as_object().unwrap() {
        assert_eq!(&after[0][key], value, "{key}");
    }
}
