//! A whole annotated suite under nextest, eight tests at a time, on one VG.

use std::collections::BTreeSet;
use std::env;
use std::fs;
use std::path::PathBuf;

use nextest_metadata::{FilterMatch, TestListSummary};

use crate::scene::{Say, Scene};

/// What the test bed hands on: the test programs, built outside, and a disk.
pub(crate) fn from_bed(name: &str) -> PathBuf {
    env::var_os(name)
        .unwrap_or_else(|| panic!("{name} is not set: this test runs in the test bed, by `make test`"))
        .into()
}

#[test]
fn an_annotated_suite_runs_on_one_vg_eight_tests_at_a_time() {
    let archive = from_bed("KDEV_BED_ARCHIVE");
    let disk = from_bed("KDEV_BED_DISK");
    let name = format!("suite{}", std::process::id());
    let scene = Scene::with_pool_named(&name).with_watchdogs();
    scene
        .kdev(&[
            "pool",
            "setup",
            &format!("--device={}", disk.display()),
            &format!("--pool={name}"),
        ])
        .good();

    let nextest = |verb: &[&str]| {
        let mut command = scene.program("cargo-nextest");
        command
            .arg("nextest")
            .args(verb)
            .arg("--archive-file")
            .arg(&archive);
        command.args(["-E", "package(annotated-suite)"]);
        command
    };
    let list: TestListSummary = serde_json::from_str(&nextest(&["list", "--message-format=json"]).good())
        .expect("nextest's own format");
    let tests = list
        .rust_suites
        .values()
        .flat_map(|suite| suite.test_cases.values());
    let count = tests
        .filter(|test| test.filter_match == FilterMatch::Matches)
        .count();
    assert!(count >= 12, "the suite has only {count} tests");

    let report = scene.path("report");
    let said = nextest(&["run", "--test-threads=8", "--no-fail-fast"])
        .env("ANNOTATED_SUITE_REPORT", &report)
        .say();
    assert_eq!(said.code, Some(0), "{}", said.err);
    assert!(
        said.err.contains(&format!("{count} tests run: {count} passed")),
        "{}",
        said.err
    );
    assert!(!said.err.contains("LEAK"), "{}", said.err);

    // Each line is one volume of one test, and no two tests ever had the same one.
    let report = fs::read_to_string(report).unwrap();
    let volumes: BTreeSet<&str> = report.lines().collect();
    let lvs: BTreeSet<&str> = volumes
        .iter()
        .map(|line| line.split('\t').nth(2).unwrap())
        .collect();
    assert_eq!(lvs.len(), volumes.len(), "an LV went to two tests:\n{report}");
    let tests: BTreeSet<&str> = volumes
        .iter()
        .map(|line| line.split('\t').next().unwrap())
        .collect();
    assert!(tests.len() >= 12, "{tests:?}");

    let status = scene.kdev(&["pool", "status"]).good();
    assert!(
        status.lines().count() == 2 && status.ends_with(" 0% taken\n"),
        "something is left in the VG: {status}"
    );
    scene.wait_for_watchdogs();
    scene
        .kdev(&["pool", "teardown", &format!("--pool={name}")])
        .good();
}
