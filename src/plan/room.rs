//! What bounds the tests that run at once.

use std::fmt;

use kdev_volumes_spec::Bytes;

use crate::error::{Error, Result};
use crate::outlook::{Outlook, outlook};
use crate::pool::Pool;

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
    /// [`Error::NoPool`], [`Error::Variable`], [`Error::SeveralPools`] if it is more than one, or if the VG
    /// cannot be looked at.
    pub fn of_pool(name: Option<&str>) -> Result<Option<Self>> {
        let pool = match name {
            Some(name) => Pool::named(name)?,
            None => Pool::from_env()?,
        };
        let [source] = pool.sources() else {
            return Err(Error::SeveralPools {
                pools: pool.name().to_owned(),
            });
        };
        let Some(vg_name) = source.vg_name() else {
            return Ok(None);
        };
        let Outlook {
            free_in_time, unit, ..
        } = outlook(source.state(), vg_name).map_err(|err| source.why_missing(err))?;
        Ok(Some(Self {
            pool: Some(source.name().to_owned()),
            size: free_in_time,
            unit,
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_room_of_a_pool_that_need_not_exist_is_whole_extents() {
        assert_eq!(Room::of_size(Bytes::new(1023 << 20)).size, Bytes::new(1020 << 20));
    }
}
