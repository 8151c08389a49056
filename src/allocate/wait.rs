//! Waiting for room, first come, first served.

use std::time::{Duration, Instant};

use kdev_volumes_spec::Bytes;

use crate::allocate::ask::{Answer, Asking, Reason};
use crate::allocate::queued::Queued;
use crate::allocate::tell;
use crate::error::Result;
use crate::patience::Patience;
use crate::queue::{Line, Ticket};
use crate::reap;
use crate::session::Session;
use crate::source::Source;

/// How often somebody who waits says so.
const BETWEEN_WORDS: Duration = Duration::from_secs(10);

/// How often the first looks for what does not show in the state directory: another user's sessions, LVs
/// that were removed by hand, owners that were killed and had no watchdog.
const BETWEEN_LOOKS: Duration = Duration::from_secs(2);

/// A session that has waited, and was served.
pub(super) struct Served<'a> {
    pub(super) session: Session,
    /// The pool that it is of.
    pub(super) pool: &'a str,
    /// Whether it was said that it waits.
    pub(super) was_told: bool,
}

/// Waits until a session can be made in one of the pools that are full.
///
/// One place in the queue is for all of them, and whichever has room first when it is our turn there is
/// taken. So the order is one for all pools, and no two wait for each other.
///
/// # Errors
///
/// The reasons of all the pools when patience ends, or when no waiting would help any more.
pub(super) fn wait<'a>(
    asking: &mut Asking<'a>,
    reasons: Vec<Reason<'a>>,
    patience: Patience,
) -> Result<Served<'a>> {
    let (full, hopeless): (Vec<Reason>, Vec<Reason>) = reasons.into_iter().partition(|reason| reason.is_full);
    let sources: Vec<&'a Source> = full.iter().map(|reason| reason.source).collect();
    let want = full.iter().map(|reason| reason.want).max().unwrap_or_default();
    let names = sources.iter().map(|source| source.name().to_owned()).collect();
    let ticket = Ticket::new(names, want, asking.request);
    let began = Instant::now();
    let queued = Queued::join(asking.pool.state(), ticket)?;
    let waiting = Waiting {
        asking,
        sources,
        want,
        hopeless,
        queued,
        patience,
        began,
        next_look: began,
        next_word: began,
    };
    waiting.until_served()
}

struct Waiting<'w, 'a> {
    asking: &'w mut Asking<'a>,
    /// The pools that may come to have room.
    sources: Vec<&'a Source>,
    want: Bytes,
    /// Why the others will not.
    hopeless: Vec<Reason<'a>>,
    queued: Queued<'a>,
    patience: Patience,
    began: Instant,
    /// When the room is looked at next, if it is our turn then.
    next_look: Instant,
    next_word: Instant,
}

impl<'a> Waiting<'_, 'a> {
    fn until_served(mut self) -> Result<Served<'a>> {
        let deadline = self.patience.0.and_then(|time| self.began.checked_add(time));
        loop {
            let (number, line) = self.queued.line()?;
            let is_our_turn = |source: &&&Source| line.waiting_for(source.name(), Some(number)) == 0;
            let ours: Vec<&'a Source> = self.sources.iter().filter(is_our_turn).copied().collect();
            if !ours.is_empty() && Instant::now() >= self.next_look {
                if let Some((session, pool)) = self.look(&ours, &line, number)? {
                    return Ok(Served {
                        session: *session,
                        pool,
                        was_told: self.next_word > self.began,
                    });
                }
                self.next_look = Instant::now() + BETWEEN_LOOKS;
            }
            let now = Instant::now();
            let is_over = deadline.is_some_and(|deadline| now >= deadline);
            // The first message is printed also where the first look alone took longer than the wait.
            // Otherwise the test fails after a wait of which it has printed nothing.
            if now >= self.next_word && (!is_over || self.next_word == self.began) {
                self.say(&ours, &line, number)?;
                self.next_word = now + BETWEEN_WORDS;
            }
            if is_over {
                let waited = now - self.began;
                let full = self.asking.full_now(&self.sources, &line, number, waited)?;
                return self.fail(full);
            }
            let next = [Some(self.next_word), Some(now + BETWEEN_LOOKS), deadline];
            let next = next.into_iter().flatten().min().unwrap_or(now);
            let for_room = !ours.is_empty();
            if self
                .queued
                .wait(next.saturating_duration_since(Instant::now()), for_room)?
            {
                self.next_look = now;
            }
        }
    }

    /// Asks the pools in which it is our turn.
    fn look(
        &mut self,
        ours: &[&'a Source],
        line: &Line,
        number: u64,
    ) -> Result<Option<(Box<Session>, &'a str)>> {
        self.queued.remember()?;
        let mut answer = self.ask(ours, line, number)?;
        if matches!(answer, Answer::Nothing(_)) {
            // What the dead hold is room too. Without any, this costs a few system calls; and it waits for
            // nobody: what another reaper removes shows in the records.
            let reaped = reap::reap_if_any_died(self.asking.pool.state())?;
            reaped.tell();
            if !reaped.removed.is_empty() {
                answer = self.ask(ours, line, number)?;
            }
        }
        match answer {
            Answer::Served(session, pool) => Ok(Some((session, pool))),
            Answer::Nothing(reasons) if reasons.len() < self.sources.len() => Ok(None),
            Answer::Nothing(reasons) if reasons.iter().any(|reason| reason.is_full) => Ok(None),
            Answer::Nothing(reasons) => self.fail(reasons),
        }
    }

    fn ask(&mut self, ours: &[&'a Source], line: &Line, number: u64) -> Result<Answer<'a>> {
        let Self { asking, queued, .. } = self;
        // Who has his room is in nobody's way while filesystems are made on it.
        asking.ask(ours, line, Some(number), &mut || queued.leave())
    }

    /// Says what is waited for. Who is the first also looks, each time but the first, whether it still makes
    /// sense: LVM is asked by one and not by all.
    fn say(&mut self, ours: &[&'a Source], line: &Line, number: u64) -> Result<()> {
        let is_first_word = self.next_word == self.began;
        let so_far = match is_first_word {
            true => Duration::ZERO,
            false => self.began.elapsed(),
        };
        let before = line.in_front(self.sources.iter().map(|source| source.name()), number);
        let Self {
            asking,
            sources,
            want,
            patience,
            ..
        } = self;
        eprintln!(
            "{}",
            tell::waiting(asking.request, *want, sources, before, so_far, *patience)
        );
        if is_first_word || ours.len() < self.sources.len() {
            return Ok(());
        }
        // The VGs themselves, should the records have been lost, and the leases with them.
        for source in ours {
            reap::reap_pool(source)?.tell();
        }
        // What was kept meanwhile, or got stuck, does not go by itself.
        let full = self.asking.full_now(&self.sources, line, number, so_far)?;
        let judged = self.asking.judge(full)?;
        match judged.iter().any(|reason| reason.is_full) {
            true => Ok(()),
            false => self.fail(judged),
        }
    }

    fn fail<T>(&mut self, mut reasons: Vec<Reason<'a>>) -> Result<T> {
        reasons.append(&mut self.hopeless);
        Err(self.asking.error(reasons))
    }
}
