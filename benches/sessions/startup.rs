//! What the constructor costs each start of a test program: the fifth figure.

use std::path::Path;
use std::process::Command;

use crate::book::Book;
use crate::children::{Holder, myself};
use crate::counts;
use crate::figure::Figure;
use crate::lvm;
use crate::measure::{Series, Unit, in_turns, timed};

const STARTS: usize = 401;
const SESSIONS: usize = 200;

pub(crate) fn all(book: &mut Book) {
    let held = Holder::start(SESSIONS, 1, &[]);
    let live = std::env::var("KDEV_STATE_DIR").expect("the directory of these sessions");
    let live = Path::new(&live);
    let empty = tempfile::tempdir().expect("a directory");
    for (what, dir, most) in [
        ("with nothing on record", empty.path(), 100.0),
        ("with 200 live sessions", live, 5000.0),
    ] {
        let start = |reaper: &str| {
            let mut command = starts(dir, reaper, &[]);
            timed(|| assert!(command.status().expect("this program").success()))
        };
        let [with, without] = in_turns(STARTS, [&mut || start("on"), &mut || start("off")])
            .map(|times| Series::of_times(Unit::Microseconds, &times));
        book.add(
            &Figure::of("5", &format!("start of a test program {what}"), with)
                .more_than("without the look", without)
                .at_most(most),
        );
        let calls = counts::calls(&mut starts(dir, "on", &[]));
        // Else its silence would say nothing.
        assert!(calls.in_directory(dir) > 0, "it looks into {}", dir.display());
        let (children, waits) = (calls.children(), calls.waiting_locks());
        let count = Series::new(Unit::Processes, vec![(children + waits) as f64]);
        let what = format!("child processes, and locks waited for, {what}");
        book.add(&Figure::of("5", &what, count).at_most(0.0));
        let more =
            counts::instructions(&starts(dir, "on", &[])) - counts::instructions(&starts(dir, "off", &[]));
        let more = Series::new(Unit::Instructions, vec![more]);
        book.add(&Figure::of(
            "+",
            &format!("the look {}", what_for(dir, live)),
            more,
        ));
    }
    lists(book, live);
    held.release();
    lvm::expect_no_records();
}

fn what_for(dir: &Path, live: &Path) -> &'static str {
    if dir == live {
        "at 200 live sessions"
    } else {
        "at nothing on record"
    }
}

/// A program that lists its tests does what one does that is to look for nothing.
fn lists(book: &mut Book, live: &Path) {
    let listed = counts::calls(&mut starts(live, "on", &["--list"]));
    let touched = listed.in_directory(live) + listed.children() + listed.waiting_locks();
    let count = Series::new(Unit::Processes, vec![touched as f64]);
    let what = "files opened, children and locks waited for while it lists its tests";
    book.add(&Figure::of("5", what, count).at_most(0.0));
}

fn starts(state: &Path, reaper: &str, more: &[&str]) -> Command {
    let mut command = myself(&["nothing"]);
    command
        .args(more)
        .env("KDEV_STATE_DIR", state)
        .env("KDEV_REAPER", reaper);
    command
}
