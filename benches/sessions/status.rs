//! `kdev pool status` of many volumes: the tenth figure.

use std::process::Command;

use crate::book::Book;
use crate::children::{Holder, run};
use crate::counts;
use crate::figure::Figure;
use crate::lvm;
use crate::measure::{Series, Unit, in_turns, timed};

/// Sessions, and the volumes of each.
const SESSIONS: usize = 10;
const VOLUMES: usize = 20;

pub(crate) fn of_two_hundred(book: &mut Book) {
    let held = Holder::start(SESSIONS, VOLUMES, &[]);
    let names = lvm::names();
    assert_eq!(names.len(), SESSIONS * VOLUMES);
    let output = status().output().expect("kdev");
    let told = String::from_utf8_lossy(&output.stdout);
    assert!(names.iter().all(|name| told.contains(name)), "{told}");

    let [ours, other] = in_turns(
        9,
        [&mut || timed(|| run(&mut status())), &mut || {
            timed(|| run(&mut lvm::lvs()))
        }],
    )
    .map(|times| Series::of_times(Unit::Milliseconds, &times));
    let calls = counts::calls(&mut status());
    held.release();
    lvm::expect_empty();
    book.add(
        &Figure::of("10", "kdev pool status, of 200 volumes", ours)
            .times_as_long_as("lvs", other)
            .at_most(1.5),
    );
    let started = calls.started(&["lvm", "lvs", "vgs", "pvs"]);
    assert!(!started.is_empty(), "it asks LVM");
    let processes = Series::new(Unit::Processes, vec![started.len() as f64]);
    book.add(
        &Figure::of("10", "LVM processes of kdev pool status", processes)
            .at_most(1.0)
            .noted(verbs(&started)),
    );
}

/// What these processes are asked for, such as `vgs, lvs`.
fn verbs(started: &[&String]) -> String {
    let verb = |call: &&String| match call.split('"').nth(5) {
        Some(script) if script.starts_with('/') => "a script".to_owned(),
        verb => verb.unwrap_or("?").to_owned(),
    };
    started.iter().map(verb).collect::<Vec<_>>().join(", ")
}

fn status() -> Command {
    let mut command = Command::new("kdev");
    command
        .args(["pool", "status"])
        .arg(format!("--pool={}", lvm::pool()));
    command
}
