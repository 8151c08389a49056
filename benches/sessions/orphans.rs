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
    let each = [&ours, &other].map(|series| series.unit.told(series.median() / ORPHANS as f64));
    let note = format!(
        "{} for each LV, and {} one by one, each of which waits for a program that udev runs to say that it is gone",
        each[0], each[1]
    );
    book.add(
        &Figure::of("6", "50 orphans of 50 sessions, reaped", ours)
            .faster_than("50 lvremove", other)
            .at_least(4.0)
            .noted(note),
    );
}

fn reaped() -> f64 {
    Holder::start(ORPHANS, 1, &[("KDEV_WATCHDOG", "off")]).kill();
    // Nobody has looked for them yet.
    let names = lvm::names();
    assert_eq!(names.len(), ORPHANS, "{names:?}");
    let mut cleanup = Command::new("kdev");
    cleanup
        .args(["pool", "cleanup"])
        .arg(format!("--pool={}", lvm::pool()));
    let time = timed(|| run(&mut cleanup));
    lvm::expect_empty();
    time
}

/// LVs of the same names, as far as udev and LVM care, which are made in less time.
fn removed_one_by_one() -> f64 {
    let vg = lvm::vg();
    let names: Vec<String> = (0..ORPHANS).map(lvm::name_like_ours).collect();
    let create =
        |name| format!("lvcreate --wipesignatures n --zero n --autobackup n --size 64M --name {name} {vg}");
    lvm::script(&names.iter().map(create).collect::<Vec<_>>());
    let time = timed(|| {
        for name in names {
            run(Command::new("lvremove")
                .arg("--force")
                .arg(format!("{vg}/{name}")));
        }
    });
    lvm::expect_empty();
    time
}
