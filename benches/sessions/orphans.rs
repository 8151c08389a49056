//! The volumes of dead processes: the sixth figure.

use std::process::Command;

use crate::book::Book;
use crate::children::{Holder, run};
use crate::figure::Figure;
use crate::lvm;
use crate::measure::{Series, Unit, in_turns, timed};

const ORPHANS: usize = 50;
const ROUNDS: usize = 7;

pub(crate) fn fifty(book: &mut Book) {
    let [ours, other] = in_turns(ROUNDS, [&mut reaped, &mut removed_one_by_one])
        .map(|times| Series::of_times(Unit::Milliseconds, &times));
    book.add(
        &Figure::of("6", "50 orphans of 50 sessions, reaped", ours)
            .faster_than("50 lvremove", other)
            .at_least(4.0),
    );
}

fn reaped() -> f64 {
    orphan();
    let time = timed(clean_up);
    lvm::expect_empty();
    time
}

fn removed_one_by_one() -> f64 {
    let vg = lvm::vg();
    let names = orphan();
    let time = timed(|| {
        for name in names {
            run(Command::new("lvremove")
                .arg("--force")
                .arg(format!("{vg}/{name}")));
        }
    });
    // The books still have them.
    clean_up();
    lvm::expect_empty();
    time
}

/// Leaves volumes whose owner has been killed, and that nobody has looked for yet.
fn orphan() -> Vec<String> {
    Holder::start(ORPHANS, 1, &[("KDEV_WATCHDOG", "off")]).kill();
    let names = lvm::names();
    assert_eq!(names.len(), ORPHANS, "{names:?}");
    names
}

fn clean_up() {
    run(Command::new("kdev")
        .args(["pool", "cleanup"])
        .arg(format!("--pool={}", lvm::pool())));
}
