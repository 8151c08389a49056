//! Each way for a test to end, and what is said of it.

use std::fs;

use rstest::rstest;
use serde_json::Value;

use crate::support::{Kernel, Ran, Scene};

/// Each test of the tree, what `results.json` has of it, and what `junit.xml`.
const ALL: [(&str, &str, &str); 10] = [
    ("demo/001", "pass", ""),
    ("demo/002", "fail", "failure fail"),
    ("demo/003", "not-run", "skipped not run"),
    ("demo/004", "fail", "failure fail"),
    ("demo/005", "hung", "error hung"),
    ("demo/006", "crashed", "error crashed"),
    ("demo/007", "expunged", "skipped expunged"),
    ("demo/008", "fail", "failure fail"),
    ("demo/009", "pass", "flakyFailure fail"),
    ("demo/010", "pass", ""),
];

/// A test that hangs takes this long; the others take a second.
const LIMITS: [&str; 2] = ["--test-limit=30s", "--time-scale=1"];

#[rstest]
#[case::uml(Kernel::Uml)]
#[case::qemu(Kernel::Cloud)]
fn every_way_for_a_test_to_end_is_told_and_written_down(#[case] kernel: Kernel) {
    let scene = Scene::new();
    let exclude = scene.path("exclude");
    fs::write(&exclude, "demo/007 # it is out of fashion\n").unwrap();
    let exclude = format!("--exclude={}", exclude.display());
    let args = [&LIMITS[..], &["--continue", "--retry-failed=1", &exclude]].concat();
    let ran = scene.run(kernel, &args).exits(3);

    let expected = ALL.map(|(name, outcome, _)| (name.to_owned(), outcome.to_owned()));
    assert_eq!(ran.outcomes(), expected, "{ran}");
    let expected = ALL.map(|(name, _, junit)| (name.to_owned(), junit.to_owned()));
    assert_eq!(ran.junit().into_iter().collect::<Vec<_>>(), expected);
    assert_eq!(ran.results()["end"]["how"], "complete");

    let reason = |name: &str| reason(&ran, name);
    assert_eq!(reason("demo/002"), "output mismatch");
    assert_eq!(reason("demo/003"), "needs what no machine has");
    assert!(reason("demo/004").starts_with("warning: WARNING: CPU: 0 PID: 1 at fs/demo/inode.c:42"));
    assert!(
        reason("demo/005").contains("limit of 30s"),
        "{}",
        reason("demo/005")
    );
    assert!(reason("demo/006").starts_with("Kernel panic - not syncing: sysrq triggered crash"));
    assert!(reason("demo/008").contains("exit status 3"));
    let summary = fs::read_to_string(ran.dir().join("summary.txt")).unwrap();
    assert!(summary.contains("demo/009  flaky 50 % (1/2)"), "{summary}");

    events_are_in_order(&ran);
    each_tests_messages_are_its_own(&ran);
    assert_eq!(scene.results().join("latest").canonicalize().unwrap(), ran.dir());
    scene.left().is_nothing();
}

fn reason(ran: &Ran, name: &str) -> String {
    let tests = ran.tests();
    let test = tests.iter().find(|test| test["name"] == name).unwrap();
    test["reason"].as_str().unwrap_or_default().to_owned()
}

/// A run starts before its tests, a test before it ends, and the summary and where to look come last.
fn events_are_in_order(ran: &Ran) {
    let events = ran.events();
    let kinds: Vec<&str> = events
        .iter()
        .map(|event| event["event"].as_str().unwrap())
        .collect();
    let at = |kind: &str| kinds.iter().position(|one| *one == kind).unwrap();
    assert!(at("run-started") < at("test-started"), "{ran}");
    assert_eq!(kinds[kinds.len() - 2..], ["summary", "note"], "{ran}");
    let mut running: Option<Value> = None;
    for event in events {
        match event["event"].as_str().unwrap() {
            "test-started" => assert_eq!(running.replace(event["name"].clone()), None, "{ran}"),
            "test-ended" if event["result"]["outcome"] != "expunged" => {
                assert_eq!(running.take(), Some(event["result"]["name"].clone()), "{ran}");
            }
            "machine-ended" => assert!(running.is_some(), "{ran}"),
            _ => {}
        }
    }
    let summary = &ran.events_of("summary")[0];
    assert_eq!(summary["exit_code"], 3);
    assert_eq!(summary["counts"]["fail"], 3);
}

/// What the kernel said while a test ran is in that test's file, and in no other's.
fn each_tests_messages_are_its_own(ran: &Ran) {
    for test in ran.tests() {
        let (name, outcome) = (test["name"].as_str().unwrap(), &test["outcome"]);
        let files = test["files"].as_array().map(Vec::as_slice).unwrap_or_default();
        let files = files.iter().map(|file| file.as_str().unwrap());
        let messages: Vec<&str> = files.filter(|file| file.ends_with(".kernel")).collect();
        assert_eq!(messages.is_empty(), outcome == "expunged", "{name}");
        for file in messages {
            let text = fs::read_to_string(ran.dir().join(file)).unwrap();
            let starts: Vec<&str> = text.lines().filter(|line| line.contains("run fstests")).collect();
            // Also of one that ran before in the same machine.
            assert!(
                matches!(starts[..], [start] if start.contains(name)),
                "{file}: {starts:?}"
            );
            assert!(
                text.lines().next().unwrap().contains("run fstests"),
                "{file}: {text}"
            );
            assert_eq!(
                text.contains("WARNING: CPU"),
                name == "demo/004",
                "{file}: {text}"
            );
            assert_eq!(
                text.contains("Kernel panic"),
                name == "demo/006",
                "{file}: {text}"
            );
        }
    }
}

#[test]
fn a_run_in_which_all_pass_is_a_success_and_is_told_in_lines() {
    let scene = Scene::new();
    let ran = scene
        .ran(scene.command(Kernel::Uml, &["--", "demo/010", "demo/003", "demo/001"]))
        .exits(0);
    let told = ran.said.join("\n");
    let at = |text: &str| {
        told.find(text)
            .unwrap_or_else(|| panic!("`{text}` is not told: {ran}"))
    };
    let order = [
        "3 tests on 6.",
        "making ext4 on /dev/ubda",
        "demo/001      pass",
        "demo/003      not run",
        "demo/010      pass",
        "2 passed, 1 not run",
        "results: ",
    ];
    let mut places = order.map(at).to_vec();
    // The tests were named, and so are known before the machine is up; or not, if it is quick.
    places.remove(1);
    assert!(places.is_sorted(), "{ran}");
    assert!(!told.contains('\u{1b}'), "colours that no terminal sees: {ran}");
    scene.left().is_nothing();
}

#[test]
fn a_run_in_which_a_test_fails_and_the_kernel_does_not_exits_with_1() {
    let scene = Scene::new();
    let ran = scene.run(Kernel::Uml, &["--", "demo/007", "demo/008"]).exits(1);
    assert_eq!(
        ran.outcomes(),
        pairs(&[("demo/007", "pass"), ("demo/008", "fail")])
    );
    scene.left().is_nothing();
}

#[test]
fn without_continue_what_is_behind_a_crash_never_started() {
    let scene = Scene::new();
    let ran = scene
        .run(
            Kernel::Uml,
            &["--", "demo/001", "demo/006", "demo/007", "demo/010"],
        )
        .exits(3);
    let expected = [
        ("demo/001", "pass"),
        ("demo/006", "crashed"),
        ("demo/007", "never-started"),
        ("demo/010", "never-started"),
    ];
    assert_eq!(ran.outcomes(), pairs(&expected));
    assert_eq!(ran.junit()["demo/010"], "error never started");
    assert_eq!(ran.results()["end"]["how"], "crashed");
    scene.left().is_nothing();
}

#[test]
fn a_kernel_that_does_not_come_up_is_told_with_its_panic() {
    let scene = Scene::new();
    let ran = scene
        .run(
            Kernel::Uml,
            &["--append=rdinit=/nowhere init=/nowhere", "--", "demo/001"],
        )
        .exits(3);
    assert_eq!(ran.outcomes(), pairs(&[("demo/001", "never-started")]));
    let why = reason(&ran, "demo/001");
    assert!(
        why.contains("did not come up") && why.contains("Kernel panic"),
        "{why}"
    );
    scene.left().is_nothing();
}

fn pairs(outcomes: &[(&str, &str)]) -> Vec<(String, String)> {
    outcomes
        .iter()
        .map(|(name, outcome)| ((*name).to_owned(), (*outcome).to_owned()))
        .collect()
}
