//! What a thousand LVs beside one's own cost, and a thousand records: the seventh figure.

use std::path::Path;
use std::process::Command;

use kdev_volumes::Pool;

use crate::book::Book;
use crate::children::{Holder, Talking, myself, run};
use crate::counts;
use crate::figure::Figure;
use crate::lvm;
use crate::measure::{Series, Unit, in_turns, timed};
use crate::volumes::{released, spec};

/// Sessions, and the volumes of each, which make a thousand records.
const SESSIONS: usize = 50;
const VOLUMES: usize = 20;

/// The VG is now the one that is empty, now the one with a thousand LVs: LVM takes either from a file.
pub(crate) fn of_a_vg(book: &mut Book) {
    let vg = lvm::vg();
    let dir = tempfile::tempdir().expect("a directory");
    let files = ["empty", "full"].map(|name| dir.path().join(name));
    let save = |file: &Path| run(Command::new("vgcfgbackup").arg("--file").arg(file).arg(&vg));
    let load = |file: &Path| run(Command::new("vgcfgrestore").arg("--file").arg(file).arg(&vg));
    save(&files[0]);
    let create = |number| {
        format!("lvcreate -an --wipesignatures n --zero n --autobackup n --size 4M --name other{number} {vg}")
    };
    lvm::script(&(0..1000).map(create).collect::<Vec<_>>());
    assert_eq!(lvm::names().len(), 1000);
    save(&files[1]);

    let pool = Pool::from_env().expect("a pool");
    let one = spec(1);
    let session_in = |file: &Path| {
        load(file);
        timed(|| released(&pool, &one))
    };
    let [full, empty] = in_turns(7, [&mut || session_in(&files[1]), &mut || session_in(&files[0])])
        .map(|times| Series::of_times(Unit::Milliseconds, &times));
    load(&files[1]);
    assert_eq!(
        lvm::names().len(),
        1000,
        "none but the session's own LV was touched"
    );
    load(&files[0]);
    lvm::expect_empty();
    book.add(
        &Figure::of("7", "one LV, in a VG of 1000 others", full)
            .times_as_long_as("in an empty VG", empty)
            .at_most(3.0),
    );
}

/// A session of an image changes the records and makes a file, and that is all.
pub(crate) fn of_records(book: &mut Book) {
    let live = std::env::var("KDEV_STATE_DIR").expect("a state directory");
    let empty = tempfile::tempdir().expect("a directory");
    let empty = empty.path().to_str().expect("a name that can be printed");
    let images = [("KERNELDEV_DEVICE_POOL", "images")];
    let held = Holder::start(SESSIONS, VOLUMES, &images);
    let child = |state: &str, words: &[&str]| {
        let mut command = myself(words);
        command.envs(images).env("KDEV_STATE_DIR", state);
        // So that its own work is all that it does.
        command.env("KDEV_WATCHDOG", "off");
        command
    };
    let per_session = |count: &dyn Fn(&str) -> f64| (count("11") - count("1")) / 10.0;
    let updates = per_session(&|sessions| {
        counts::calls(&mut child(&live, &["sessions", sessions, "1"])).renamed_to("lv-state.json") as f64
    });
    assert!(
        updates >= 2.0,
        "a session changes the records at its beginning and its end"
    );

    let mut processes = [live.as_str(), empty].map(|state| Talking::start(&mut child(state, &["rounds"])));
    let [many, few] = &mut processes;
    let update = |process: &mut Talking| {
        process.tell();
        process.hear().parse::<f64>().expect("seconds") / updates
    };
    let [many, few] = in_turns(101, [&mut || update(many), &mut || update(few)])
        .map(|times| Series::of_times(Unit::Milliseconds, &times));
    processes.into_iter().for_each(Talking::end);
    let value = many.median();
    book.add(
        &Figure::of("7", "state update, of 1000 records", many)
            .beside("of none", few)
            .valued(value, Unit::Milliseconds)
            .at_most(3.0)
            .noted(format!(
                "a session of one image, which takes {updates} updates, divided by these; each reads and writes all records"
            )),
    );

    let counted = |state: &str| {
        let all = per_session(&|sessions| counts::instructions(&child(state, &["sessions", sessions, "1"])));
        Series::new(Unit::Instructions, vec![all / updates])
    };
    book.add(
        &Figure::of("+", "state update, of 1000 records", counted(&live)).beside("of none", counted(empty)),
    );
    held.release();
    lvm::expect_no_records();
}
