//! Setting pools up, looking at them, cleaning them, taking them down: what the command `kdev pool` does.

mod finish;
mod intent;
mod new;
mod on_device;
mod on_file;
mod progress;
mod setup;
mod start;
mod status;
mod teardown;
mod volumes;

use std::path::PathBuf;
use std::time::Duration;

pub use crate::clean::Clean;
pub use crate::lvm::Activation;
pub use crate::thin::{Overcommit, Thin};
pub use new::{Medium, NewPool};
pub use progress::Progress;
pub use setup::Preview;
pub use start::{StartStep, Started};
pub use status::{PoolStatus, VolumeStatus, WaiterStatus};
pub use teardown::Teardown;
pub use volumes::NewSnapshot;

use crate::backend::Leftover;
use crate::error::Result;
use crate::pools_file::{self, PoolEntry};
use crate::queue;
use crate::reap::{self, Wish};
use crate::state::State;
use crate::state_dir::StateDir;

/// All pools of one state directory.
///
/// ```no_run
/// use std::time::Duration;
/// use kdev_volumes::pools::{Kept, Pools};
///
/// // As `kdev pool cleanup --kept --older-than=2d`.
/// let two_days = Duration::from_secs(2 * 24 * 3600);
/// let cleaned = Pools::from_env()?.cleanup(None, &Kept::GoOlderThan(two_days))?;
/// for volume in &cleaned.stuck {
///     eprintln!("{} stays: {}", volume.path.display(), volume.why);
/// }
/// # Ok::<(), kdev_volumes::Error>(())
/// ```
#[derive(Clone, Debug)]
pub struct Pools {
    state: State,
}

/// A pool as it was set up.
///
/// ```no_run
/// # use kdev_volumes::pools::Pools;
/// for pool in Pools::from_env()?.list()? {
///     println!("{}: set up by {} at {}", pool.name, pool.created_by, pool.created_at);
/// }
/// # Ok::<(), kdev_volumes::Error>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct PoolSummary {
    /// The pool's name.
    pub name: String,
    /// The device that it was made of, by the name that stays the same over boots if it has one; or the file.
    pub device: PathBuf,
    /// The VG's name.
    pub vg_name: String,
    /// What its volumes' names begin with.
    pub lv_prefix: String,
    /// When it was set up, in UTC.
    pub created_at: String,
    /// The user who did it.
    pub created_by: String,
}

/// Which volumes a cleanup removes besides those that dead processes left.
///
/// ```no_run
/// # use kdev_volumes::pools::{Kept, Pools};
/// let names = vec!["kdev-20261122150854-e705a0-test".to_owned()];
/// Pools::from_env()?.cleanup(Some("default"), &Kept::GoNamed(names))?;
/// # Ok::<(), kdev_volumes::Error>(())
/// ```
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Kept {
    /// No kept volumes.
    #[default]
    Stay,
    /// All kept volumes.
    Go,
    /// The kept volumes that were made at least so long ago. One of which nothing tells when stays, and
    /// [`Cleaned::failures`] says so.
    GoOlderThan(Duration),
    /// Only these kept volumes, by the names of their LVs, and nothing else.
    GoNamed(Vec<String>),
}

/// What a cleanup did.
///
/// ```no_run
/// # use kdev_volumes::pools::{Kept, Pools};
/// let cleaned = Pools::from_env()?.cleanup(None, &Kept::Stay)?;
/// println!("removed {} volumes", cleaned.removed.len());
/// let is_clean = cleaned.stuck.is_empty() && cleaned.failures.is_empty();
/// # Ok::<(), kdev_volumes::Error>(())
/// ```
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Cleaned {
    /// The volumes that were removed.
    pub removed: Vec<String>,
    /// The volumes that were gone already, whose records were dropped.
    pub forgotten: Vec<String>,
    /// The volumes that could not be removed. They stay on record.
    pub stuck: Vec<StuckVolume>,
    /// The pools on files that are not started, by name. They were passed over.
    pub not_started: Vec<String>,
    /// What else could not be done, such as looking at a VG, each as a sentence.
    pub failures: Vec<String>,
}

/// A volume that could not be removed.
///
/// ```no_run
/// # use kdev_volumes::pools::{Kept, Pools};
/// for volume in Pools::from_env()?.cleanup(None, &Kept::Stay)?.stuck {
///     eprintln!("{} ({}): {}", volume.lv_name, volume.path.display(), volume.why);
/// }
/// # Ok::<(), kdev_volumes::Error>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct StuckVolume {
    /// The name of the LV.
    pub lv_name: String,
    /// The path of the device.
    pub path: PathBuf,
    /// Who holds it, or what the attempt said.
    pub why: String,
}

impl Pools {
    /// Finds the pools in `KDEV_STATE_DIR`, else `~/.kerneldev-mcp`.
    ///
    /// ```no_run
    /// # use kdev_volumes::pools::Pools;
    /// let pools = Pools::from_env()?;
    /// # Ok::<(), kdev_volumes::Error>(())
    /// ```
    ///
    /// # Errors
    ///
    /// [`Error::NoHome`](crate::Error::NoHome) if neither is known.
    pub fn from_env() -> Result<Self> {
        Ok(Self {
            state: State::new(StateDir::from_env()?),
        })
    }

    /// Lists the pools that are set up, by name.
    ///
    /// ```no_run
    /// # use kdev_volumes::pools::Pools;
    /// for pool in Pools::from_env()?.list()? {
    ///     println!("{}: VG {} on {}", pool.name, pool.vg_name, pool.device.display());
    /// }
    /// # Ok::<(), kdev_volumes::Error>(())
    /// ```
    ///
    /// # Errors
    ///
    /// If the file of pools cannot be read.
    pub fn list(&self) -> Result<Vec<PoolSummary>> {
        Ok(pools_file::read(self.state.dir())?
            .into_values()
            .map(PoolSummary::from)
            .collect())
    }

    /// Removes what dead processes left, in one pool or in all, and the kept volumes that may go.
    ///
    /// Volumes of live owners, of owners of whom nothing is known, and LVs that are not ours stay in
    /// any case. Of all pools, one on a file that is not started is passed over. Waits for another cleanup that is at work. A setup or a teardown over which its process
    /// died is finished.
    ///
    /// ```no_run
    /// # use kdev_volumes::pools::{Kept, Pools};
    /// let cleaned = Pools::from_env()?.cleanup(Some("default"), &Kept::Stay)?;
    /// println!("removed: {}", cleaned.removed.join(", "));
    /// # Ok::<(), kdev_volumes::Error>(())
    /// ```
    ///
    /// # Errors
    ///
    /// [`Error::NoPool`](crate::Error::NoPool), or if the files of state cannot be read or written.
    pub fn cleanup(&self, pool: Option<&str>, kept: &Kept) -> Result<Cleaned> {
        self.cleanup_with(pool, kept, &mut |_| {})
    }

    /// Does what [`cleanup`](Self::cleanup) does, and tells how far it is, each time that the volumes of one
    /// session have been dealt with.
    ///
    /// ```no_run
    /// # use kdev_volumes::pools::{Kept, Pools};
    /// let pools = Pools::from_env()?;
    /// pools.cleanup_with(None, &Kept::Go, &mut |progress| eprintln!("{progress:?}"))?;
    /// # Ok::<(), kdev_volumes::Error>(())
    /// ```
    ///
    /// # Errors
    ///
    /// As `cleanup`.
    pub fn cleanup_with(
        &self,
        pool: Option<&str>,
        kept: &Kept,
        tell: &mut dyn FnMut(Progress),
    ) -> Result<Cleaned> {
        let wish = match kept {
            Kept::Stay => Wish::Orphans,
            Kept::Go => Wish::Kept,
            Kept::GoOlderThan(least) => Wish::KeptOlder(*least),
            Kept::GoNamed(names) => Wish::KeptNamed(names.clone()),
        };
        finish::finish_interrupted(self.state.dir())?;
        queue::tidy(self.state.dir())?;
        let known = pools_file::read(self.state.dir())?;
        let not_started = known
            .values()
            .filter(|entry| pool.is_none() && entry.is_not_started());
        let not_started = not_started.map(|entry| entry.pool_name.clone()).collect();
        let reaped = reap::cleanup(&self.state, pool, &wish, &mut |done, of| {
            tell(Progress::Volumes { done, of });
        })?;
        Ok(Cleaned {
            removed: reaped.removed,
            forgotten: reaped.forgotten,
            stuck: reaped.left.into_iter().map(StuckVolume::from).collect(),
            not_started,
            failures: reaped.failures,
        })
    }
}

impl From<Leftover> for StuckVolume {
    fn from(left: Leftover) -> Self {
        let Leftover { lv_name, path, why } = left;
        Self { lv_name, path, why }
    }
}

impl From<PoolEntry> for PoolSummary {
    fn from(entry: PoolEntry) -> Self {
        Self {
            name: entry.pool_name,
            device: entry.device.into(),
            vg_name: entry.lvm_config.vg_name,
            lv_prefix: entry.lvm_config.lv_prefix,
            created_at: entry.created_at,
            created_by: entry.created_by,
        }
    }
}
