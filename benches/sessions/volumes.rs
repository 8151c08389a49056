//! What it takes to have volumes and give them back, beside the naive way: the first four figures.

use std::path::Path;
use std::process::Command;

use kdev_volumes::{Bytes, Pool, Session, Spec, VolumeSpec};

use crate::book::Book;
use crate::children::{myself, run};
use crate::counts;
use crate::figure::Figure;
use crate::lvm;
use crate::measure::{Series, Unit, in_turns, timed};

const VOLUME: Bytes = Bytes::new(64 << 20);

/// So many volumes of 64 MiB.
pub(crate) fn spec(count: usize) -> Spec {
    let volume = |number| VolumeSpec::new(&format!("volume{number}"), VOLUME).expect("a good name");
    Spec::new((0..count).map(volume)).expect("names that differ")
}

/// One volume of seven times the size.
fn one_for_all() -> Spec {
    let size = Bytes::new(7 * VOLUME.get());
    Spec::new([VolumeSpec::new("slices", size).expect("a good name")]).expect("one name")
}

/// A session, from its beginning to its end.
pub(crate) fn released(pool: &Pool, spec: &Spec) {
    pool.allocate(spec).and_then(Session::close).expect("a session");
}

fn naive(kind: &str, count: usize, vg: &str) {
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("benches/naive");
    run(Command::new(script).args([kind, &count.to_string(), vg]));
}

pub(crate) fn on_lvm(book: &mut Book) {
    let pool = Pool::from_env().expect("a pool");
    let vg = lvm::vg();
    let (seven, one) = (spec(7), spec(1));
    // The watchdog is there, and the rule for udev.
    released(&pool, &one);

    let [ours, sliced, floor, other] = in_turns(
        7,
        [
            &mut || timed(|| released(&pool, &seven)),
            &mut || timed(|| released(&pool, &one_for_all())),
            &mut || timed(|| lvm::bare(7, VOLUME)),
            &mut || timed(|| naive("lvm", 7, &vg)),
        ],
    );
    lvm::expect_empty();
    let [ours, sliced, floor, other] =
        [ours, sliced, floor, other].map(|times| Series::of_times(Unit::Milliseconds, &times));
    let least = format!(
        "one script of LVM's and one lvremove, without any books, {}: {:.2} x",
        floor.told(),
        other.median() / floor.median()
    );
    book.add(
        &Figure::of("1", "seven LVs, allocated and released", ours)
            .faster_than("naive", other.clone())
            .at_least(3.0)
            .noted(least),
    );

    let [alone, naive_alone] = in_turns(
        11,
        [&mut || timed(|| released(&pool, &one)), &mut || {
            timed(|| naive("lvm", 1, &vg))
        }],
    )
    .map(|times| Series::of_times(Unit::Milliseconds, &times));
    lvm::expect_empty();
    book.add(
        &Figure::of("2", "one LV, allocated and released", alone)
            .faster_than("naive", naive_alone)
            .at_least(1.0),
    );
    book.add(
        &Figure::of("3", "seven disks of a machine, slices of one LV", sliced)
            .faster_than("naive seven", other)
            .at_least(6.0),
    );
}

pub(crate) fn on_loops(book: &mut Book) {
    let pool = Pool::embedded().expect("loop devices");
    released(&pool, &spec(1));
    for (count, most) in [(1, 3.0), (7, 12.0)] {
        let spec = spec(count);
        let [ours, other] = in_turns(
            21,
            [&mut || timed(|| released(&pool, &spec)), &mut || {
                timed(|| naive("loop", count, ""))
            }],
        )
        .map(|times| Series::of_times(Unit::Milliseconds, &times));
        let value = ours.median();
        let what = format!("loop volumes, {count}, allocated and released");
        book.add(
            &Figure::of("4", &what, ours)
                .beside("naive", other)
                .valued(value, Unit::Milliseconds)
                .at_most(most),
        );
    }
    // The first session of a process starts its watchdog, and that is all that any session starts.
    let [first, more] = ["1", "8"].map(|sessions| {
        let calls = counts::calls(&mut myself(&["sessions", sessions, "1"]));
        calls.children()
    });
    assert!(first > 0, "the first session starts a watchdog");
    let started = more as f64 - first as f64;
    book.add(
        &Figure::of(
            "4",
            "loop volumes, child processes of seven sessions after the first",
            Series::new(Unit::Processes, vec![started]),
        )
        .at_most(0.0),
    );
}
