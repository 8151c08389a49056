//! Dying at every place on real LVM, which may be in the middle of its work then and goes on with it.

use std::process::Command;

use crate::lvm::disk::{Disk, Pool};
use crate::matrix::{Matrix, assert_passed, comes_to_nothing, is_kept_or_gone, watchdogs_die_anywhere};
use crate::scene::{Say, Scene};

#[test]
fn a_session_that_dies_anywhere_comes_to_nothing() {
    let pool = Pool::new(128);
    let places = Matrix {
        scene: &pool,
        prepare: &|| {},
        command: &|| pool.child("passes_with_two"),
        known: 0,
        check: &|place| comes_to_nothing(&pool, place, &|| pool.lvs()),
    }
    .run();
    assert_passed(
        &places,
        &[
            "lease made",
            "file replaced",
            "begun: lvm lvcreate",
            "done: lvm lvcreate",
            "file replaced",
            "file replaced",
            "begun: lvm lvremove",
            "volumes removed",
            "file replaced",
            "lease removed",
        ],
    );
}

#[test]
fn a_session_whose_keeping_dies_anywhere_is_kept_or_gone() {
    let pool = Pool::new(128);
    // Until the volume is there and on record it makes no difference that it will be kept.
    let before = 10;
    let places = Matrix {
        scene: &pool,
        prepare: &|| {},
        command: &|| pool.child("keeps"),
        known: before,
        check: &|place| is_kept_or_gone(&pool, place, &|| pool.lvs()),
    }
    .run();
    assert!(places[before - 1] == "file replaced", "{places:#?}");
    assert_passed(
        &places[before..],
        &["begun: lvm lvchange", "done: lvm lvchange", "file replaced"],
    );
}

#[test]
fn a_session_that_is_to_be_kept_and_dies_anywhere_is_kept_or_gone() {
    let pool = Pool::new(128);
    let places = Matrix {
        scene: &pool,
        prepare: &|| {},
        command: &|| {
            let mut child = pool.child("passes");
            child.env("KDEV_KEEP", "always");
            child
        },
        known: 0,
        check: &|place| is_kept_or_gone(&pool, place, &|| pool.lvs()),
    }
    .run();
    assert_passed(&places, &["file replaced", "--addtag kdev.kept", "file replaced"]);
    assert!(
        !places.iter().any(|place| place.contains("lvchange")),
        "it was marked when it was made: {places:#?}"
    );
}

#[test]
fn a_cleanup_that_dies_anywhere_is_finished_by_the_next() {
    let pool = Pool::new(128);
    let point = pool.mount_point();
    let places = Matrix {
        scene: &pool,
        prepare: &|| {
            let mut child = pool.child("waits_while_mounted");
            pool.start_command(child.env("CHILD_MOUNT_POINT", &point.path))
                .kill();
            // So that finding it again, and writing it down, is part of it.
            pool.forget_the_records();
        },
        command: &|| pool.kdev(&["pool", "cleanup"]),
        known: 0,
        check: &|place| comes_to_nothing(&pool, place, &|| pool.lvs()),
    }
    .run();
    assert_passed(
        &places,
        &[
            "file replaced",
            "unmounted",
            "begun: lvm lvremove",
            "volumes removed",
            "file replaced",
            "lease removed",
        ],
    );
}

#[test]
fn a_watchdog_that_dies_anywhere_leaves_its_work_to_the_next_process() {
    let pool = Pool::with_watchdogs(128);
    watchdogs_die_anywhere(
        &pool,
        &|| pool.lvs(),
        &[
            "unmounted",
            "begun: lvm lvremove",
            "volumes removed",
            "file replaced",
            "lease removed",
        ],
    );
}

/// A disk, and the commands that make a pool of it and a disk again.
struct Site {
    scene: Scene,
    disk: Disk,
    pool: String,
}

impl Site {
    fn new() -> Self {
        let pool = format!("m{}", std::process::id());
        Self {
            scene: Scene::with_pool_named(&pool),
            disk: Disk::new(96),
            pool,
        }
    }

    fn setup(&self) -> Command {
        let device = format!("--device={}", self.disk.name());
        self.scene
            .kdev(&["pool", "setup", &device, &format!("--pool={}", self.pool)])
    }

    fn teardown(&self) -> Command {
        self.scene
            .kdev(&["pool", "teardown", &format!("--pool={}", self.pool)])
    }

    fn is_on_record(&self) -> bool {
        self.scene.kdev(&["pool", "list"]).good().contains(&self.pool)
    }

    fn assert_blank(&self, place: &str) {
        assert!(self.disk.is_blank_at_both_ends(), "after dying at `{place}`");
        assert!(!self.is_on_record(), "after dying at `{place}`");
        assert!(
            !self.scene.state_dir().join("device-pool.intent").exists(),
            "after dying at `{place}`"
        );
    }
}

impl Drop for Site {
    fn drop(&mut self) {
        // Whatever a failed test left, so that the disk can be detached.
        let vg = format!("kerneldev-{}-vg", self.pool);
        let _ = Command::new("vgremove")
            .args(["--force", "--force", "--yes", &vg])
            .output();
    }
}

#[test]
fn a_setup_that_dies_anywhere_is_finished_by_the_next() {
    let site = Site::new();
    let places = Matrix {
        scene: &site.scene,
        prepare: &|| {},
        command: &|| site.setup(),
        known: 0,
        check: &|place| {
            let again = site.setup().say();
            let is_done = again.err.contains("exists already");
            assert!(
                again.code == Some(0) || is_done,
                "after dying at `{place}`: {}",
                again.err
            );
            site.scene.child("passes").good();
            site.teardown().good();
            site.assert_blank(place);
        },
    }
    .run();
    assert_passed(
        &places,
        &[
            "file replaced",
            "begun: lvm vgcreate",
            "done: lvm vgcreate",
            "file replaced",
            "intent removed",
        ],
    );
}
