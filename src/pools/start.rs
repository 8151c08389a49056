use std::path::PathBuf;

use crate::error::{Error, Result};
use crate::loops;
use crate::lvm::{self, Group};
use crate::pool::no_pool;
use crate::pools::finish::finish_interrupted;
use crate::pools::{Pools, on_file};
use crate::pools_file::{self, Locked, PoolEntry};

/// A pool on a file that can be used now.
///
/// ```no_run
/// # use kdev_volumes::pools::Pools;
/// for started in Pools::from_env()?.start(None)? {
///     println!("{}: {} on {}", started.name, started.file.display(), started.device.display());
/// }
/// # Ok::<(), kdev_volumes::Error>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Started {
    /// The pool's name.
    pub name: String,
    /// Its file.
    pub file: PathBuf,
    /// The loop device that it is attached to.
    pub device: PathBuf,
    /// Whether it had been attached before.
    pub was_started: bool,
}

impl Pools {
    /// Attaches the file of a pool, or those of all pools that are on files, as is needed after each boot.
    ///
    /// One that is attached already stays as it is, and so do pools on disks, which need no start. Thin pools,
    /// on files or on disks, are activated; without that, the first who takes a volume does it.
    ///
    /// ```no_run
    /// # use kdev_volumes::pools::Pools;
    /// Pools::from_env()?.start(Some("default"))?;
    /// # Ok::<(), kdev_volumes::Error>(())
    /// ```
    ///
    /// # Errors
    ///
    /// [`Error::NoPool`]; [`Error::NotOurs`] if the file does not hold the PV of the pool's VG, or others than root
    /// may write to it; [`Error::NoLoop`], [`Error::NotRoot`].
    pub fn start(&self, pool: Option<&str>) -> Result<Vec<Started>> {
        finish_interrupted(self.state.dir())?;
        let known = pools_file::read(self.state.dir())?;
        if let Some(pool) = pool.filter(|pool| !known.contains_key(*pool)) {
            return Err(no_pool(pool, self.state.dir(), known.keys()));
        }
        let asked = known
            .values()
            .filter(|entry| pool.is_none_or(|pool| entry.pool_name == pool));
        let on_files: Vec<&PoolEntry> = asked.filter(|entry| entry.file().is_some()).collect();
        let on_disks = known.values().filter(|entry| entry.file().is_none());
        let asked = on_disks.filter(|entry| pool.is_none_or(|pool| entry.pool_name == pool));
        for entry in asked.filter(|entry| entry.lvm_config.thin_provisioning) {
            wake(&entry.lvm_config.vg_name)?;
        }
        if on_files.is_empty() {
            return Ok(Vec::new());
        }
        // Who starts it at the same time is waited for.
        let _pools = Locked::wait(self.state.dir())?;
        on_files.into_iter().filter_map(start).collect()
    }
}

fn start(entry: &PoolEntry) -> Option<Result<Started>> {
    let file = entry.file()?;
    let was_started = !loops::over_file(file).is_empty();
    let started = on_file::attach(file, &entry.pool_name).and_then(|device| {
        let proved = prove(entry, &device);
        if proved.is_err() && !was_started {
            on_file::detach(file)?;
        }
        proved.map(|()| Started {
            name: entry.pool_name.clone(),
            file: file.to_owned(),
            device,
            was_started,
        })
    });
    Some(started)
}

/// A thin pool is active when it is started, which is told by what is written of it.
fn wake(vg_name: &str) -> Result<()> {
    let (group, _) = Group::open(vg_name)?;
    group.wake(None)
}

/// Makes sure that the file holds the PV of the pool's VG.
fn prove(entry: &PoolEntry, device: &std::path::Path) -> Result<()> {
    let vg_name = &entry.lvm_config.vg_name;
    match lvm::physical_at(device)? {
        Some(physical) if physical.vg_name == *vg_name => wake(vg_name),
        _ => Err(Error::NotOurs {
            what: format!("`{}`", entry.device),
            why: format!(
                "it does not hold the PV of VG `{vg_name}` (put the pool's file back there; or, if it is lost, take pool `{}` out of `device-pool.json`)",
                entry.pool_name
            ),
        }),
    }
}
