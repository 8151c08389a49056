//! What else is worth to know, without a target: the watchdog, and a process for each test.

use std::path::Path;
use std::process::Command;
use std::thread;
use std::time::{Duration, Instant};

use crate::book::Book;
use crate::children::{Holder, myself, run};
use crate::figure::Figure;
use crate::lvm;
use crate::measure::{Series, Unit, in_turns, timed};

/// After which a volume will not go any more.
const GONE: Duration = Duration::from_secs(30);

pub(crate) fn all(book: &mut Book) {
    watchdog(book);
    killed(book);
    runners(book);
}

/// What a process that takes one session has to pay for its watchdog.
fn watchdog(book: &mut Book) {
    let once = |watchdog| timed(|| run(myself(&["sessions", "1", "1"]).env("KDEV_WATCHDOG", watchdog)));
    let [with, without] = in_turns(51, [&mut || once("on"), &mut || once("off")])
        .map(|times| Series::of_times(Unit::Milliseconds, &times));
    book.add(
        &Figure::of("+", "a process with one session, loop, and its watchdog", with)
            .more_than("without a watchdog", without),
    );
}

/// How long volumes outlive a process that is killed.
fn killed(book: &mut Book) {
    let outlived = || {
        let holder = Holder::start(1, 1, &[]);
        let name = holder.devices[0].file_name().expect("a device");
        // The node stays when the device is detached.
        let attached = Path::new("/sys/block").join(name).join("loop/backing_file");
        assert!(attached.exists(), "{}", attached.display());
        timed(|| {
            holder.kill();
            let deadline = Instant::now() + GONE;
            while attached.exists() {
                assert!(Instant::now() < deadline, "{} stays", attached.display());
                thread::sleep(Duration::from_millis(1));
            }
        })
    };
    let times: Vec<f64> = (0..21).map(|_| outlived()).collect();
    let deadline = Instant::now() + GONE;
    while !lvm::are_no_leases() {
        assert!(Instant::now() < deadline, "a lease stays");
        thread::sleep(Duration::from_millis(1));
    }
    book.add(&Figure::of(
        "+",
        "from SIGKILL until the volume is gone, loop",
        Series::of_times(Unit::Milliseconds, &times),
    ));
}

/// 64 tests of which each reads its environment often: a process each, started by us or by nextest.
fn runners(book: &mut Book) {
    let cargo = |args: &[&str]| {
        let mut command = Command::new("cargo");
        run(command.args(args).current_dir(env!("CARGO_MANIFEST_DIR")));
    };
    let plain = ["test", "-p=shapes", "--test=many", "--", "--test-threads=16"];
    let nextest = ["nextest", "run", "-p=shapes", "--test=many", "--test-threads=16"];
    // What is built is not measured.
    cargo(&plain);
    let [ours, other] = in_turns(
        7,
        [&mut || timed(|| cargo(&plain)), &mut || timed(|| cargo(&nextest))],
    )
    .map(|times| Series::of_times(Unit::Milliseconds, &times));
    book.add(
        &Figure::of("+", "cargo test of 64 tests, 16 at a time", ours).times_as_long_as("nextest", other),
    );
}
