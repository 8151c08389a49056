//! What nextest does to a test: it tries again, and ends what takes too long.

use std::collections::BTreeSet;
use std::fs;
use std::process::Command;

use serde_json::Value;

use crate::lvm::disk::Pool;
use crate::lvm::suite::from_bed;
use crate::scene::{Say, wait_until};

/// A run of one of `children`, which nextest takes out of the archive that this test is from.
fn nextest(pool: &Pool, test: &str) -> Command {
    let mut nextest = pool.program("cargo-nextest");
    nextest.args(["nextest", "run", "--run-ignored=only", "--archive-file"]);
    nextest.arg(from_bed("KDEV_BED_ARCHIVE"));
    nextest.args(["-E", &format!("binary(system) & test(=children::{test})")]);
    nextest
}

#[test]
fn each_attempt_has_volumes_of_its_own_and_says_which_it_is() {
    let pool = Pool::with_watchdogs(256);
    let run = || nextest(&pool, "fails").arg("--retries=2").say();
    let run_kept = || {
        let mut run = nextest(&pool, "fails");
        run.arg("--retries=2").env("KDEV_KEEP", "failed").say()
    };
    let said = run();
    assert_eq!(said.code, Some(100), "{}", said.err);
    pool.wait_for_watchdogs();
    pool.assert_no_trace();

    let said = run_kept();
    assert_eq!(said.code, Some(100), "{}", said.err);
    let records = pool.records();
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
    assert_eq!((names.len(), pool.lvs().len()), (3, 3), "{names:?}");
    let table = pool.kdev(&["pool", "status"]).good();
    assert!(
        table.contains("kdev-volumes::system$children::fails #3\n"),
        "{table}"
    );
    let full = pool.child("wants_too_much").say();
    assert!(full.err.contains(", attempt 3, kept)"), "{}", full.err);

    let said = run_kept();
    let run_ids: BTreeSet<String> = pool
        .records()
        .iter()
        .map(|record| record["run_id"].to_string())
        .collect();
    assert_eq!(run_ids.len(), 2, "{}", said.err);
    pool.kdev(&["pool", "cleanup", "--kept"]).good();
    pool.wait_for_watchdogs();
    pool.assert_no_trace();
}

#[test]
fn what_takes_too_long_has_failed_and_is_kept() {
    let pool = Pool::with_watchdogs(128);
    let config = pool.path("nextest.toml");
    let timeout =
        "[profile.default]\nslow-timeout = { period = \"4s\", terminate-after = 1, grace-period = \"0s\" }\n";
    fs::write(&config, timeout).unwrap();
    let mut run = nextest(&pool, "hangs");
    let said = run
        .arg("--config-file")
        .arg(&config)
        .env("KDEV_KEEP", "failed")
        .say();
    assert!(said.err.contains("1 timed out"), "{}", said.err);
    wait_until("the watchdog is done", || pool.watchdogs().is_empty());
    let [kept] = pool.lvs().try_into().unwrap();
    let status = pool.volume_status(&kept);
    assert_eq!(
        (&status["verdict"], &status["kept"]),
        (&"kept".into(), &"failed".into())
    );
    pool.kdev(&["pool", "cleanup", "--kept", &kept]).good();
    pool.assert_no_trace();
}
