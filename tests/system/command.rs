//! The command `kdev`, as it is typed.

use std::fs;

use serde_json::{Value, json};

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
        &["pool", "cleanup", "--older-than=2d"],
        &["pool", "cleanup", "--kept", "--older-than=soon"],
        &[
            "pool",
            "cleanup",
            "--kept",
            "--older-than=2d",
            "kdev-20251115103045-a3f9d2-test",
        ],
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

/// The keys of an object, which programs rely on.
pub(crate) fn keys(object: &Value) -> Vec<&str> {
    object.as_object().unwrap().keys().map(String::as_str).collect()
}

#[test]
fn without_pools_the_status_for_programs_is_an_empty_list() {
    let scene = Scene::embedded();
    assert_eq!(scene.status(), json!({"pools": []}));
}

#[test]
fn the_status_for_programs_tells_all_of_a_volume_under_keys_that_stay() {
    let scene = Scene::embedded();
    scene.child("keeps_its_scratch").good();
    let child = scene.start("waits");
    let status = scene.status();
    assert_eq!(keys(&status), ["pools"]);
    let [pool] = status["pools"].as_array().unwrap().as_slice() else {
        panic!("one pool: {status}");
    };
    let of_a_pool = [
        "foreign",
        "free_bytes",
        "name",
        "queue",
        "size_bytes",
        "thin",
        "trouble",
        "vg_name",
        "volumes",
    ];
    assert_eq!(keys(pool), of_a_pool);
    let mut without_volumes = pool.clone();
    without_volumes.as_object_mut().unwrap().remove("volumes");
    assert_eq!(
        without_volumes,
        json!({"name": "embedded", "vg_name": null, "size_bytes": null, "free_bytes": null, "thin": null, "trouble": null, "foreign": [], "queue": []})
    );

    let [kept, alive] = scene.records().try_into().unwrap();
    for (record, verdict, test) in [(&kept, "kept", "keeps_its_scratch"), (&alive, "alive", "waits")] {
        let mut volume = scene.volume_status(record["lv_name"].as_str().unwrap());
        let age = volume.as_object_mut().unwrap().remove("age_seconds").unwrap();
        assert!(age.as_u64().unwrap() < 600, "{age}");
        let name = record["lv_name"].as_str().unwrap();
        let expected = json!({
            "lv_name": name,
            "path": record["lv_path"],
            "size_bytes": 16 << 20,
            "pool": "embedded",
            "pid": record["pid"],
            "uid": 0,
            "host": record["host"],
            "session": name.strip_prefix("kdev-").unwrap().rsplit_once('-').unwrap().0,
            "test": record["test"],
            "attempt": null,
            "run_id": null,
            "allocated_at": record["allocated_at"],
            "verdict": verdict,
            "why": null,
            "activation": null,
            "kept": if verdict == "kept" { json!("asked") } else { Value::Null },
        });
        assert_eq!(volume, expected);
        assert!(volume["test"].as_str().unwrap().ends_with(test), "{volume}");
    }
    assert_eq!(alive["pid"], child.pid());
    child.kill();
    scene.kdev(&["pool", "cleanup", "--kept"]).good();
}

#[test]
fn the_help_names_every_key_and_verdict_that_the_status_for_programs_has() {
    let scene = Scene::embedded();
    scene.child("passes").env("KDEV_KEEP", "1").good();
    let help = scene.kdev(&["pool", "status", "--help"]).good();
    let status = scene.status();
    let pool = &status["pools"][0];
    for key in keys(pool).into_iter().chain(keys(&pool["volumes"][0])) {
        assert!(help.contains(&format!("\n    {key} ")), "{key}: {help}");
    }
    for verdict in ["alive", "dead", "kept", "unknown", "removing", "stuck", "gone"] {
        assert!(help.contains(verdict), "{verdict}: {help}");
    }
    scene.kdev(&["pool", "cleanup", "--kept"]).good();
}

/// Its pool is not set up here, and its VG cannot be looked at.
#[test]
fn the_status_for_programs_tells_what_a_record_of_another_program_says() {
    let scene = Scene::embedded();
    fs::create_dir_all(scene.state_dir()).unwrap();
    let theirs = r#"{"allocations": [{"lv_path": "/dev/kerneldev-x-vg/kdev-20251115103045-a3f9d2-test",
        "lv_name": "kdev-20251115103045-a3f9d2-test", "pool_name": "x", "vg_name": "kerneldev-x-vg",
        "volume_spec": {"name": "test", "size": "10G", "env_var": "TEST_DEV", "order": 0},
        "pid": 1, "allocated_at": "2025-11-15T10:30:45.123456", "session_id": "session-a3f9d2"}]}"#;
    fs::write(scene.state_dir().join("lv-state.json"), theirs).unwrap();
    let volume = scene.volume_status("kdev-20251115103045-a3f9d2-test");
    assert_eq!(
        (&volume["pool"], &volume["session"], &volume["verdict"]),
        (&json!("x"), &json!("20251115103045-a3f9d2"), &json!("unknown"))
    );
    assert_eq!(
        (&volume["uid"], &volume["size_bytes"]),
        (&Value::Null, &Value::Null)
    );
    assert!(scene.status()["pools"][0]["trouble"].is_string());
}
