//! What bounds the tests that run at once.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use kdev_volumes_spec::Bytes;

use crate::error::Result;
use crate::pool::{Pool, is_reserved, no_pool};
use crate::pools_file;
use crate::reap::{Entry, Places, Presence, Verdict, survey};
use crate::state::{Record, State};
use crate::state_dir::StateDir;

/// What sizes of loop devices and images are rounded up to.
pub(super) const LOOP_UNIT: Bytes = Bytes::new(4096);

/// LVM's extent, unless a VG was made with another.
const EXTENT: Bytes = Bytes::new(4 << 20);

/// The room for tests that run at once.
///
/// ```
/// # use kdev_volumes::plan::Room;
/// let room = Room::of_size("100G".parse()?);
/// assert_eq!(room.to_string(), "a pool with room for 100G");
/// # Ok::<(), kdev_volumes::Error>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Room {
    /// The pool; `None` if it need not exist.
    pub pool: Option<String>,
    /// What tests may take of it, in whole units.
    pub size: Bytes,
    /// What the sizes of its volumes are rounded up to.
    pub unit: Bytes,
}

impl Room {
    /// Takes the room of a pool that need not exist, as `kdev pool status` would show it.
    ///
    /// ```
    /// # use kdev_volumes::plan::Room;
    /// let room = Room::of_size("1023M".parse()?); // in whole extents of 4 MiB
    /// assert_eq!((room.size, room.unit), ("1020M".parse()?, "4M".parse()?));
    /// # Ok::<(), kdev_volumes::Error>(())
    /// ```
    pub fn of_size(size: Bytes) -> Self {
        Self {
            pool: None,
            size: Bytes::new(size.get() - size.get() % EXTENT.get()),
            unit: EXTENT,
        }
    }

    /// Looks how much of a pool is free, or will be when those who hold it now have given it back; of the
    /// one that `KERNELDEV_DEVICE_POOL` names if none is given. `None` for the embedded default and for
    /// images, which have no bound.
    ///
    /// Kept volumes, volumes that cannot be removed, those of owners of whom nothing is known, and LVs
    /// that are not ours stay.
    ///
    /// ```no_run
    /// # use kdev_volumes::plan::Room;
    /// match Room::of_pool(None)? {
    ///     Some(room) => println!("{room}"),
    ///     None => println!("sparse files, as many as the disk holds"),
    /// }
    /// # Ok::<(), kdev_volumes::Error>(())
    /// ```
    ///
    /// # Errors
    ///
    /// [`Error::NoPool`](crate::Error::NoPool), [`Error::Variable`](crate::Error::Variable), or if the VG cannot be
    /// looked at.
    pub fn of_pool(name: Option<&str>) -> Result<Option<Self>> {
        let name = match name {
            Some(name) => name.to_owned(),
            None => Pool::from_env()?.name().to_owned(),
        };
        if is_reserved(&name) {
            return Ok(None);
        }
        let state = State::new(StateDir::from_env()?);
        let mut pools = pools_file::read(state.dir())?;
        let Some(entry) = pools.remove(&name) else {
            return Err(no_pool(&name, state.dir(), pools.keys()));
        };
        let vg_name = entry.lvm_config.vg_name.clone();
        let places = Places {
            vgs: BTreeSet::from([vg_name.clone()]),
            ..Places::default()
        };
        let mut survey = survey(&state, &places, BTreeMap::new())?;
        let Some(room) = survey.backends.room(&vg_name) else {
            let (_, err) = survey
                .unseen
                .pop()
                .expect("what cannot be looked at is noted with its reason");
            return Err(entry.why_missing(err));
        };
        let leaving = survey.entries.iter().filter(|entry| Holding::of(entry).will_go());
        let leaving = leaving.filter_map(|entry| entry.size).map(Bytes::get);
        Ok(Some(Self {
            pool: Some(name),
            size: Bytes::new(room.free.get() + leaving.sum::<u64>()),
            unit: room.extent,
        }))
    }
}

impl fmt::Display for Room {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.pool {
            Some(pool) => write!(f, "pool `{pool}`, which has room for {}", self.size),
            None => write!(f, "a pool with room for {}", self.size),
        }
    }
}

/// What decides whether the room of a volume is counted.
#[derive(Clone, Copy, Debug)]
struct Holding {
    presence: Presence,
    verdict: Verdict,
    /// Whether it is to stay when its owner dies.
    is_kept: bool,
    has_failed_to_go: bool,
}

impl Holding {
    fn of(entry: &Entry) -> Self {
        let record = entry.record.as_ref();
        Self {
            presence: entry.presence,
            verdict: entry.verdict,
            is_kept: entry.is_marked_kept || record.is_some_and(Record::is_kept),
            has_failed_to_go: record.is_some_and(|record| record.failure.is_some()),
        }
    }

    fn will_go(self) -> bool {
        let is_awaited = match self.verdict {
            Verdict::Alive => !self.is_kept,
            Verdict::Dead => true,
            Verdict::Kept | Verdict::Unknown(_) => false,
        };
        self.presence == Presence::There && is_awaited && !self.has_failed_to_go
    }
}

#[cfg(test)]
mod tests {
    use rstest::rstest;

    use super::*;
    use crate::liveness::Doubt;

    #[rstest]
    #[case::of_a_test_that_runs(Presence::There, Verdict::Alive, false, false, true)]
    #[case::of_a_dead_test(Presence::There, Verdict::Dead, false, false, true)]
    #[case::kept(Presence::There, Verdict::Kept, true, false, false)]
    #[case::that_its_owner_wants_to_stay(Presence::There, Verdict::Alive, true, false, false)]
    #[case::of_nobody_knows_whom(Presence::There, Verdict::Unknown(Doubt::OtherHost), false, false, false)]
    #[case::stuck(Presence::There, Verdict::Dead, false, true, false)]
    #[case::that_is_free_already(Presence::Gone, Verdict::Dead, false, false, false)]
    fn the_room_is_counted(
        #[case] presence: Presence,
        #[case] verdict: Verdict,
        #[case] is_kept: bool,
        #[case] has_failed_to_go: bool,
        #[case] expected: bool,
    ) {
        let holding = Holding {
            presence,
            verdict,
            is_kept,
            has_failed_to_go,
        };
        assert_eq!(holding.will_go(), expected);
    }

    #[test]
    fn the_room_of_a_pool_that_need_not_exist_is_whole_extents() {
        assert_eq!(Room::of_size(Bytes::new(1023 << 20)).size, Bytes::new(1020 << 20));
    }
}
