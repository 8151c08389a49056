//! Pools that give out more than they have.

use std::fs;
use std::io::SeekFrom;
use std::process::Command;

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use serde_json::json;

use crate::command::keys;
use crate::lvm::crash::UdevAtRest;
use crate::lvm::disk::{Disk, Pool, run};
use crate::lvm::queue::waiting;
use crate::matrix::{assert_passed, comes_to_nothing};
use crate::pools::Site;
use crate::scene::{Running, Say, wait_until};

/// LVM has 76M of it, and 68M are for data.
const DISK: u64 = 96;

#[test]
fn a_test_that_fills_its_pool_has_enospc_and_is_told_why_and_the_next_one_has_room() {
    let pool = Pool::thin(DISK, 4);
    let fullness = pool.fullness();
    let expected = [
        "data_bytes",
        "data_percent",
        "given_out_bytes",
        "metadata_percent",
        "overcommit",
    ];
    assert_eq!(keys(&fullness), expected);
    let help = pool.kdev(&["pool", "status", "--help"]).good();
    for key in expected {
        assert!(help.contains(&format!("\n    {key} ")), "{key}: {help}");
    }
    assert_eq!(
        (
            &fullness["overcommit"],
            &fullness["data_bytes"],
            &fullness["data_percent"]
        ),
        (&json!(4), &json!(68 << 20), &json!(0))
    );
    let said = pool.child("overfills_its_pool").say();
    assert_eq!(said.code, Some(101), "{}", said.err);
    assert!(said.err.contains("No space left on device"), "{}", said.err);
    let told = format!(
        "kdev: pool `{}` is full, and writes that failed with ENOSPC or as I/O errors may have failed of that: 100% of 68M data and",
        pool.name
    );
    assert_eq!(said.err.matches(&told).count(), 1, "{}", said.err);
    pool.assert_no_trace();

    // What it had is free again, and reads as zeros.
    assert_eq!(pool.fullness()["data_percent"], 0);
    pool.child("leaves_a_filesystem_behind").good();
    let found = pool.child("looks_for_the_last_filesystem").good();
    assert!(
        found.contains("ZEROS=true") && found.contains("REPAIRED=false"),
        "{found}"
    );
    // One that fails of something else is not told of the pool.
    let said = pool.child("fails").say();
    assert!(!said.err.contains("is full"), "{}", said.err);
    pool.assert_no_trace();
}

#[test]
fn a_pool_gives_nothing_out_while_it_is_nearly_full_and_says_so_with_figures() {
    let pool = Pool::thin(DISK, 2);
    let first = pool.start("writes_60_mib_and_waits");
    let said = pool.child("passes").say();
    assert_eq!(said.code, Some(101), "{}", said.out);
    for part in [
        "has 0B free but 16M is needed; nothing more is given out while 80% or more of it are written: 88% of 68M data and",
        "of metadata are written, 100M given out, at most 2 times the data; held: 100M by",
    ] {
        assert!(said.err.contains(part), "{part}: {}", said.err);
    }
    let status = pool.kdev(&["pool", "status"]).good();
    assert!(
        status.contains("0B of 136M free\n  thin: 88% of 68M data and"),
        "{status}"
    );
    assert!(status.contains("% taken: 100M held\n"), "{status}");

    // Who waits has room when that goes.
    let mut child = pool.child("passes");
    let second = Running::of({
        child.env_remove("KDEV_WAIT");
        child
    });
    wait_until("it waits", || waiting(&pool) == 1);
    first.kill();
    assert!(second.succeeds());
    pool.assert_no_trace();

    // What is kept does not go by itself, and no waiting helps.
    let mut child = pool.child("writes_60_mib_and_waits");
    pool.start_command(child.env("KDEV_KEEP", "always")).kill();
    let said = pool.child("passes").env_remove("KDEV_WAIT").say();
    assert_eq!(said.code, Some(101), "{}", said.out);
    for part in [
        "can never hold the 16M that is needed: it has 136M in all, of which stays 100M by `kdev-",
        "(kept); nothing more is given out while 80% or more of it are written",
    ] {
        assert!(said.err.contains(part), "{part}: {}", said.err);
    }
    pool.kdev(&["pool", "cleanup", "--kept"]).good();
    pool.child("passes").good();
    pool.assert_no_trace();
    let said = pool.teardown().good();
    assert!(said.contains("is blank"), "{said}");
    assert!(pool.disk.is_blank_at_both_ends());
}

#[test]
fn a_pool_is_woken_by_its_first_volume_or_by_hand() {
    let pool = Pool::thin(DISK, 4);
    // As after a boot: nothing of the VG is active.
    let sleep = || run("vgchange", &["--activate", "n", &pool.vg]);
    sleep();
    assert_eq!(pool.fullness()["data_percent"], json!(null));
    pool.child("passes").good();
    assert_eq!(pool.fullness()["data_percent"], 0);
    sleep();
    let said = pool.kdev(&["pool", "start"]).good();
    assert!(
        said.contains("is started") && said.contains("activated its thin pool"),
        "{said}"
    );
    assert_eq!(pool.fullness()["data_percent"], 0);
    let said = pool.kdev(&["pool", "start"]).good();
    assert!(said.contains("was started already"), "{said}");
    // A live volume stops a teardown, and so does one that is not ours; the pool works still.
    let child = pool.start("waits");
    let said = pool.teardown().say();
    assert_eq!(said.code, Some(1));
    assert!(said.err.contains("is alive (wait for its test)"), "{}", said.err);
    child.kill();
    let foreign = [
        "--yes",
        "--virtualsize=8m",
        "--thinpool=kdev-thin",
        "--name=foreign",
    ];
    run("lvcreate", &[&foreign[..], &[&pool.vg]].concat());
    let said = pool.teardown().say();
    assert!(said.err.contains("`foreign` is not ours"), "{}", said.err);
    assert_eq!(pool.fullness()["given_out_bytes"], 8 << 20);
    run("lvremove", &["--yes", &format!("{}/foreign", pool.vg)]);
    pool.child("passes").good();
    pool.teardown().good();
}

/// Kills LVM where it makes a volume or wakes the pool. The parent of a killed command sees that it failed.
#[test]
fn a_pool_whose_lvm_is_killed_mends_itself() {
    let pool = Pool::thin(DISK, 4);
    for is_awake in [true, false] {
        if !is_awake {
            run("vgchange", &["--activate", "n", &pool.vg]);
        }
        let udev = UdevAtRest::new();
        let child = pool.start_without_waiting("passes");
        // The child of the test's that waits for udev, in the middle of its work.
        let lvm = || -> Option<Pid> {
            let read = |pid: i32, file| fs::read_to_string(format!("/proc/{pid}/{file}")).unwrap_or_default();
            let is_it = |&pid: &i32| {
                let parent = format!("\nPPid:\t{}\n", child.pid());
                read(pid, "comm") == "lvm\n"
                    && read(pid, "status").contains(&parent)
                    && read(pid, "wchan").contains("sem")
            };
            let all = fs::read_dir("/proc").unwrap();
            let mut pids = all.filter_map(|entry| entry.ok()?.file_name().to_str()?.parse::<i32>().ok());
            pids.find(is_it).map(Pid::from_raw)
        };
        let mut found = None;
        wait_until("LVM waits for udev", || {
            found = lvm();
            found.is_some()
        });
        kill(found.unwrap(), Signal::SIGKILL).unwrap();
        child.kill();
        drop(udev);
        comes_to_nothing(&pool.scene, "LVM", &|| pool.lvs());
        assert_eq!(pool.fullness()["given_out_bytes"], 0);
    }
    pool.teardown().good();
}

/// A disk with something at its beginning, and where the pool's metadata will be.
fn site() -> (Site, Vec<u8>) {
    let disk = Disk::new(DISK);
    run("mkfs.ext4", &["-q", "-L", "photos", disk.name()]);
    for at in (16 << 20..32 << 20).step_by(1 << 16) {
        disk.write_at(SeekFrom::Start(at), b"what somebody has left here");
    }
    let before = disk.content();
    (Site::new(disk), before)
}

fn wipe(site: &Site) -> Command {
    let mut wipe = site.wipe();
    wipe.arg("--thin");
    wipe
}

#[test]
fn a_setup_that_fails_or_dies_leaves_a_pool_or_the_disk_as_it_was() {
    let (site, before) = site();
    let log = site.scene.path("steps");
    let places = site.scene.path("places");
    wipe(&site)
        .env("KDEV_FAULT_STEPS", &log)
        .env("KDEV_FAULT_LOG", &places)
        .good();
    let lines = |file| -> Vec<String> {
        let text = fs::read_to_string(file).unwrap();
        text.lines().map(str::to_owned).collect()
    };
    let (steps, places) = (lines(&log), lines(&places));
    let made = [
        "done: lvm vgcreate",
        "done: lvm lvcreate",
        "done: lvm lvcreate",
        "done: lvm lvconvert",
        "done: lvm lvchange",
        "done: lvm lvcreate",
        "intent removed",
    ];
    assert_passed(&steps, &made);
    let last = |lines: &[String], name: &str| lines.iter().rposition(|line| line.contains(name)).unwrap();
    site.teardown().good();
    site.disk.write_all(&before);
    // The keeper is there, and with it all that the kernel has written.
    let number = last(&steps, "done: lvm lvcreate").to_string();
    let said = wipe(&site).env("KDEV_FAULT_FAIL", number).say();
    assert_eq!(said.code, Some(1), "{}", said.err);
    assert!(site.disk.content() == before, "not as it was: {}", said.err);
    assert!(!site.is_on_record() && !site.has_vg(), "{}", said.err);
    site.assert_settled("after the keeper");
    for name in ["about to run: lvm lvconvert", "done: lvm lvconvert"] {
        let died = wipe(&site)
            .env("KDEV_FAULT_AT", last(&places, name).to_string())
            .say();
        assert_eq!(died.code, None, "{name}");
        let said = site.scene.kdev(&["pool", "cleanup"]).say();
        assert_eq!(said.code, Some(0), "died at {name}: {}", said.err);
        assert!(site.is_on_record(), "died at {name}: {}", said.err);
        site.assert_settled(name);
        site.teardown().good();
        assert!(site.disk.is_blank_at_both_ends());
        site.disk.write_all(&before);
    }
    // What cannot be finished is undone.
    let at = last(&places, "done: lvm vgcreate").to_string();
    assert_eq!(wipe(&site).env("KDEV_FAULT_AT", at).say().code, None);
    let mut cleanup = site.scene.kdev(&["pool", "cleanup"]);
    let failed = cleanup.env("KDEV_FAULT_FAIL", "1").say();
    assert_eq!(failed.code, Some(1), "{}", failed.err);
    assert!(site.disk.content() == before, "{}", failed.err);
    site.assert_settled("undone when it could not be finished");
}

#[test]
fn a_teardown_that_dies_when_the_thin_pool_is_gone_is_finished_by_the_next() {
    let (site, before) = site();
    let places = site.scene.path("places");
    wipe(&site).good();
    site.teardown().env("KDEV_FAULT_LOG", &places).good();
    site.disk.write_all(&before);
    let text = fs::read_to_string(&places).unwrap();
    let places: Vec<&str> = text.lines().collect();
    // The thin pool is gone, and its VG is not.
    wipe(&site).good();
    let is_gone = |place: &&str| place.contains("done: lvm lvremove");
    let at = places.iter().position(is_gone).unwrap();
    let died = site.teardown().env("KDEV_FAULT_AT", at.to_string()).say();
    assert_eq!(died.code, None);
    site.scene.kdev(&["pool", "cleanup"]).good();
    assert!(!site.is_on_record() && !site.has_vg());
    assert!(site.disk.is_blank_at_both_ends());
    site.assert_settled("after the thin pool was gone");
}
