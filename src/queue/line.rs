//! Who waits, in order of arrival.

use std::fs;
use std::io::{self, ErrorKind};

use crate::error::{Error, Result};
use crate::lock::FileLock;
use crate::queue::ticket::Ticket;
use crate::state_dir::StateDir;
use crate::trust;

/// One who waits, and lives: the kernel has given up the lock of those who do not.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Waiter {
    /// The lower, the earlier.
    pub(super) number: u64,
    /// `None` if it cannot be read, as that of a later version may be: he may want any pool.
    pub(crate) ticket: Option<Ticket>,
}

/// All who wait, the first first.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Line {
    waiters: Vec<Waiter>,
}

/// What is found in the queue's directory.
#[derive(Debug, Default)]
pub(super) struct Found {
    pub(super) line: Line,
    /// The tickets of the dead.
    pub(super) free: Vec<u64>,
}

impl Line {
    /// Looks who waits. If nobody does, or ever did, that is a system call or two.
    ///
    /// The tickets of the dead mean nothing; they stay until the next who takes a ticket, or gives one back.
    pub(crate) fn look(dir: &StateDir) -> Result<Self> {
        match Self::is_there(dir)? {
            true => Ok(find(dir)?.line),
            false => Ok(Self::default()),
        }
    }

    /// Tells whether there is a queue, and makes sure that it is one to be believed.
    pub(super) fn is_there(dir: &StateDir) -> Result<bool> {
        dir.check()?;
        let queue = dir.queue();
        trust::check_directory(&queue).map_err(|err| trust::error("look at the directory", queue, err))
    }

    /// Returns how many wait for a pool; of those in front of a number, if one is given.
    pub(crate) fn waiting_for(&self, pool: &str, before: Option<u64>) -> usize {
        let in_front = self.before(before);
        in_front.filter(|waiter| waiter.wants(pool)).count()
    }

    /// Returns how many wait for any of these pools in front of a number.
    pub(crate) fn in_front<'a>(&self, pools: impl Iterator<Item = &'a str> + Clone, before: u64) -> usize {
        let in_front = self.before(Some(before));
        in_front
            .filter(|waiter| pools.clone().any(|pool| waiter.wants(pool)))
            .count()
    }

    /// Returns what those who wait for a pool tell of themselves.
    pub(crate) fn tickets<'a>(&'a self, pool: &'a str) -> impl Iterator<Item = &'a Ticket> {
        let of_pool = self.waiters.iter().filter(move |waiter| waiter.wants(pool));
        of_pool.filter_map(|waiter| waiter.ticket.as_ref())
    }

    fn before(&self, number: Option<u64>) -> impl Iterator<Item = &Waiter> {
        let is_before = move |waiter: &&Waiter| number.is_none_or(|number| waiter.number < number);
        self.waiters.iter().filter(is_before)
    }
}

impl Waiter {
    fn wants(&self, pool: &str) -> bool {
        let ticket = self.ticket.as_ref();
        ticket.is_none_or(|ticket| ticket.pools.iter().any(|wanted| wanted == pool))
    }
}

/// Reads the queue's directory.
pub(super) fn find(dir: &StateDir) -> Result<Found> {
    let failed = |err| Error::io("look into the queue in", dir.queue(), err);
    let mut found = Found::default();
    for number in numbers(dir).map_err(failed)? {
        let path = dir.ticket(number);
        match FileLock::try_shared(&path) {
            Ok(None) => match trust::read(&path) {
                Err(err) if err.kind() == ErrorKind::NotFound => {}
                text => found.line.waiters.push(Waiter {
                    number,
                    ticket: text.ok().and_then(|text| Ticket::parse(&text)),
                }),
            },
            Ok(Some(_)) => found.free.push(number),
            // It has been given back meanwhile; or it is none of ours, and keeps nobody waiting.
            Err(_) => {}
        }
    }
    Ok(found)
}

/// The numbers of the tickets that are there, in order.
pub(super) fn numbers(dir: &StateDir) -> io::Result<Vec<u64>> {
    let entries = match fs::read_dir(dir.queue()) {
        Ok(entries) => entries,
        Err(err) if err.kind() == ErrorKind::NotFound => return Ok(Vec::new()),
        Err(err) => return Err(err),
    };
    let mut numbers = Vec::new();
    for entry in entries {
        let name = entry?.file_name();
        let number: Option<u64> = name.to_str().and_then(|name| name.parse().ok());
        numbers.extend(number);
    }
    numbers.sort_unstable();
    Ok(numbers)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::{prop_oneof, proptest};
    use rstest::rstest;
    use serde_json::json;

    use super::*;
    use crate::garbage::{self, Text};

    /// Waiters are written `NUMBER POOL,POOL`, and `NUMBER ?` if the ticket cannot be read.
    fn line(waiters: &[&str]) -> Line {
        let read = |waiter: &&str| {
            let (number, pools) = waiter.split_once(' ').unwrap();
            let ticket = Ticket {
                pools: pools.split(',').map(str::to_owned).collect(),
                want_bytes: 1,
                pid: 1,
                test: None,
                attempt: None,
                since: String::new(),
            };
            Waiter {
                number: number.parse().unwrap(),
                ticket: (pools != "?").then_some(ticket),
            }
        };
        Line {
            waiters: waiters.iter().map(read).collect(),
        }
    }

    #[rstest]
    #[case::nobody(&[], "fast", 5, 0)]
    #[case::the_first(&["5 fast", "6 fast"], "fast", 5, 0)]
    #[case::behind_one(&["3 fast", "5 fast"], "fast", 5, 1)]
    #[case::behind_several(&["1 fast", "3 fast", "5 fast"], "fast", 5, 2)]
    #[case::others_want_another_pool(&["1 sata", "3 sata", "5 fast"], "fast", 5, 0)]
    #[case::who_would_take_either_is_before_both(&["1 sata,fast", "5 fast"], "fast", 5, 1)]
    #[case::who_would_take_either_is_first_of_one(&["1 fast", "5 fast,sata"], "sata", 5, 0)]
    #[case::nobody_knows_what_he_wants(&["1 ?", "5 fast"], "fast", 5, 1)]
    fn before_one_are_those_who_came_earlier_and_want_the_same_pool(
        #[case] waiters: &[&str],
        #[case] pool: &str,
        #[case] number: u64,
        #[case] expected: usize,
    ) {
        assert_eq!(line(waiters).waiting_for(pool, Some(number)), expected);
    }

    #[test]
    fn who_has_no_ticket_is_behind_all() {
        let line = line(&["1 fast", "2 sata", "7 sata,fast"]);
        let waiting = |pool| line.waiting_for(pool, None);
        assert_eq!((waiting("fast"), waiting("sata"), waiting("other")), (2, 2, 0));
        let both = ["fast", "sata"];
        assert_eq!(line.in_front(both.into_iter(), 7), 2, "each of them once");
    }

    fn tickets() -> impl proptest::strategy::Strategy<Value = Text> {
        let good = json!({"pools": ["fast"], "want_bytes": 1, "pid": 1, "test": "it", "attempt": 2, "since": "2025-11-15T10:30:45"});
        prop_oneof![
            garbage::bytes(),
            garbage::trees(&["pools", "want_bytes", "pid", "test", "attempt", "since"]),
            garbage::damaged(good),
        ]
    }

    proptest! {
        #![proptest_config(garbage::config())]

        #[test]
        fn a_ticket_that_can_be_read_is_written_back_as_it_was(text in tickets()) {
            if let Some(ticket) = Ticket::parse(&text.0) {
                assert_eq!(Ticket::parse(&ticket.text()), Some(ticket));
            }
        }
    }
}
