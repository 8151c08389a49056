//! The macro under each runner: every shape of test, every way to fail, each in its own environment.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;

use nix::sys::signal::Signal;
use serde_json::Value;

use crate::scene::{AS_UNDER_NEXTEST, Say, Scene, wait_until};
use crate::suite::{Reported, Runner, Shapes, reported, results};

/// As `cargo test` does it by itself on a machine of some size, one test after another, and nextest.
pub(crate) const RUNNERS: [Runner; 3] = [Runner::CargoTest(16), Runner::CargoTest(1), Runner::Nextest];

/// Each shape passes under each runner, in a process and with volumes of its own, and leaves nothing.
pub(crate) fn every_shape_passes(scene: &Scene) {
    let shapes = Shapes::find(scene);
    for runner in RUNNERS {
        let report = scene.path("report");
        let _ = fs::remove_file(&report);
        let mut command = shapes.run(scene, runner, "shapes", "");
        // Disks that somebody exported in the shell are nobody's to find.
        command
            .env("TEST_DEV", "/dev/somebodys")
            .env("SCRATCH_DEV", "/dev/somebodys");
        let said = command.env("SHAPES_REPORT", &report).say();
        let results = results(runner, &said);
        let failed: Vec<_> = results.iter().filter(|(_, passed)| !**passed).collect();
        assert!(
            failed.is_empty(),
            "{runner:?}: {failed:?}\n{}\n{}",
            said.out,
            said.err
        );
        assert_eq!(said.code, Some(0), "{runner:?}: {}\n{}", said.out, said.err);
        assert!(
            results.len() >= 41,
            "{runner:?} ran {} tests: {}",
            results.len(),
            said.out
        );
        assert!(!said.err.contains("LEAK"), "{}", said.err);

        let told = reported(&report);
        let tests: BTreeSet<&str> = told.iter().map(|line| line.test.as_str()).collect();
        assert_eq!(tests.len(), results.len(), "each test had volumes: {tests:?}");
        let named: Vec<&Reported> = told.iter().filter(|line| line.lv_name != "-").collect();
        let lvs: BTreeSet<&str> = named.iter().map(|line| line.lv_name.as_str()).collect();
        assert_eq!(lvs.len(), named.len(), "a volume went to two tests");
        let in_process = |line: &&Reported| line.test.starts_with("stays_");
        let others: Vec<&Reported> = told.iter().filter(|line| !in_process(line)).collect();
        // nextest has made a process for the test; there is no need of another.
        let starter = match runner {
            Runner::CargoTest(_) => "shapes-",
            Runner::Nextest => "cargo-nextest",
        };
        let not_so = others.iter().find(|line| !line.started_by.starts_with(starter));
        assert_eq!(not_so, None, "{runner:?}");
        let pids: BTreeSet<(u32, &str)> = others.iter().map(|line| (line.pid, line.test.as_str())).collect();
        let of_their_own: BTreeSet<u32> = pids.iter().map(|(pid, _)| *pid).collect();
        assert_eq!(
            of_their_own.len(),
            pids.len(),
            "{runner:?}: two tests in one process"
        );
        scene.wait_for_watchdogs();
    }
}

/// Tests that fail keep their volumes if that is asked for, those that pass do not, and nothing fails or
/// passes for another reason than its own.
pub(crate) fn what_failed_is_kept(scene: &Scene, runners: &[Runner]) {
    let shapes = Shapes::find(scene);
    for &runner in runners {
        let said = shapes
            .run(scene, runner, "outcomes", "")
            .env("KDEV_KEEP", "failed")
            .say();
        let results = results(runner, &said);
        assert!(
            results.len() >= 19,
            "{runner:?}: {results:?}\n{}\n{}",
            said.out,
            said.err
        );
        for (test, passed) in &results {
            // nextest has but the exit status of a process, and nothing can be done about `_exit(0)`.
            let passes = test.starts_with("passes::")
                || (runner == Runner::Nextest && test == "leaves::without_a_panic");
            assert_eq!(*passed, passes, "{runner:?}, {test}: {}\n{}", said.out, said.err);
        }
        // Watchdogs of those that were killed may be at it still.
        wait_until("the watchdogs are done", || scene.watchdogs().is_empty());
        let kept: BTreeMap<String, Value> = scene
            .records()
            .into_iter()
            .map(|record| {
                (
                    record["test"].as_str().unwrap_or("?").to_owned(),
                    record["kept"].clone(),
                )
            })
            .collect();
        let of = |test: &String| kept.iter().find(|(name, _)| name.ends_with(test));
        for test in results.keys() {
            let is_kept = of(test).is_some_and(|(_, kept)| kept == "failed");
            if test.ends_with("by_a_timeout") && of(test).is_none() {
                // Its time may have been up before it had any.
                continue;
            }
            let should_be = !test.starts_with("passes::");
            assert_eq!(is_kept, should_be, "{runner:?}, {test}: {kept:?}\n{}", said.err);
            // Of a test that was killed under nextest nobody is left to say it, nor of one that is still
            // waited for when its time is up.
            if matches!(runner, Runner::CargoTest(_)) && !test.ends_with("by_a_timeout") {
                let told = said.out.contains(&format!("of outcomes::{test}, which failed\n"));
                assert_eq!(told, should_be, "{test}: {}", said.out);
            }
        }
        scene.kdev(&["pool", "cleanup", "--kept"]).good();
        scene.assert_no_trace();
    }
}

#[test]
fn every_shape_passes_under_every_runner() {
    every_shape_passes(&Scene::embedded().with_watchdogs());
}

#[test]
fn a_test_that_fails_in_any_way_keeps_its_volumes_if_asked_to() {
    let scene = Scene::embedded().with_watchdogs();
    what_failed_is_kept(&scene, &[Runner::CargoTest(16), Runner::Nextest]);
}

#[test]
fn a_test_that_fails_in_any_way_leaves_nothing() {
    // Without watchdogs: the process that waited takes the volumes back itself.
    let scene = Scene::embedded();
    let shapes = Shapes::find(&scene);
    let said = shapes
        .run(&scene, Runner::CargoTest(16), "outcomes", "fails::by_a")
        .say();
    let failed = results(Runner::CargoTest(16), &said);
    assert!(failed.values().all(|passed| !passed), "{failed:?}");
    assert!(failed.len() >= 12, "{failed:?}");
    // A test that ran out of rstest's time ends with its runner, and nobody waits for it.
    let left = scene.records();
    let timed_out = |record: &Value| record["test"].as_str().unwrap().ends_with("by_a_timeout");
    assert!(left.iter().all(timed_out), "{left:?}");
    wait_until("the last process has died", || {
        scene.kdev(&["pool", "cleanup"]).good();
        scene.is_without_trace()
    });
}

#[test]
fn a_test_that_gets_no_volumes_fails_also_if_it_should_panic() {
    let scene = Scene::with_pool_named("nowhere");
    let shapes = Shapes::find(&scene);
    for runner in [Runner::CargoTest(16), Runner::Nextest] {
        let said = shapes.run(&scene, runner, "shapes", "").say();
        let results = results(runner, &said);
        assert!(results.len() >= 41, "{runner:?}: {}\n{}", said.out, said.err);
        let passed: Vec<_> = results.iter().filter(|(_, passed)| **passed).collect();
        assert!(passed.is_empty(), "{runner:?}: {passed:?}");
    }
}

#[test]
fn many_tests_at_once_have_an_environment_each() {
    let scene = Scene::embedded();
    let shapes = Shapes::find(&scene);
    let report = scene.path("report");
    let runner = Runner::CargoTest(16);
    let said = shapes
        .run(&scene, runner, "many", "")
        .env("SHAPES_REPORT", &report)
        .say();
    assert_eq!(said.code, Some(0), "{}\n{}", said.out, said.err);
    assert_eq!(results(runner, &said).len(), 64);
    let pids: BTreeSet<u32> = reported(&report).iter().map(|line| line.pid).collect();
    assert_eq!(pids.len(), 64);
    scene.assert_no_trace();
}

#[test]
fn what_nextest_says_is_not_believed_of_what_a_test_starts() {
    let scene = Scene::embedded();
    let shapes = Shapes::find(&scene);
    let report = scene.path("report");
    let said = shapes
        .run(&scene, Runner::CargoTest(4), "shapes", "made_by")
        .env(AS_UNDER_NEXTEST.0, AS_UNDER_NEXTEST.1)
        .env("NEXTEST_TEST_NAME", "another::test")
        .env("SHAPES_REPORT", &report)
        .say();
    assert_eq!(said.code, Some(0), "{}\n{}", said.out, said.err);
    let pids: BTreeSet<u32> = reported(&report).iter().map(|line| line.pid).collect();
    assert_eq!(pids.len(), 2, "two tests have a process each");
}

#[test]
fn what_a_test_writes_is_shown_as_it_would_be_in_the_runners_process() {
    let scene = Scene::embedded();
    let shapes = Shapes::find(&scene);
    let run = |filter: &str, arguments: &[&str]| {
        let mut command = shapes.run(&scene, Runner::CargoTest(4), "outcomes", filter);
        command.args(arguments).say()
    };
    let said = run("passes::quietly", &[]);
    assert!(!said.out.contains("what a passing test writes"), "{}", said.out);
    assert_eq!(said.err, "", "all of it is captured");

    let said = run("passes::quietly", &["--nocapture"]);
    assert_eq!(
        said.out.matches("what a passing test writes\n").count(),
        1,
        "{}",
        said.out
    );
    assert_eq!(said.out.matches("running 1 test").count(), 1, "{}", said.out);
    assert_eq!(said.out.matches("test result").count(), 1, "{}", said.out);

    let said = run("fails::by_a_panic", &["--exact"]);
    let written = "---- fails::by_a_panic stdout ----\n";
    let (_, written) = said
        .out
        .split_once(written)
        .unwrap_or_else(|| panic!("{}", said.out));
    for text in [
        "written before the panic\n",
        "and to standard error\n",
        "tests/outcomes.rs:",
        "on purpose\n",
    ] {
        assert_eq!(written.matches(text).count(), 1, "`{text}` in {written}");
    }
    assert_eq!(said.out.matches("test result").count(), 1, "{}", said.out);
    assert_eq!(said.out.matches("failures:").count(), 2, "{}", said.out);
}

#[test]
fn a_process_that_a_test_leaves_behind_delays_nothing() {
    let scene = Scene::embedded();
    let shapes = Shapes::find(&scene);
    let runner = Runner::CargoTest(1);
    let said = shapes
        .run(&scene, runner, "outcomes", "although_it_leaves_a_process_behind")
        .arg("--nocapture")
        .say();
    assert_eq!(said.code, Some(0), "{}", said.err);
    assert!(said.err.contains("left a process behind"), "{}", said.err);
}

#[test]
fn the_processes_of_tests_end_with_the_process_that_waits_for_them() {
    let scene = Scene::embedded().with_watchdogs();
    let mut child = scene.child("waits");
    let child = scene.start_command(child.env_remove(AS_UNDER_NEXTEST.0));
    let owner = scene.records()[0]["pid"].as_u64().unwrap();
    assert_ne!(owner, u64::from(child.pid()), "the test runs elsewhere");
    child.kill();
    scene.wait_for_watchdogs();
    let stat = fs::read_to_string(format!("/proc/{owner}/stat")).unwrap_or_default();
    assert!(stat.is_empty() || stat.contains(") Z "), "{stat}");
}

#[test]
fn a_signal_to_the_group_ends_all_of_them() {
    let scene = Scene::embedded().with_watchdogs();
    let mut child = scene.child("waits");
    let child = scene.start_command(child.env_remove(AS_UNDER_NEXTEST.0));
    child.signal_group(Signal::SIGINT);
    child.wait();
    scene.wait_for_watchdogs();
}

#[test]
fn a_test_that_its_runner_does_not_know_by_name_fails_and_says_so() {
    let scene = Scene::embedded();
    let mut child = scene.child("calls_an_annotated_function");
    let said = child.env_remove(AS_UNDER_NEXTEST.0).say();
    assert_eq!(said.code, Some(101), "{}", said.err);
    assert!(said.err.contains("knows no test of that name"), "{}", said.err);
    scene.child("calls_an_annotated_function").good();
    scene.assert_no_trace();
}

#[test]
fn a_program_that_does_not_use_the_crate_has_nothing_of_it() {
    let scene = Scene::embedded();
    let shapes = Shapes::find(&scene);
    let has_constructor = |program: &str| {
        let text = fs::read(shapes.program(program)).unwrap();
        let word = b"KDEV_WATCHDOG_OF";
        text.windows(word.len()).any(|window| window == word)
    };
    assert!(has_constructor("many"));
    assert!(!has_constructor("nothing"));
}
