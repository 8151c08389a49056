//! Processes that die while they hold LVs.

use std::fs;
use std::path::Path;
use std::process::Command;

use crate::lvm::disk::{Pool, run};
use crate::scene::{Say, wait_until};

#[test]
fn the_next_process_removes_what_a_killed_test_left() {
    let pool = Pool::new(256);
    let child = pool.start("waits_after_unmounting");
    assert_eq!(pool.lvs().len(), 2);
    let records = pool.records();
    assert!(
        records.iter().all(|record| record["phase"] == "active"),
        "{records:?}"
    );
    child.kill();
    assert_eq!(pool.lvs().len(), 2, "LVs outlive their process");

    let said = pool.child("passes").say();
    assert_eq!(said.code, Some(0), "{}", said.err);
    assert!(
        said.err
            .contains("kdev: removed 2 volumes that dead processes left"),
        "{}",
        said.err
    );
    pool.assert_no_trace();
}

#[test]
fn a_live_tests_volumes_are_left_alone_with_records_and_without() {
    let pool = Pool::new(256);
    let child = pool.start("waits");
    let held = pool.lvs();
    pool.child("passes").good();
    assert_eq!(
        pool.kdev(&["pool", "cleanup", "--kept"]).good(),
        "nothing to clean up\n"
    );
    assert_eq!(pool.lvs(), held);

    pool.forget_the_records();
    assert_eq!(
        pool.kdev(&["pool", "cleanup", "--kept"]).good(),
        "nothing to clean up\n"
    );
    pool.child("passes").good();
    assert_eq!(pool.lvs(), held);
    let status = pool.kdev(&["pool", "status"]).good();
    assert!(status.contains("alive"), "the tags tell whose it is: {status}");

    child.kill();
    assert_eq!(
        pool.kdev(&["pool", "cleanup"]).good(),
        format!("removed {}\n", held[0])
    );
    pool.assert_no_trace();
}

#[test]
fn a_process_that_starts_finds_what_no_record_tells_of() {
    let pool = Pool::new(128);
    pool.start("waits").kill();
    pool.forget_the_records();
    let said = pool.child("passes").say();
    assert!(said.err.contains("kdev: removed 1 volume"), "{}", said.err);
    pool.assert_no_trace();
}

#[test]
fn without_records_the_tags_tell_who_is_dead() {
    for damage in ["missing", "empty", "garbage"] {
        let pool = Pool::new(256);
        pool.start("waits").kill();
        let file = pool.state_dir().join("lv-state.json");
        match damage {
            "missing" => fs::remove_file(file).unwrap(),
            "empty" => fs::write(file, "").unwrap(),
            _ => fs::write(file, "\0{]").unwrap(),
        }
        fs::remove_file(&pool.leases()[0]).unwrap();
        let cleaned = pool.kdev(&["pool", "cleanup"]).say();
        assert_eq!(cleaned.code, Some(0), "{damage}: {}", cleaned.err);
        assert!(
            cleaned.out.starts_with("removed kdev-"),
            "{damage}: {}",
            cleaned.out
        );
        pool.assert_no_trace();
    }
}

#[test]
fn a_volume_that_somebody_removed_by_hand_is_forgotten() {
    let pool = Pool::new(256);
    pool.start("waits").kill();
    run("lvremove", &["--yes", &format!("{}/{}", pool.vg, pool.lvs()[0])]);
    let cleaned = pool.kdev(&["pool", "cleanup"]).good();
    assert!(cleaned.starts_with("dropped the record of kdev-"), "{cleaned}");
    pool.assert_no_trace();
}

/// The name is the same and the owner is not: what somebody made in a dead volume's place is theirs.
#[test]
fn a_reused_name_is_not_removed() {
    let pool = Pool::new(256);
    pool.start("waits").kill();
    let lv = format!("{}/{}", pool.vg, pool.lvs()[0]);
    run("lvremove", &["--yes", &lv]);
    run(
        "lvcreate",
        &[
            "--yes",
            "--size=16m",
            "--name",
            lv.split_once('/').unwrap().1,
            &pool.vg,
        ],
    );
    pool.child("passes").good();
    pool.kdev(&["pool", "cleanup", "--kept"]).good();
    assert_eq!(pool.lvs().len(), 1);
    assert!(Path::new("/dev").join(&lv).exists(), "it is as active as it was");
    pool.scene.assert_no_trace();
}

#[test]
fn room_that_the_dead_hold_is_room() {
    let pool = Pool::new(96);
    let child = pool.start("waits_after_unmounting");
    child.kill();
    // 96 MiB hold one such test at a time. Without the constructor's help, the allocation itself reaps.
    let mut second = pool.child("waits_after_unmounting");
    let second = pool.start_command(second.env("KDEV_REAPER", "off"));
    assert_eq!(pool.lvs().len(), 2);
    second.kill();
    pool.kdev(&["pool", "cleanup"]).good();
    pool.assert_no_trace();
}

/// While this lives, udev handles no event, so that LVM waits for it in the middle of its work.
pub(super) struct UdevAtRest;

impl UdevAtRest {
    pub(super) fn new() -> Self {
        run("udevadm", &["control", "--stop-exec-queue"]);
        Self
    }
}

impl Drop for UdevAtRest {
    fn drop(&mut self) {
        run("udevadm", &["control", "--start-exec-queue"]);
    }
}

#[test]
fn an_lvcreate_that_outlives_its_owner_holds_the_lease() {
    let pool = Pool::new(256);
    let udev = UdevAtRest::new();
    let child = pool.start_without_waiting("passes");
    let made = || run("lvs", &["--readonly", "--noheadings", "-o", "lv_name", &pool.vg]);
    wait_until("LVM has made the volume", || !made().trim().is_empty());
    child.kill();
    let [lease] = pool.leases().try_into().unwrap();
    let is_free = || {
        pool.program("flock")
            .arg("--nonblock")
            .arg(&lease)
            .arg("true")
            .say()
            .code
            == Some(0)
    };
    assert!(!is_free(), "the test is dead, and LVM still works for it");
    drop(udev);
    wait_until("LVM is done", is_free);

    let cleaned = pool.kdev(&["pool", "cleanup"]).good();
    assert!(cleaned.starts_with("removed kdev-"), "{cleaned}");
    pool.assert_no_trace();
}

/// What a killed first activation leaves: the pool's metadata active, and the pool not.
#[test]
fn a_thin_pool_that_a_kill_has_wedged_is_mended_by_a_cleanup() {
    let pool = Pool::new(256);
    let thin = format!("{}/tpool", pool.vg);
    let foreign = format!("{}/foreign", pool.vg);
    for (name, tag) in [("tpool", "kdev.pool"), ("foreign", "somebodys")] {
        run(
            "lvcreate",
            &[
                "--yes",
                "--quiet",
                "--quiet",
                "--type=thin-pool",
                "--size=32m",
                "--poolmetadataspare=n",
                "--addtag",
                tag,
                "--name",
                name,
                &pool.vg,
            ],
        );
    }
    for pool in [&thin, &foreign] {
        run("lvchange", &["--activate", "n", pool]);
        run(
            "lvchange",
            &["--yes", "--activate", "y", &format!("{pool}_tmeta")],
        );
    }
    let make = |pool: &str| {
        let mut lvcreate = Command::new("lvcreate");
        lvcreate.args(["--yes", "--virtualsize=16m", "--thinpool", pool, "--name", "thin"]);
        lvcreate.say().code
    };
    assert_eq!(make(&thin), Some(5), "it is wedged");
    pool.kdev(&["pool", "cleanup"]).good();
    assert_eq!(make(&thin), Some(0));
    assert_eq!(make(&foreign), Some(5), "it is not ours to mend");
}
