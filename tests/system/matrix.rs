//! Dying at every place at which anything has been done, and what the next process makes of it: on loop
//! devices here, and in `lvm` on LVs.

use std::fs;
use std::os::unix::process::ExitStatusExt;
use std::process::Command;

use nix::sys::signal::Signal;

use crate::scene::{Say, Scene, wait_until};

/// What is to die, and how it is seen that nothing is lost.
pub(crate) struct Matrix<'a> {
    pub(crate) scene: &'a Scene,
    /// Makes what the command works on.
    pub(crate) prepare: &'a dyn Fn(),
    pub(crate) command: &'a dyn Fn() -> Command,
    /// How many of the first places are those of another matrix.
    pub(crate) known: usize,
    /// Looks after what is left, after the command died at that place.
    pub(crate) check: &'a dyn Fn(&str),
}

impl Matrix<'_> {
    /// Has the command die at each place, and returns the names of the places.
    pub(crate) fn run(&self) -> Vec<String> {
        self.run_until("the end")
    }

    /// Does so up to the first place of that name, behind which all are those of another matrix.
    pub(crate) fn run_until(&self, last: &str) -> Vec<String> {
        let log = self.scene.path("places");
        (self.prepare)();
        let whole = (self.command)().env("KDEV_FAULT_LOG", &log).output().unwrap();
        let places = fs::read_to_string(&log).unwrap_or_else(|_| panic!("passed no place: {whole:?}"));
        fs::remove_file(&log).unwrap();
        let places: Vec<String> = places.lines().map(str::to_owned).collect();
        (self.check)("the end");
        let end = places
            .iter()
            .position(|place| place == last)
            .map_or(places.len(), |at| at + 1);
        for (number, place) in places.iter().enumerate().take(end).skip(self.known) {
            println!("dying at {number}, {place}");
            self.die_at(number, place);
            (self.check)(place);
        }
        places
    }

    /// Other tests look at all loop devices, and what is looked at when its owner dies is there a moment longer:
    /// so there may be a place less in one run than in another. Then it dies in the next.
    fn die_at(&self, number: usize, place: &str) {
        for _ in 0..10 {
            (self.prepare)();
            let ended = (self.command)()
                .env("KDEV_FAULT_AT", number.to_string())
                .output()
                .unwrap();
            if ended.status.signal() == Some(Signal::SIGKILL as i32) {
                return;
            }
            assert!(ended.status.success(), "{place}: {ended:?}");
            (self.check)("the end");
        }
        panic!("it never dies at {number}, {place}");
    }
}

/// The places passed, and among them these, in this order.
pub(crate) fn assert_passed(places: &[String], expected: &[&str]) {
    let mut rest = places.iter();
    for name in expected {
        assert!(
            rest.any(|place| place.contains(name)),
            "did not pass `{name}` in its turn: {places:#?}"
        );
    }
}

/// A fresh process gets its volumes, and soon nothing is left: what LVM was still at work on is reaped
/// when that is done.
pub(crate) fn comes_to_nothing(scene: &Scene, place: &str, volumes: &dyn Fn() -> Vec<String>) {
    let said = scene.child("passes").say();
    assert_eq!(said.code, Some(0), "after dying at `{place}`: {}", said.err);
    wait_until(&format!("nothing is left after dying at `{place}`"), || {
        if scene.is_without_trace() && volumes().is_empty() {
            return true;
        }
        scene.kdev(&["pool", "cleanup"]).good();
        false
    });
}

/// What was kept is there and on record, or is not there and not on record; and goes when asked.
pub(crate) fn is_kept_or_gone(scene: &Scene, place: &str, volumes: &dyn Fn() -> Vec<String>) {
    let on_record = || -> Vec<String> {
        let mut names: Vec<String> = scene
            .records()
            .iter()
            .map(|record| {
                assert!(record["kept"].is_string(), "after dying at `{place}`: {record}");
                record["lv_name"].as_str().unwrap().to_owned()
            })
            .collect();
        names.sort();
        names
    };
    wait_until(&format!("both books agree after dying at `{place}`"), || {
        scene.kdev(&["pool", "cleanup"]).good();
        let all_kept = scene.records().iter().all(|record| record["kept"].is_string());
        all_kept && on_record() == volumes()
    });
    let said = scene.child("passes").say();
    assert_eq!(said.code, Some(0), "after dying at `{place}`: {}", said.err);
    scene.kdev(&["pool", "cleanup", "--kept"]).good();
    assert!(volumes().is_empty(), "after dying at `{place}`");
    scene.assert_no_trace();
}

/// The loop devices that the kernel has under names of ours and this scene's sessions.
pub(crate) fn attached(scene: &Scene) -> Vec<String> {
    let mut names: Vec<String> = scene
        .records()
        .iter()
        .filter(|record| {
            let device = record["lv_path"].as_str().unwrap();
            let sys = device.replace("/dev/", "/sys/block/") + "/loop/backing_file";
            record["kind"] == "loop" && fs::exists(sys).unwrap()
        })
        .map(|record| record["lv_name"].as_str().unwrap().to_owned())
        .collect();
    names.sort();
    names
}

#[test]
fn a_session_that_dies_anywhere_comes_to_nothing() {
    let scene = Scene::embedded();
    let places = Matrix {
        scene: &scene,
        prepare: &|| {},
        command: &|| scene.child("passes_with_two"),
        known: 0,
        check: &|place| comes_to_nothing(&scene, place, &|| attached(&scene)),
    }
    .run();
    assert_passed(
        &places,
        &[
            "lease made",
            "file replaced",
            "loop device attached",
            "loop device attached",
            "file replaced",
            "volumes removed",
            "file replaced",
            "lease removed",
        ],
    );
}

#[test]
fn a_session_whose_keeping_dies_anywhere_is_kept_or_gone() {
    for (name, keep, kept) in [("passes_with_two", "always", 2), ("keeps", "never", 1)] {
        let scene = Scene::embedded();
        let places = Matrix {
            scene: &scene,
            prepare: &|| {},
            command: &|| {
                let mut child = scene.child(name);
                child.env("KDEV_KEEP", keep);
                child
            },
            known: 0,
            check: &|place| is_kept_or_gone(&scene, place, &|| attached(&scene)),
        }
        .run();
        assert_passed(&places, &["file replaced", "loop device kept"]);
        let kept_here = places.iter().filter(|place| *place == "loop device kept");
        assert_eq!(kept_here.count(), kept, "{places:#?}");
    }
}

/// The second session that is kept removes the first.
#[test]
fn a_session_whose_keeping_removes_another_and_dies_anywhere_leaves_both_kept_or_gone() {
    let scene = Scene::embedded();
    let kept = || {
        let mut child = scene.child("passes");
        child.env("KDEV_KEEP", "always").env("KDEV_KEEP_MAX", "1");
        child
    };
    let places = Matrix {
        scene: &scene,
        prepare: &|| {
            kept().good();
        },
        command: &kept,
        known: 0,
        check: &|place| is_kept_or_gone(&scene, place, &|| attached(&scene)),
    }
    .run();
    assert_passed(
        &places,
        &[
            "loop device kept",
            "loop device detached",
            "volumes removed",
            "lease removed",
        ],
    );
}

#[test]
fn a_cleanup_that_dies_anywhere_is_finished_by_the_next() {
    let scene = Scene::embedded();
    for lose_the_records in [false, true] {
        let point = scene.mount_point();
        let places = Matrix {
            scene: &scene,
            prepare: &|| {
                let mut child = scene.child("waits_while_mounted");
                scene
                    .start_command(child.env("CHILD_MOUNT_POINT", &point.path))
                    .kill();
                if lose_the_records {
                    fs::remove_file(scene.state_dir().join("lv-state.json")).unwrap();
                }
            },
            command: &|| scene.kdev(&["pool", "cleanup"]),
            known: 0,
            check: &|place| comes_to_nothing(&scene, place, &|| attached(&scene)),
        }
        .run();
        assert_passed(
            &places,
            &["unmounted", "volumes removed", "file replaced", "lease removed"],
        );
    }
}

#[test]
fn a_cleanup_of_kept_volumes_that_dies_anywhere_is_finished_by_the_next() {
    let scene = Scene::embedded();
    let places = Matrix {
        scene: &scene,
        prepare: &|| {
            scene.child("passes_with_two").env("KDEV_KEEP", "always").good();
        },
        command: &|| scene.kdev(&["pool", "cleanup", "--kept"]),
        known: 0,
        check: &|place| is_kept_or_gone(&scene, place, &|| attached(&scene)),
    }
    .run();
    assert_passed(&places, &["loop device detached", "volumes removed"]);
}

#[test]
fn a_watchdog_that_dies_anywhere_leaves_its_work_to_the_next_process() {
    watchdogs_die_anywhere(
        &Scene::embedded().with_watchdogs(),
        &|| Vec::new(),
        &["unmounted", "volumes removed", "lease removed"],
    );
}

pub(crate) fn watchdogs_die_anywhere(scene: &Scene, volumes: &dyn Fn() -> Vec<String>, passed: &[&str]) {
    let point = scene.mount_point();
    let log = scene.path("places");
    let owner_dies = |variable: &str, value: &str| {
        let mut child = scene.child("waits_while_mounted");
        child.env("CHILD_MOUNT_POINT", &point.path).env(variable, value);
        scene.start_command(&mut child).kill();
        wait_until("the watchdog is gone", || scene.watchdogs().is_empty());
    };
    owner_dies("KDEV_WATCHDOG_FAULT_LOG", log.to_str().unwrap());
    assert!(
        scene.is_without_trace() && volumes().is_empty(),
        "the watchdog gave all back"
    );
    let places: Vec<String> = fs::read_to_string(&log)
        .unwrap()
        .lines()
        .map(str::to_owned)
        .collect();
    assert_passed(&places, passed);
    for (number, place) in places.iter().enumerate() {
        owner_dies("KDEV_WATCHDOG_FAULT_AT", &number.to_string());
        comes_to_nothing(scene, place, volumes);
        wait_until("the watchdog is gone", || scene.watchdogs().is_empty());
    }
}
