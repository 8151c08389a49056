//! A setup that fails, or whose process dies, at each of its steps.

use std::fs;

use serde_json::Value;

use crate::disk::Disk;
use crate::matrix::{Matrix, assert_passed};
use crate::pools::site::Site;
use crate::pools::wiped::used_disk;
use crate::scene::Say;

/// Has each step of the setup fail, and looks at the disk after. Returns the names of the steps.
fn each_step_fails(site: &Site) -> Vec<String> {
    let before = site.disk.content();
    let log = site.scene.path("steps");
    site.wipe().env("KDEV_FAULT_STEPS", &log).good();
    site.teardown().good();
    site.disk.write_all(&before);
    let steps: Vec<String> = fs::read_to_string(&log)
        .unwrap()
        .lines()
        .map(str::to_owned)
        .collect();
    for (number, step) in steps.iter().enumerate() {
        println!("failing at {number}, {step}");
        let said = site.wipe().env("KDEV_FAULT_FAIL", number.to_string()).say();
        assert!(said.err.contains("a test had this fail"), "{step}: {}", said.err);
        if said.code == Some(0) {
            // All was done but for forgetting how it would have been undone.
            assert!(step.contains("removed"), "{step}: {}", said.err);
            site.kdev(&["cleanup"]).good();
            site.teardown().good();
            site.disk.write_all(&before);
        } else {
            assert_eq!(said.code, Some(1), "{step}: {}", said.err);
            assert!(
                site.disk.content() == before,
                "the disk is not what it was: {step}: {}",
                said.err
            );
            assert!(!site.is_on_record() && !site.has_vg(), "{step}: {}", said.err);
        }
        site.assert_settled(&format!("after failing at `{step}`"));
    }
    steps
}

#[test]
fn a_setup_that_fails_anywhere_leaves_the_disk_as_it_was() {
    let steps = each_step_fails(&Site::new(used_disk()));
    assert_passed(
        &steps,
        &[
            "file replaced",
            "file replaced",
            "a range wiped",
            "a range wiped",
            "partitions forgotten",
            "about to run: lvm vgcreate",
            "done: lvm vgcreate",
            "file replaced",
            "intent removed",
            "saved bytes removed",
        ],
    );
}

#[test]
fn a_setup_of_a_blank_disk_that_fails_anywhere_leaves_it_blank() {
    let steps = each_step_fails(&Site::new(Disk::new(64)));
    assert_passed(&steps, &["done: lvm vgcreate", "file replaced", "intent removed"]);
}

#[test]
fn a_setup_that_wipes_and_dies_anywhere_is_finished_or_undone_by_the_next_command() {
    let site = Site::new(used_disk());
    let before = site.disk.content();
    let places = Matrix {
        scene: &site.scene,
        prepare: &|| {},
        command: &|| site.wipe(),
        known: 0,
        check: &|place| {
            site.kdev(&["cleanup"]).say();
            site.scene.kdev(&["pool", "cleanup"]).good();
            match site.is_on_record() {
                true => {
                    site.teardown().good();
                    assert!(site.disk.is_blank_at_both_ends(), "after dying at `{place}`");
                    site.disk.write_all(&before);
                }
                false => assert!(
                    site.disk.content() == before,
                    "not as it was after dying at `{place}`"
                ),
            }
            site.assert_settled(&format!("after dying at `{place}`"));
        },
    }
    .run();
    assert_passed(
        &places,
        &[
            "a range wiped",
            "partitions forgotten",
            "begun: lvm vgcreate",
            "intent removed",
        ],
    );
}

/// Dying over the undoing: what was written back, and what was not yet, are known for what they are.
#[test]
fn an_undoing_that_dies_anywhere_is_done_by_the_next_command() {
    let site = Site::new(used_disk());
    let before = site.disk.content();
    let is_made = |place: &String| place.contains("done: lvm vgcreate");
    let passed = |variable: &str, fail: &str| -> Vec<String> {
        let log = site.scene.path(variable);
        let said = site.wipe().env(variable, &log).env("KDEV_FAULT_FAIL", fail).say();
        if said.code == Some(0) {
            site.teardown().good();
            site.disk.write_all(&before);
        }
        let text = fs::read_to_string(log).unwrap();
        text.lines().map(str::to_owned).collect()
    };
    let steps = passed("KDEV_FAULT_STEPS", "none");
    let fail = steps.iter().position(is_made).unwrap().to_string();
    let places = passed("KDEV_FAULT_LOG", &fail);
    assert_passed(
        &places,
        &["a range wiped", "restored", "restored", "intent removed"],
    );
    let first = places.iter().position(is_made).unwrap();
    for (number, place) in places.iter().enumerate().skip(first) {
        let mut wipe = site.wipe();
        let died = wipe
            .env("KDEV_FAULT_FAIL", &fail)
            .env("KDEV_FAULT_AT", number.to_string());
        assert_eq!(died.say().code, None, "{place}");
        site.scene.kdev(&["pool", "cleanup"]).good();
        if site.is_on_record() {
            // The VG was there yet.
            site.teardown().good();
            site.disk.write_all(&before);
        }
        assert!(site.disk.content() == before, "after dying at `{place}`");
        site.assert_settled(&format!("after dying at `{place}`"));
    }
}

#[test]
fn a_teardown_that_overwrites_all_and_dies_anywhere_is_finished_by_the_next() {
    let site = Site::new(Disk::new(80));
    let teardown = || site.kdev(&["teardown", "--zero"]);
    let places = Matrix {
        scene: &site.scene,
        prepare: &|| {
            site.disk
                .write_at(std::io::SeekFrom::Start(40 << 20), b"left by a test");
            site.setup(&[]).good();
        },
        command: &teardown,
        known: 0,
        check: &|place| {
            let again = teardown().say();
            let is_done = again.err.contains("there is no pool");
            assert!(
                again.code == Some(0) || is_done,
                "after dying at `{place}`: {}",
                again.err
            );
            assert!(site.disk.is_all_zeros(), "after dying at `{place}`");
            assert!(!site.is_on_record(), "after dying at `{place}`");
            site.assert_settled(&format!("after dying at `{place}`"));
        },
    }
    .run();
    assert_passed(
        &places,
        &[
            "done: lvm vgremove",
            "a part overwritten",
            "a part overwritten",
            "restored",
            "intent removed",
        ],
    );
}

/// A disk that took the name of the one that was wiped, and is blank, is not given what that held.
#[test]
fn another_disk_of_the_same_name_is_not_written_to() {
    let site = Site::new(used_disk());
    let before = site.disk.content();
    let log = site.scene.path("places");
    site.wipe().env("KDEV_FAULT_LOG", &log).good();
    site.teardown().good();
    site.disk.write_all(&before);
    let places = fs::read_to_string(&log).unwrap();
    let wiped = places
        .lines()
        .position(|place| place == "partitions forgotten")
        .unwrap();
    site.wipe()
        .env("KDEV_FAULT_AT", wiped.to_string())
        .output()
        .unwrap();

    // As if it had been plugged in when the other was unplugged. To do that would let others have the name.
    let intent = site.scene.state_dir().join("device-pool.intent");
    let mut written: Value = serde_json::from_slice(&fs::read(&intent).unwrap()).unwrap();
    assert!(written["disk"]["diskseq"].is_string(), "{written}");
    written["disk"]["diskseq"] = "0".into();
    fs::write(&intent, written.to_string()).unwrap();
    site.disk.write_all(&vec![0; before.len()]);
    let said = site.scene.kdev(&["pool", "cleanup"]).say();
    assert_eq!(said.code, Some(0), "{}", said.err);
    assert!(
        said.err.contains("is not here, or may be another disk"),
        "{}",
        said.err
    );
    assert!(site.disk.is_all_zeros());
    // What waits would be forgotten over another change.
    for more in [&[][..], &["--dry-run"]] {
        let said = site.setup(more).say();
        assert_eq!(said.code, Some(1));
        assert!(
            said.err.contains("a setup or teardown was interrupted"),
            "{}",
            said.err
        );
    }
    let saved = fs::read(site.scene.state_dir().join("device-pool.saved")).unwrap();
    assert!(
        saved.windows(6).any(|bytes| bytes == b"$XIDE$"),
        "what was on it is still to be had"
    );
}

#[test]
fn what_somebody_else_has_used_meanwhile_is_theirs() {
    let site = Site::new(used_disk());
    let log = site.scene.path("places");
    site.wipe().env("KDEV_FAULT_LOG", &log).good();
    site.teardown().good();
    let places = fs::read_to_string(&log).unwrap();
    let wiped = places
        .lines()
        .position(|place| place == "partitions forgotten")
        .unwrap();
    site.disk.write_at(std::io::SeekFrom::End(-512), b"$XIDE$");
    site.disk
        .write_at(std::io::SeekFrom::Start(0), b"LUKS\xba\xbe\x00\x01");
    site.wipe()
        .env("KDEV_FAULT_AT", wiped.to_string())
        .output()
        .unwrap();
    crate::disk::run("mkfs.ext4", &["-q", "-L", "theirs", site.disk.name()]);
    let theirs = site.disk.content();
    let said = site.scene.kdev(&["pool", "cleanup"]).say();
    assert_eq!(said.code, Some(0), "{}", said.err);
    assert!(
        said.err.contains("a ext4 signature by now") && said.err.contains("is kept in"),
        "{}",
        said.err
    );
    assert!(site.disk.content() == theirs);
    let aside = fs::read_dir(site.scene.state_dir())
        .unwrap()
        .map(|entry| entry.unwrap().path());
    let aside = aside.filter(|path| path.to_string_lossy().contains("device-pool.saved-"));
    let kept = fs::read(aside.last().unwrap()).unwrap();
    assert!(
        kept.windows(6).any(|bytes| bytes == b"$XIDE$"),
        "what was on it is still to be had"
    );
    site.assert_settled("after a disk was used by somebody else");
}
