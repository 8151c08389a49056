//! Volumes that stay because somebody asked for it, and for how long.

use std::path::Path;
use std::process::Command;
use std::thread;

use nix::sys::signal::Signal;
use serde_json::{Value, json};

use crate::scene::{Say, Scene, wait_until};

/// The names of all volumes on record, the oldest first.
pub(crate) fn names(scene: &Scene) -> Vec<String> {
    let records = scene.records();
    let names = records.iter().map(|record| record["lv_name"].as_str().unwrap());
    names.map(str::to_owned).collect()
}

#[test]
fn kept_volumes_of_that_age_go() {
    kept_of_that_age_go(&Scene::embedded());
}

/// Of three kept volumes those go that are old, and what a dead process left, and nothing else.
pub(crate) fn kept_of_that_age_go(scene: &Scene) {
    for _ in 0..3 {
        scene.child("passes").env("KDEV_KEEP", "always").good();
    }
    let [old, unreadable, new] = names(scene).try_into().unwrap();
    scene.change_record(&old, "allocated_at", "2025-11-15T10:30:45");
    // Its name tells too: it is from a moment ago.
    scene.change_record(&unreadable, "allocated_at", "once");
    scene.start("waits").kill();
    let dead = names(scene).pop().unwrap();
    let live = scene.start_command(scene.child("waits").env("KDEV_REAPER", "off"));
    let live_name = names(scene).pop().unwrap();
    scene.change_record(&live_name, "allocated_at", "2025-11-15T10:30:45");

    let said = scene
        .kdev(&["pool", "cleanup", "--kept", "--older-than=2d"])
        .good();
    assert!(said.contains(&format!("removed {old}\n")), "{said}");
    // Of a dead process's loop device the kernel may have left only the record.
    assert!(said.contains(&dead) && said.lines().count() == 2, "{said}");
    assert_eq!(names(scene), [unreadable, new, live_name]);
    live.kill();
    scene
        .kdev(&["pool", "cleanup", "--kept", "--older-than=0s"])
        .good();
    scene.assert_no_trace();
}

/// A child under a policy and a bound.
fn bounded(scene: &Scene, child: &str, keep: &str, most: &str) -> Command {
    let mut child = scene.child(child);
    child.env("KDEV_KEEP", keep).env("KDEV_KEEP_MAX", most);
    child
}

#[test]
fn only_so_many_sessions_stay_and_the_oldest_go() {
    oldest_kept_go(&Scene::embedded());
}

/// Keeps two of four sessions, the last ones, and says which go.
pub(crate) fn oldest_kept_go(scene: &Scene) {
    let mut made = Vec::new();
    for _ in 0..4 {
        let said = bounded(scene, "passes", "always", "2").say();
        assert_eq!(said.code, Some(0), "{}", said.err);
        made.push(names(scene).pop().unwrap());
        let too_many = made.iter().rev().nth(2);
        let told =
            too_many.map(|name| format!("kdev: removed 1 volume kept earlier (`KDEV_KEEP_MAX`): {name}\n"));
        match told {
            Some(told) => assert!(said.err.contains(&told), "{}", said.err),
            None => assert!(!said.err.contains("KDEV_KEEP_MAX"), "{}", said.err),
        }
    }
    assert_eq!(names(scene), made[2..]);
    // Without a bound nothing goes.
    bounded(scene, "passes", "always", "").good();
    assert_eq!(names(scene).len(), 3);
    scene.kdev(&["pool", "cleanup", "--kept"]).good();
    scene.assert_no_trace();
}

#[test]
fn what_a_test_keeps_of_its_own_accord_neither_counts_nor_goes() {
    let scene = Scene::embedded();
    bounded(&scene, "keeps", "never", "1").good();
    bounded(&scene, "passes_with_two", "always", "1").good();
    bounded(&scene, "passes_with_two", "always", "1").good();
    bounded(&scene, "keeps", "never", "1").good();
    let kept: Vec<String> = scene
        .records()
        .iter()
        .map(|record| record["kept"].to_string())
        .collect();
    assert_eq!(kept, ["\"asked\"", "\"always\"", "\"always\"", "\"asked\""]);
    scene.kdev(&["pool", "cleanup", "--kept"]).good();
    scene.assert_no_trace();
}

#[test]
fn each_pool_has_its_own_bound() {
    let scene = Scene::embedded();
    bounded(&scene, "passes", "always", "1").good();
    let [elsewhere] = names(&scene).try_into().unwrap();
    scene.change_record(&elsewhere, "pool_name", "elsewhere");
    bounded(&scene, "passes", "always", "1").good();
    bounded(&scene, "passes", "always", "1").good();
    let [first, _] = names(&scene).try_into().unwrap();
    assert_eq!(first, elsewhere);
    scene.kdev(&["pool", "cleanup", "--kept"]).good();
    scene.assert_no_trace();
}

#[test]
fn what_a_live_test_will_keep_neither_counts_nor_goes_and_counts_when_it_is_killed() {
    let scene = Scene::embedded();
    let live = scene.start_command(&mut bounded(&scene, "waits", "failed", "1"));
    let [lives] = names(&scene).try_into().unwrap();
    bounded(&scene, "fails", "failed", "1").say();
    bounded(&scene, "fails", "failed", "1").say();
    let [still_lives, kept] = names(&scene).try_into().unwrap();
    assert_eq!(still_lives, lives);
    assert_eq!(scene.volume_status(&lives)["verdict"], "alive");
    live.kill();
    assert_eq!(scene.volume_status(&lives)["verdict"], "kept");
    bounded(&scene, "fails", "failed", "2").say();
    assert_eq!(names(&scene).len(), 2, "the killed one was the oldest");
    assert!(names(&scene).contains(&kept) && !names(&scene).contains(&lives));
    scene.kdev(&["pool", "cleanup", "--kept"]).good();
    scene.assert_no_trace();
}

#[test]
fn a_kept_volume_that_somebody_looks_at_stays_and_the_test_does_not_fail_by_it() {
    let scene = Scene::embedded();
    bounded(&scene, "passes", "always", "1").good();
    let device = scene.records()[0]["lv_path"].as_str().unwrap().to_owned();
    scene.program("mkfs.ext4").args(["-q", "-F", &device]).good();
    let point = scene.mount_point().mount(Path::new(&device));
    let said = bounded(&scene, "passes", "always", "1").say();
    assert_eq!(said.code, Some(0), "{}", said.err);
    let held = format!("mounted on {}, it stays on record", point.path.display());
    assert!(
        said.err.contains("could not remove") && said.err.contains(&held),
        "{}",
        said.err
    );
    let said = bounded(&scene, "passes", "always", "1").say();
    assert!(
        !said.err.contains("could not remove"),
        "not again at once: {}",
        said.err
    );
    assert_eq!(names(&scene).len(), 2, "it counts, and what came between is gone");
    drop(point);
    scene.kdev(&["pool", "cleanup", "--kept"]).good();
    scene.assert_no_trace();
}

#[test]
fn of_many_that_keep_at_once_as_many_stay_as_may() {
    let scene = Scene::embedded();
    thread::scope(|scope| {
        for _ in 0..6 {
            scope.spawn(|| {
                for _ in 0..4 {
                    let said = bounded(&scene, "passes", "always", "3").say();
                    assert_eq!(said.code, Some(0), "{}", said.err);
                    assert!(!said.err.contains("could not"), "{}", said.err);
                }
            });
        }
    });
    assert_eq!(names(&scene).len(), 3);
    scene.kdev(&["pool", "cleanup", "--kept"]).good();
    scene.assert_no_trace();
}

#[test]
fn a_bound_that_is_none_is_an_error_before_anything_is_made() {
    for most in ["0", "-1", "many", "1.5"] {
        let scene = Scene::embedded();
        let said = bounded(&scene, "passes", "never", most).say();
        assert_eq!(said.code, Some(101));
        assert!(
            said.err.contains(&format!("`KDEV_KEEP_MAX={most}`")) && said.err.contains("`KDEV_KEEP=never`"),
            "{}",
            said.err
        );
        assert!(!scene.state_dir().exists());
    }
}

#[test]
fn the_message_says_how_to_look_at_what_was_kept_and_how_to_remove_it() {
    let scene = Scene::embedded();
    let said = scene.child("fails").env("KDEV_KEEP", "failed").say();
    let [record] = scene.records().try_into().unwrap();
    let [name, device] = ["lv_name", "lv_path"].map(|key| record[key].as_str().unwrap());
    let kdev = format!("KDEV_STATE_DIR={} kdev", scene.state_dir().display());
    let expected = format!(
        "kdev: kept {device} (16M, volume `test`) of {}, which failed\n\
         kdev: look at it with `mount {device} /mnt` or `{kdev} pool status`; \
         remove it with `{kdev} pool cleanup --kept {name}`\n",
        record["test"].as_str().unwrap()
    );
    assert!(said.err.contains(&expected), "{}", said.err);
    scene.kdev(&["pool", "cleanup", "--kept", name]).good();
    scene.assert_no_trace();
}

/// A process that ends without a word over its test has failed.
#[test]
fn under_failed_what_died_is_kept_however_it_died() {
    for watched in [false, true] {
        for end in ["aborts", "exits", "SIGKILL", "SIGTERM"] {
            let scene = match watched {
                false => Scene::embedded(),
                true => Scene::embedded().with_watchdogs(),
            };
            let signal = match end {
                "SIGKILL" => Some(Signal::SIGKILL),
                "SIGTERM" => Some(Signal::SIGTERM),
                _ => None,
            };
            match signal {
                Some(signal) => {
                    let child = scene.start_command(scene.child("waits").env("KDEV_KEEP", "failed"));
                    child.signal_group(signal);
                    child.wait();
                }
                None => drop(scene.child(end).env("KDEV_KEEP", "failed").output().unwrap()),
            }
            wait_until("the watchdog is gone", || scene.watchdogs().is_empty());
            scene.child("passes").good();
            let [record] = scene.records().try_into().unwrap();
            let status = scene.volume_status(record["lv_name"].as_str().unwrap());
            assert_eq!(
                (&status["verdict"], &status["kept"]),
                (&"kept".into(), &"failed".into()),
                "{end}"
            );
            scene.kdev(&["pool", "cleanup", "--kept"]).good();
            wait_until("the watchdog is gone", || scene.watchdogs().is_empty());
            scene.assert_no_trace();
        }
    }
}

/// What nextest says of a test is on record, and told of; what it says of another test is not.
#[test]
fn the_attempt_and_the_run_are_told_of() {
    let scene = Scene::embedded();
    let run_id = "3a1b0c9e-8f7d-4a6b-9c5d-2e1f00aa11bb";
    let attempted = |test: &str, attempt: &str| {
        let mut child = scene.child("fails");
        child.env("KDEV_KEEP", "failed").env("NEXTEST_TEST_NAME", test);
        child
            .env("NEXTEST_BINARY_ID", "app::it")
            .env("NEXTEST_ATTEMPT", attempt);
        child.env("NEXTEST_RUN_ID", run_id).say().err
    };
    let first = attempted("children::fails", "1");
    assert!(
        first.contains("of app::it$children::fails, which failed\n"),
        "{first}"
    );
    let third = attempted("children::fails", "3");
    assert!(
        third.contains("of app::it$children::fails (attempt 3), which failed\n"),
        "{third}"
    );
    let inherited = attempted("outer::test", "3");
    assert!(
        !inherited.contains("attempt") && !inherited.contains("app::it"),
        "{inherited}"
    );

    let shown: Vec<(Value, Value)> = names(&scene)
        .iter()
        .map(|name| scene.volume_status(name))
        .map(|volume| (volume["attempt"].clone(), volume["run_id"].clone()))
        .collect();
    assert_eq!(
        shown,
        [
            (json!(1), json!(run_id)),
            (json!(3), json!(run_id)),
            (Value::Null, Value::Null)
        ]
    );
    let [_, _, inherited] = scene.records().try_into().unwrap();
    assert!(inherited.get("attempt").is_none() && inherited.get("run_id").is_none());
    let table = scene.kdev(&["pool", "status"]).good();
    assert!(table.contains("app::it$children::fails\n"), "{table}");
    assert!(table.contains("app::it$children::fails #3\n"), "{table}");
    scene.kdev(&["pool", "cleanup", "--kept"]).good();
    scene.assert_no_trace();
}
