//! Eight processes at once: the eighth figure.

use crate::book::Book;
use crate::children::{Talking, myself};
use crate::figure::Figure;
use crate::lvm;
use crate::measure::{Series, Unit, in_turns, rounds, timed};

const PROCESSES: usize = 8;
const ROUNDS: usize = 10;

pub(crate) fn eight(book: &mut Book) {
    let mut processes: Vec<Talking> = (0..PROCESSES)
        .map(|_| Talking::start(&mut myself(&["rounds"])))
        .collect();
    // Each has its watchdog after this.
    let mut sessions = Vec::new();
    at_once(&mut processes, &mut sessions);
    sessions.clear();
    let both = std::cell::RefCell::new(processes);
    let [together, in_a_row] = in_turns(
        ROUNDS,
        [
            &mut || timed(|| at_once(&mut both.borrow_mut(), &mut sessions)),
            &mut || timed(|| both.borrow_mut().iter_mut().for_each(one_session)),
        ],
    )
    .map(|times| Series::of_times(Unit::Milliseconds, &times));
    both.into_inner().into_iter().for_each(Talking::end);
    lvm::expect_empty();

    assert_eq!(sessions.len(), PROCESSES * rounds(ROUNDS));
    let sessions = Series::of_times(Unit::Milliseconds, &sessions);
    book.add(
        &Figure::of(
            "8",
            "eight processes at once, a session each, ten rounds",
            together,
        )
        .faster_than("in a row", in_a_row)
        .at_least(1.0)
        .noted("LVM's commands take turns at a VG, and a guest has one processor: only waiting can be saved"),
    );
    let longest = sessions.most() / sessions.median();
    book.add(
        &Figure::of("8", "the longest of these sessions, to the median", sessions)
            .valued(longest, Unit::Times)
            .at_most(3.0),
    );
}

fn one_session(process: &mut Talking) {
    process.tell();
    process.hear();
}

fn at_once(processes: &mut [Talking], sessions: &mut Vec<f64>) {
    processes.iter_mut().for_each(Talking::tell);
    for process in processes {
        sessions.push(process.hear().parse().expect("seconds"));
    }
}
