use std::collections::BTreeSet;
use std::time::Duration;

use crate::error::Result;
use crate::queue::{Line, Place, Ticket, Watch};
use crate::state::State;

/// A place in the queue, and what is known there.
pub(super) struct Queued<'a> {
    state: &'a State,
    ticket: Ticket,
    /// `None` when it is given up.
    place: Option<Place>,
    watch: Watch,
    /// The volumes of these pools that were on record when the room was looked at.
    on_record: BTreeSet<String>,
}

impl<'a> Queued<'a> {
    /// Takes the place behind all others.
    pub(super) fn join(state: &'a State, ticket: Ticket) -> Result<Self> {
        let place = Place::take(state.dir(), &ticket)?;
        Ok(Self {
            state,
            ticket,
            place: Some(place),
            // There is a queue to watch now.
            watch: Watch::new(state.dir()),
            on_record: BTreeSet::new(),
        })
    }

    /// Looks who waits, and which number is ours; takes a new place if somebody has removed our file, and
    /// with that the place.
    pub(super) fn line(&mut self) -> Result<(u64, Line)> {
        loop {
            if let Some(place) = &self.place {
                if let Some(line) = place.line()? {
                    return Ok((place.number(), line));
                }
            }
            *self = Self::join(self.state, self.ticket.clone())?;
        }
    }

    /// Gives the place up.
    pub(super) fn leave(&mut self) {
        self.place = None;
    }

    /// Notes what is on record. To be called before the room is looked at.
    pub(super) fn remember(&mut self) -> Result<()> {
        self.on_record = self.records_now()?;
        Ok(())
    }

    /// Waits until it may be our turn, or, if `for_room`, until there may be room; `false` if that was all
    /// the time there was.
    pub(super) fn wait(&mut self, at_most: Duration, for_room: bool) -> Result<bool> {
        let seen = self.watch.wait(at_most);
        Ok(seen.queue || (for_room && seen.records && self.has_anything_gone()?))
    }

    /// A record is dropped when its volume is gone, so this is when there may be room. It spares LVM the
    /// question at each other change.
    fn has_anything_gone(&mut self) -> Result<bool> {
        let now = self.records_now()?;
        let has_gone = !self.on_record.is_subset(&now);
        // What has come since may go, too.
        self.on_record = now;
        Ok(has_gone)
    }

    fn records_now(&self) -> Result<BTreeSet<String>> {
        let records = self.state.snapshot()?;
        let of_these = records
            .iter()
            .filter(|record| self.ticket.pools.contains(&record.pool_name));
        Ok(of_these.map(|record| record.lv_name.clone()).collect())
    }
}
