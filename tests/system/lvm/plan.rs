//! Suites that do not fit into their pool at once, planned and run.

use std::env;
use std::fs::{self, File};
use std::path::PathBuf;
use std::process::Command;
use std::thread;

use crate::lvm::disk::{Pool, run};
use crate::plan::{FILESYSTEMS, plan};
use crate::scene::{Said, Say, wait_until};
use crate::suite::source;

#[test]
fn the_room_is_what_is_free_or_will_be() {
    // LVM has 516M of it. A kept volume and one that is not ours have 32M of that for good, and one whose
    // owner lives only as long as it does.
    let pool = Pool::with_watchdogs(536);
    pool.child("passes").env("KDEV_KEEP", "1").good();
    run(
        "lvcreate",
        &["--yes", "--size", "16M", "--name", "foreign", &pool.vg],
    );
    let there = pool.lvs();
    let alive = pool.start("waits");

    let file = pool.path("plan.toml");
    let write = format!("--write={}", file.display());
    let planned = plan(&pool, &[&write], FILESYSTEMS).good();
    let end = format!(
        "
6 tests need 672M in all, at most 320M each.
Any 2 fit at once in pool `{}`, which has room for 484M.

wrote `{}`; run the tests with",
        pool.name,
        file.display()
    );
    assert!(planned.contains(&end), "{planned}");
    alive.kill();
    pool.kdev(&["pool", "cleanup"]).good();
    assert_eq!(pool.lvs(), there, "only what was there before is left");
}

/// Three tests, of which any two fit into the pool. Each holds its volumes until `enough` is there.
struct Holders {
    pool: Pool,
    directory: PathBuf,
}

const HOLDERS: [&str; 3] = [
    "--run-ignored=all",
    "-E",
    "binary(system) & test(/^children::holds_/)",
];

/// Lets the holders go, also when the test fails, which would else wait for them.
struct Enough<'a>(&'a Holders);

impl Drop for Enough<'_> {
    fn drop(&mut self) {
        fs::write(self.0.directory.join("enough"), "").unwrap();
    }
}

impl Holders {
    fn new() -> Self {
        // LVM has 48M of it.
        let pool = Pool::with_watchdogs(68);
        let directory = pool.path("holders");
        fs::create_dir(&directory).unwrap();
        Self { pool, directory }
    }

    fn output(&self) -> PathBuf {
        self.pool.path("output")
    }

    fn said(&self) -> String {
        fs::read_to_string(self.output()).unwrap_or_default()
    }

    fn nextest(&self) -> Command {
        let mut nextest = self.pool.program("cargo-nextest");
        nextest.args(["nextest", "run"]).args(source()).args(HOLDERS);
        nextest
            .args(["--test-threads=8", "--no-fail-fast"])
            .env("CHILD_HOLDERS", &self.directory)
            .stderr(File::create(self.output()).unwrap());
        nextest
    }

    /// Runs them, and lets those who hold volumes go when something has come to pass.
    fn run(&self, nextest: &mut Command, what: &str, has_come_to_pass: impl Fn() -> bool) -> Said {
        thread::scope(|scope| {
            let enough = Enough(self);
            let run = scope.spawn(|| nextest.say());
            wait_until(what, || has_come_to_pass() || run.is_finished());
            drop(enough);
            run.join().unwrap()
        })
    }
}

#[test]
fn tests_that_do_not_fit_at_once_wait_for_each_other_under_every_runner() {
    let holders = Holders::new();
    let somebody_waits = || {
        let queue = holders.pool.state_dir().join("queue");
        fs::read_dir(queue).is_ok_and(|mut tickets| tickets.next().is_some())
    };
    let mut nextest = holders.nextest();
    let said = holders.run(nextest.env_remove("KDEV_WAIT"), "a test waits", somebody_waits);
    let told = holders.said();
    assert_eq!(said.code, Some(0), "{told}");
    assert!(told.contains("3 tests run: 3 passed"), "{told}");

    // As cargo test starts it: three threads, each of which starts a process for its test.
    fs::remove_file(holders.directory.join("enough")).unwrap();
    let mut cargo_test = holders.pool.program(env::current_exe().unwrap());
    cargo_test
        .args(["children::holds_", "--ignored", "--test-threads=3"])
        .env("CHILD_HOLDERS", &holders.directory)
        .env_remove("KDEV_WAIT");
    let said = holders.run(&mut cargo_test, "a test waits", somebody_waits);
    assert_eq!(said.code, Some(0), "{}{}", said.out, said.err);
    assert!(said.out.contains("3 passed; 0 failed"), "{}", said.out);
    holders.pool.wait_for_watchdogs();
    holders.pool.assert_no_trace();
}

#[test]
fn tests_that_do_not_fit_at_once_pass_with_the_plan_and_as_many_as_fit_run_at_once() {
    let holders = Holders::new();
    let file = holders.pool.path("plan.toml");
    let planned = holders
        .pool
        .kdev(&["plan", &format!("--write={}", file.display()), "--"])
        .args(source())
        .args(HOLDERS)
        .env("CARGO", "cargo-nextest")
        .good();
    assert!(planned.contains("3 tests need 64M in all"), "{planned}");
    assert!(planned.contains("Any 2 fit at once"), "{planned}");

    let mut nextest = holders.nextest();
    nextest.args(["--tool-config-file", &format!("kdev:{}", file.display())]);
    let said = holders.run(&mut nextest, "two tests hold volumes at once", || {
        fs::read_dir(&holders.directory).unwrap().count() == 2
    });
    let told = holders.said();
    assert_eq!(said.code, Some(0), "{told}");
    assert!(told.contains("3 tests run: 3 passed"), "{told}");
    holders.pool.assert_no_trace();
}
