use std::time::{Duration, SystemTime};

use kdev_volumes_spec::Bytes;

use crate::events::{Event, LoggedVolume, Occasion, WaitEnd, Was, What};
use crate::metrics::history::{Held, leaked};
use crate::metrics::peak::peak;
use crate::metrics::spread::Spread;

/// What can be counted and measured.
///
/// ```no_run
/// # use kdev_volumes::metrics::{Metrics, Scope};
/// let figures = Metrics::read(&Scope::default())?.all();
/// println!("{} sessions, {} failures, {} leaks", figures.sessions, figures.failures, figures.leaked());
/// # Ok::<(), kdev_volumes::Error>(())
/// ```
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Figures {
    /// The sessions that got their volumes.
    pub sessions: u64,
    /// Those volumes, and the snapshots of them.
    pub volumes: u64,
    /// Their sizes together, as they were made.
    pub bytes: Bytes,
    /// The sessions that could not be had.
    pub failures: u64,
    /// The volumes that were given back by their owners.
    pub released: u64,
    /// The volumes that their owners kept.
    pub kept: u64,
    /// The volumes that their owners could not give back.
    pub stuck: u64,
    /// The volumes that a watchdog had to reap.
    pub by_watchdog: u64,
    /// The volumes that a program that started had to reap.
    pub by_constructor: u64,
    /// The volumes that a test had to reap that found no room.
    pub by_full_pool: u64,
    /// The volumes that a cleanup had to reap.
    pub by_cleanup: u64,
    /// The records that were dropped because their volumes were gone, as a dead owner's loop devices are.
    pub forgotten: u64,
    /// The kept volumes that were removed.
    pub kept_removed: u64,
    /// How long it took to make the volumes of a session.
    pub making: Option<Spread>,
    /// How long volumes were held, until they were given back or kept.
    pub held: Option<Spread>,
    /// How long tests waited for room.
    pub waits: Option<Spread>,
    /// How many of them waited in vain.
    pub waits_in_vain: u64,
    /// How many volumes there were at once at most.
    pub peak_volumes: u64,
    /// How much room volumes took at once at most.
    pub peak_bytes: Bytes,
}

impl Figures {
    /// Returns how many volumes were left behind by their owners and had to be reaped.
    ///
    /// ```no_run
    /// # use kdev_volumes::metrics::{Metrics, Scope};
    /// assert_eq!(Metrics::read(&Scope::default())?.all().leaked(), 0);
    /// # Ok::<(), kdev_volumes::Error>(())
    /// ```
    pub fn leaked(&self) -> u64 {
        self.by_watchdog + self.by_constructor + self.by_full_pool + self.by_cleanup
    }

    /// Counts what happened to these sessions, and their peak between two times.
    pub(super) fn of<'a>(
        events: impl Iterator<Item = &'a Event>,
        sessions: &[&Held],
        window: (SystemTime, SystemTime),
    ) -> Self {
        let mut figures = Self::default();
        let mut times = Times::default();
        for event in events {
            figures.count(event, &mut times);
        }
        figures.making = Spread::of(times.making);
        figures.held = Spread::of(times.held);
        figures.waits = Spread::of(times.waits);
        (figures.peak_volumes, figures.peak_bytes) = peak(sessions.iter().copied(), window);
        figures
    }

    fn count(&mut self, event: &Event, times: &mut Times) {
        let millis = |ms: &u64| Duration::from_millis(*ms);
        let count = |volumes: &Vec<LoggedVolume>| volumes.len() as u64;
        if let Some((occasion, volumes)) = leaked(event) {
            *self.of_occasion(occasion) += volumes;
        }
        match &event.what {
            What::Allocated { volumes, took_ms } => {
                self.sessions += 1;
                self.add(volumes);
                times.making.push(millis(took_ms));
            }
            What::Failed { .. } => self.failures += 1,
            What::Waited { took_ms, ended, .. } => {
                times.waits.push(millis(took_ms));
                self.waits_in_vain += u64::from(*ended == WaitEnd::InVain);
            }
            What::Released { volumes, held_ms, .. } => {
                self.released += count(volumes);
                times.held.push(millis(held_ms));
            }
            What::Kept { volumes, held_ms, .. } => {
                self.kept += count(volumes);
                times.held.push(millis(held_ms));
            }
            What::Stuck { volumes, .. } => self.stuck += count(volumes),
            What::Reaped { volumes, was, .. } => match was {
                Was::Kept => self.kept_removed += count(volumes),
                Was::Gone => self.forgotten += count(volumes),
                Was::Dead | Was::Unknown => {}
            },
            What::Snapshot { volumes, .. } => self.add(volumes),
            What::Resized { .. } | What::Unknown => {}
        }
    }

    fn add(&mut self, volumes: &[LoggedVolume]) {
        self.volumes += volumes.len() as u64;
        let sizes = volumes.iter().map(|volume| volume.bytes);
        self.bytes = Bytes::new(sizes.fold(self.bytes.get(), u64::saturating_add));
    }

    fn of_occasion(&mut self, occasion: Occasion) -> &mut u64 {
        match occasion {
            Occasion::Watchdog => &mut self.by_watchdog,
            Occasion::Constructor => &mut self.by_constructor,
            Occasion::FullPool => &mut self.by_full_pool,
            // Somebody has removed it, and it was none of the others.
            Occasion::Cleanup | Occasion::KeepMax | Occasion::Unknown => &mut self.by_cleanup,
        }
    }
}

#[derive(Default)]
struct Times {
    making: Vec<Duration>,
    held: Vec<Duration>,
    waits: Vec<Duration>,
}
