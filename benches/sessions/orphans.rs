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
    let [ours, other, rival] = in_turns(
        ROUNDS,
        [&mut reaped, &mut || removed(remove_one_by_one), &mut || {
            removed(remove_at_once)
        }],
    )
    .map(|times| Series::of_times(Unit::Milliseconds, &times));
    let each = [&ours, &other].map(|series| series.unit.told(series.median() / ORPHANS as f64));
    let note = format!(
        "{} for each LV, and {} one by one, each of which waits for a program that udev runs to say that it is gone",
        each[0], each[1]
    );
    let what = "50 orphans of 50 sessions, reaped";
    let beside_rival = Figure::of("6", what, ours.clone())
        .faster_than("one lvremove of 50", rival)
        .noted("that one is given the names, and has no records, leases and owners to look at");
    book.add(
        &Figure::of("6", what, ours)
            .faster_than("50 lvremove", other)
            .at_least(4.0)
            .noted(note),
    );
    book.add(&beside_rival);
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
fn removed(remove: fn(&[String])) -> f64 {
    let vg = lvm::vg();
    let names: Vec<String> = (0..ORPHANS).map(lvm::name_like_ours).collect();
    let create =
        |name| format!("lvcreate --wipesignatures n --zero n --autobackup n --size 64M --name {name} {vg}");
    lvm::script(&names.iter().map(create).collect::<Vec<_>>());
    let names: Vec<String> = names.iter().map(|name| format!("{vg}/{name}")).collect();
    let time = timed(|| remove(&names));
    lvm::expect_empty();
    time
}

fn remove_one_by_one(names: &[String]) {
    for name in names {
        run(Command::new("lvremove").arg("--force").arg(name));
    }
}

fn remove_at_once(names: &[String]) {
    run(Command::new("lvremove").arg("--force").args(names));
}
