//! Which processor a machine runs on.

use std::fs::File;

use nix::fcntl::{Flock, FlockArg};
use nix::sched::{CpuSet, sched_getaffinity, sched_setaffinity};
use nix::unistd::Pid;

/// On which processors of the host a machine runs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Processors {
    /// On any.
    Any,
    /// On one that no other such machine is on.
    ///
    /// A User-Mode Linux kernel has one processor, but is many processes here, and every page fault and
    /// system call in it is a switch from one of them to another: across processors that takes two to
    /// three times as long.
    One,
}

/// A processor that is one machine's, as long as this value, or a process that has inherited it, lives.
#[derive(Debug)]
pub(super) struct Taken {
    /// Of the processor's own directory: so no file is left.
    _lock: Flock<File>,
}

impl Processors {
    /// The word for it in a keeper's arguments.
    pub(super) fn word(self) -> &'static str {
        match self {
            Self::Any => "any",
            Self::One => "one",
        }
    }

    pub(super) fn of_word(word: &str) -> Option<Self> {
        [Self::Any, Self::One]
            .into_iter()
            .find(|processors| processors.word() == word)
    }

    /// Has this process, and those that come of it, stay there. `None` if it may be on any: also if each has
    /// its machine already, since then the scheduler knows best.
    pub(super) fn stay(self) -> Option<Taken> {
        if self == Self::Any {
            return None;
        }
        let this = Pid::from_raw(0);
        let allowed = sched_getaffinity(this).ok()?;
        let (number, lock) = (0..CpuSet::count())
            .filter(|&number| allowed.is_set(number).unwrap_or(false))
            .find_map(|number| Some((number, lock(number)?)))?;
        let mut only = CpuSet::new();
        only.set(number).ok()?;
        sched_setaffinity(this, &only).ok()?;
        Some(Taken { _lock: lock })
    }
}

fn lock(number: usize) -> Option<Flock<File>> {
    let directory = File::open(format!("/sys/devices/system/cpu/cpu{number}")).ok()?;
    Flock::lock(directory, FlockArg::LockExclusiveNonblock).ok()
}

#[cfg(test)]
mod tests {
    use std::thread;

    use super::*;

    fn allowed() -> Vec<usize> {
        let set = sched_getaffinity(Pid::from_raw(0)).unwrap();
        (0..CpuSet::count())
            .filter(|&number| set.is_set(number).unwrap())
            .collect()
    }

    #[test]
    fn a_word_says_which() {
        for processors in [Processors::Any, Processors::One] {
            assert_eq!(Processors::of_word(processors.word()), Some(processors));
        }
        assert_eq!(Processors::of_word("both"), None);
    }

    /// Affinity is a thread's, and each takes a processor of its own; other machines may have taken some.
    #[test]
    fn no_two_machines_stay_on_one_processor() {
        let all = allowed();
        let stay = || {
            let taken = Processors::One.stay();
            (taken, allowed())
        };
        let mut alone = Vec::new();
        // Held until all have had their turn; there is one turn more than there are processors.
        let mut held = Vec::new();
        for _ in 0..=all.len() {
            let (taken, allowed) = thread::spawn(stay).join().unwrap();
            match taken {
                Some(_) => {
                    assert_eq!(allowed.len(), 1);
                    assert!(!alone.contains(&allowed[0]), "{allowed:?} is taken twice");
                    alone.extend(allowed);
                }
                None => assert_eq!(allowed, all),
            }
            held.push(taken);
        }
        assert!(held.iter().any(Option::is_none), "there are no more processors");
        assert!(thread::spawn(|| Processors::Any.stay().is_none()).join().unwrap());
    }
}
