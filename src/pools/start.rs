use std::path::{Path, PathBuf};

use crate::error::{Error, Result};
use crate::loops;
use crate::lvm::{self, Activation};
use crate::owner::OwnerTag;
use crate::pool::no_pool;
use crate::pools::finish::finish_interrupted;
use crate::pools::{Pools, on_file};
use crate::pools_file::{self, Locked, PoolEntry};
use crate::reap::{Entry, Places, Presence, Survey, Verdict, survey};
use crate::root;
use crate::udev;

/// A pool that can be used now.
///
/// ```no_run
/// # use kdev_volumes::pools::Pools;
/// for started in Pools::from_env()?.start(None)? {
///     println!("{} on {}: {:?}", started.name, started.device.display(), started.steps);
/// }
/// # Ok::<(), kdev_volumes::Error>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Started {
    /// The pool's name.
    pub name: String,
    /// Its file; `None` for a pool on a disk.
    pub file: Option<PathBuf>,
    /// The disk, or the loop device that the file is attached to.
    pub device: PathBuf,
    /// What was done, in this order; empty if all was started before.
    pub steps: Vec<StartStep>,
    /// The kept volumes that could not be activated, each with the cause, as a sentence.
    pub failures: Vec<String>,
}

/// What was done to start a pool.
///
/// ```no_run
/// # use kdev_volumes::pools::{Pools, StartStep};
/// let started = Pools::from_env()?.start(Some("default"))?;
/// let kept = started[0].steps.iter().filter(|step| matches!(step, StartStep::Volume { .. }));
/// println!("{} kept volumes were activated", kept.count());
/// # Ok::<(), kdev_volumes::Error>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum StartStep {
    /// Its file was attached to a loop device.
    Attached,
    /// Its thin pool was activated.
    ThinPool,
    /// A kept volume was activated.
    #[non_exhaustive]
    Volume {
        /// The name of the LV.
        lv_name: String,
        /// The path of the device.
        path: PathBuf,
    },
}

impl Pools {
    /// Starts a pool, or all pools, as is needed after each boot.
    ///
    /// Attaches the file of a pool on a file, activates a thin pool, and activates kept volumes: no LV of a pool is
    /// activated at boot. A kept volume of an ordinary user is that user's again. Volumes that are not kept stay
    /// inactive, and so does an LV that is not ours. What is started already stays as it is.
    ///
    /// If a pool cannot be started, the others are, and then the first error is returned.
    ///
    /// ```no_run
    /// # use kdev_volumes::pools::Pools;
    /// Pools::from_env()?.start(Some("default"))?;
    /// # Ok::<(), kdev_volumes::Error>(())
    /// ```
    ///
    /// # Errors
    ///
    /// [`Error::NoPool`]; [`Error::Missing`] if there is no VG, as without the disk; [`Error::NotOurs`] if the file
    /// does not hold the PV of the pool's VG, or others than root may write to it; [`Error::NoLoop`],
    /// [`Error::NotRoot`].
    pub fn start(&self, pool: Option<&str>) -> Result<Vec<Started>> {
        finish_interrupted(self.state.dir())?;
        let known = pools_file::read(self.state.dir())?;
        if let Some(pool) = pool.filter(|pool| !known.contains_key(*pool)) {
            return Err(no_pool(pool, self.state.dir(), known.keys()));
        }
        let asked = known
            .values()
            .filter(|entry| pool.is_none_or(|pool| entry.pool_name == pool));
        let started: Vec<Result<Started>> = asked.map(|entry| self.start_one(entry)).collect();
        started.into_iter().collect()
    }

    fn start_one(&self, entry: &PoolEntry) -> Result<Started> {
        let mut started = Started {
            name: entry.pool_name.clone(),
            file: entry.file().map(Path::to_owned),
            device: PathBuf::from(&entry.device),
            steps: Vec::new(),
            failures: Vec::new(),
        };
        if let Some(file) = entry.file() {
            // Another process that starts it at the same time is waited for.
            let _pools = Locked::wait(self.state.dir())?;
            let is_new = loops::over_file(file).is_empty();
            started.device = attach(entry, file, is_new)?;
            started.steps.extend(is_new.then_some(StartStep::Attached));
        }
        let vg_name = &entry.lvm_config.vg_name;
        let (group, _) = lvm::Group::open(vg_name).map_err(|err| entry.why_missing(err))?;
        let is_woken = group.wake(None)?;
        started.steps.extend(is_woken.then_some(StartStep::ThinPool));
        self.activate_kept(&group, &mut started)?;
        Ok(started)
    }

    fn activate_kept(&self, group: &lvm::Group, started: &mut Started) -> Result<()> {
        let places = Places {
            vgs: [group.name.clone()].into(),
            ..Places::default()
        };
        let Survey { entries, unseen, .. } = survey(&self.state, &places, Default::default())?;
        if let Some((_, err)) = unseen.into_iter().next() {
            return Err(err);
        }
        let inactive: Vec<Entry> = entries.into_iter().filter(is_kept_and_inactive).collect();
        if inactive.is_empty() {
            return Ok(());
        }
        // The rules are gone with the last boot. LVs can be activated without.
        let _ = udev::ensure();
        let owned: Vec<(&OwnerTag, Vec<&str>)> = inactive
            .iter()
            .map(|entry| (&entry.tag, vec![entry.lv_name.as_str()]))
            .collect();
        let activated = group.activate(&owned);
        let why = match &activated {
            Ok(()) => "its VG or its tags have changed meanwhile".to_owned(),
            Err(err) => err.chain(),
        };
        for entry in &inactive {
            match group.mapped(&entry.lv_name) {
                Some(mapped) => started.steps.push(StartStep::Volume {
                    lv_name: entry.lv_name.clone(),
                    path: mapped.path,
                }),
                None => started
                    .failures
                    .push(format!("cannot activate `{}`: {why}", entry.lv_name)),
            }
        }
        // For an ordinary user kdev-root has done it.
        if !lvm::is_the_way() {
            root::give_again(group, &group.volumes()?)?;
        }
        Ok(())
    }
}

fn is_kept_and_inactive(entry: &Entry) -> bool {
    let is_inactive = entry.presence == Presence::There && entry.activation == Some(Activation::Inactive);
    entry.verdict == Verdict::Kept && is_inactive && !entry.is_anothers()
}

/// Attaches the file of a pool, and makes sure that it holds the PV of the pool's VG.
fn attach(entry: &PoolEntry, file: &Path, is_new: bool) -> Result<PathBuf> {
    let device = on_file::attach(file, &entry.pool_name)?;
    let proved = prove(entry, &device);
    if proved.is_err() && is_new {
        on_file::detach(file)?;
    }
    proved.map(|()| device)
}

fn prove(entry: &PoolEntry, device: &Path) -> Result<()> {
    let vg_name = &entry.lvm_config.vg_name;
    match lvm::physical_at(device)? {
        Some(physical) if physical.vg_name == *vg_name => Ok(()),
        _ => Err(Error::NotOurs {
            what: format!("`{}`", entry.device),
            why: format!(
                "it does not hold the PV of VG `{vg_name}` (put the pool's file back there; or, if it is lost, take pool `{}` out of `device-pool.json`)",
                entry.pool_name
            ),
        }),
    }
}
