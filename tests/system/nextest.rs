//! What nextest does to a test: it tries again, and ends what takes too long.

use std::collections::BTreeSet;
use std::fs;
use std::process::Command;

use serde_json::Value;

use crate::scene::{Say, Scene, find_volume, wait_until};
use crate::suite::source;

/// A run of one of `children`.
fn nextest(scene: &Scene, test: &str) -> Command {
    let mut nextest = scene.program("cargo-nextest");
    nextest
        .args(["nextest", "run", "--run-ignored=only"])
        .args(source());
    nextest.args(["-E", &format!("binary(system) & test(=children::{test})")]);
    nextest
}

#[test]
fn each_attempt_has_volumes_of_its_own_and_says_which_it_is() {
    let scene = Scene::embedded().with_watchdogs();
    let run = || nextest(&scene, "fails").arg("--retries=2").say();
    let run_kept = || {
        let mut run = nextest(&scene, "fails");
        run.arg("--retries=2").env("KDEV_KEEP", "failed").say()
    };
    let said = run();
    assert_eq!(said.code, Some(100), "{}", said.err);
    scene.wait_for_watchdogs();
    scene.assert_no_trace();

    let said = run_kept();
    assert_eq!(said.code, Some(100), "{}", said.err);
    let records = scene.records();
    let told = |key: &str| {
        records
            .iter()
            .map(|record| record[key].clone())
            .collect::<Vec<Value>>()
    };
    assert_eq!(told("attempt"), [1, 2, 3]);
    assert_eq!(told("kept"), ["failed"; 3]);
    assert_eq!(told("test"), ["kdev-volumes::system$children::fails"; 3]);
    let run_ids: BTreeSet<String> = told("run_id").iter().map(Value::to_string).collect();
    assert_eq!(run_ids.len(), 1, "one run: {run_ids:?}");
    let run_id = run_ids.first().unwrap().trim_matches('"');
    assert!(said.err.contains(run_id), "nextest says it too: {}", said.err);
    let names: BTreeSet<String> = told("lv_name").iter().map(Value::to_string).collect();
    assert_eq!(names.len(), 3, "{names:?}");
    let table = scene.kdev(&["pool", "status"]).good();
    assert!(
        table.contains("kdev-volumes::system$children::fails #3\n"),
        "{table}"
    );

    let said = run_kept();
    let run_ids: BTreeSet<String> = scene
        .records()
        .iter()
        .map(|record| record["run_id"].to_string())
        .collect();
    assert_eq!(run_ids.len(), 2, "{}", said.err);
    scene.kdev(&["pool", "cleanup", "--kept"]).good();
    scene.wait_for_watchdogs();
    scene.assert_no_trace();
}

#[test]
fn what_takes_too_long_has_failed_and_is_kept() {
    let scene = Scene::embedded().with_watchdogs();
    let config = scene.path("nextest.toml");
    let timeout = "[profile.default]\nslow-timeout = { period = \"10s\", terminate-after = 1, grace-period = \"0s\" }\n";
    fs::write(&config, timeout).unwrap();
    let mut run = nextest(&scene, "hangs");
    let said = run
        .arg("--config-file")
        .arg(&config)
        .env("KDEV_KEEP", "failed")
        .say();
    assert!(said.err.contains("1 timed out"), "{}", said.err);
    wait_until("the watchdog is done", || scene.watchdogs().is_empty());
    let [kept] = scene.records().try_into().unwrap();
    let kept = kept["lv_name"].as_str().unwrap();
    let status = find_volume(&scene.status(), kept);
    assert_eq!(
        (&status["verdict"], &status["kept"]),
        (&"kept".into(), &"failed".into())
    );
    scene.kdev(&["pool", "cleanup", "--kept", kept]).good();
    scene.assert_no_trace();
}
