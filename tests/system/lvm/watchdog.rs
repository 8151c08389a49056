//! The watchdog on real LVM, and how long it takes.

use std::fs;
use std::path::Path;
use std::time::{Duration, Instant};

use nix::sys::signal::Signal;

use crate::lvm::disk::Pool;
use crate::lvm::suite::from_bed;
use crate::scene::{Running, Say, wait_until};
use crate::watchdog::SIGNALS;

/// The device nodes of the LVs, which are there exactly as long as those.
fn are_there(pool: &Pool) -> bool {
    fs::read_dir(Path::new("/dev").join(&pool.vg)).is_ok_and(|mut nodes| nodes.next().is_some())
}

/// Ends a child, and tells how long its volumes have outlived it.
fn time_to_give_back(pool: &Pool, child: Running, end: impl FnOnce(&Running)) -> Duration {
    assert!(are_there(pool));
    let start = Instant::now();
    end(&child);
    child.wait();
    wait_until("the volumes are back", || !are_there(pool));
    let time = start.elapsed();
    pool.wait_for_watchdogs();
    assert_eq!(pool.lvs(), Vec::<String>::new());
    time
}

#[test]
fn it_gives_back_what_a_killed_test_held() {
    let pool = Pool::with_watchdogs(128);
    let mut times = Vec::new();
    for signal in [&SIGNALS[..], &[Signal::SIGKILL; 3]].concat() {
        let child = pool.start("waits");
        times.push(time_to_give_back(&pool, child, |child| {
            child.signal_group(signal);
        }));
    }
    times.sort();
    println!(
        "from the signal until the volume is gone: median {:?}, longest {:?} of {}",
        times[times.len() / 2],
        times[times.len() - 1],
        times.len()
    );
}

#[test]
fn it_gives_back_two_that_were_mounted() {
    let pool = Pool::with_watchdogs(256);
    let point = pool.mount_point();
    let upper = pool.mount_point();
    let mut child = pool.child("waits_under_a_tower");
    child
        .env("CHILD_MOUNT_POINT", &point.path)
        .env("CHILD_UPPER_MOUNT_POINT", &upper.path);
    let child = pool.start_command(&mut child);
    let time = time_to_give_back(&pool, child, |child| child.signal_group(Signal::SIGKILL));
    println!("from the signal until two volumes with a tower on them are gone: {time:?}");
}

#[test]
fn it_gives_back_what_a_process_leaves_that_ends_itself() {
    let pool = Pool::with_watchdogs(128);
    for end in ["aborts", "exits"] {
        pool.child(end).say();
        pool.wait_for_watchdogs();
        assert_eq!(pool.lvs(), Vec::<String>::new(), "{end}");
    }
}

#[test]
fn it_needs_no_records() {
    let pool = Pool::with_watchdogs(128);
    let child = pool.start("waits");
    pool.forget_the_records();
    time_to_give_back(&pool, child, |child| child.signal_group(Signal::SIGKILL));
}

/// Somebody has had a look meanwhile, and what was lost is on record again.
#[test]
fn it_unmounts_by_records_that_were_found_again() {
    let pool = Pool::with_watchdogs(128);
    let point = pool.mount_point();
    let mut child = pool.child("waits_while_mounted");
    let child = pool.start_command(child.env("CHILD_MOUNT_POINT", &point.path));
    pool.forget_the_records();
    pool.kdev(&["pool", "cleanup"]).good();
    let [found] = pool.records().try_into().unwrap();
    assert!(found["lv_uuid"].is_string(), "{found}");
    time_to_give_back(&pool, child, |child| child.signal_group(Signal::SIGKILL));
}

#[test]
fn it_needs_no_key_of_ours_in_the_records() {
    let pool = Pool::with_watchdogs(128);
    let child = pool.start("waits");
    pool.rewrite_as_kerneldev_mcp();
    let held = pool.lvs();
    pool.kdev(&["pool", "cleanup"]).good();
    assert_eq!(pool.lvs(), held, "the lease and the tag tell who lives");
    time_to_give_back(&pool, child, |child| child.signal_group(Signal::SIGKILL));
}

/// 96 MiB hold one such test at a time.
#[test]
fn room_that_a_watchdog_is_about_to_give_back_is_room() {
    let pool = Pool::with_watchdogs(96);
    pool.start("waits_after_unmounting").kill();
    let second = pool.start("waits_after_unmounting");
    assert_eq!(pool.lvs().len(), 2);
    second.kill();
    pool.wait_for_watchdogs();
    assert_eq!(pool.lvs(), Vec::<String>::new());
}

#[test]
fn nextest_sees_no_leak_and_what_it_kills_is_given_back() {
    let pool = Pool::with_watchdogs(128);
    let config = pool.path("nextest.toml");
    fs::write(
        &config,
        "[profile.default]\n\
         leak-timeout = { period = \"200ms\", result = \"fail\" }\n\
         [[profile.default.overrides]]\n\
         filter = 'test(hangs)'\n\
         slow-timeout = { period = \"4s\", terminate-after = 1, grace-period = \"0s\" }\n",
    )
    .unwrap();
    let run = |test: &str| {
        let mut nextest = pool.program("cargo-nextest");
        nextest.args(["nextest", "run", "--run-ignored=only", "--archive-file"]);
        nextest.arg(from_bed("KDEV_BED_ARCHIVE"));
        nextest.arg("--config-file").arg(&config);
        nextest.args(["-E", &format!("binary(system) & test(=children::{test})")]);
        nextest.say()
    };
    let said = run("exits_with_a_leaky_descriptor");
    assert_eq!(said.code, Some(0), "{}", said.err);
    assert!(said.err.contains("1 passed"), "{}", said.err);
    pool.wait_for_watchdogs();
    let said = run("hangs");
    assert!(said.err.contains("1 timed out"), "{}", said.err);
    pool.wait_for_watchdogs();
    assert_eq!(pool.lvs(), Vec::<String>::new());
}
