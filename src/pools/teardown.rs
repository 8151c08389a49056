use std::collections::BTreeMap;
use std::path::Path;

use crate::blank;
use crate::error::{Error, Result};
use crate::lvm::{self, Group, Physical};
use crate::pool::no_pool;
use crate::pools::finish::{Finished, finish_interrupted};
use crate::pools::intent;
use crate::pools::status::{Processes, foreign_names, volume_status};
use crate::pools::{PoolSummary, Pools, Progress, on_file};
use crate::pools_file::{self, Locked, PoolEntry};
use crate::reap::{self, Places, Wish, places, survey};

/// How a pool is taken down.
///
/// ```no_run
/// # use kdev_volumes::pools::{Pools, Progress, Teardown};
/// let how = Teardown { force_kept: true, zero: true };
/// Pools::from_env()?.teardown_with("default", &how, &mut |progress| match progress {
///     Progress::Zeroed { done, of } => eprintln!("{done} of {of}"),
///     _ => {}
/// })?;
/// # Ok::<(), kdev_volumes::Error>(())
/// ```
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Teardown {
    /// Whether kept volumes are removed first. Not if anything else is in the way.
    pub force_kept: bool,
    /// Whether all of the device is overwritten with zeros, and not only what tells that it was a pool.
    pub zero: bool,
}

impl Pools {
    /// Removes a pool's VG and PV, and leaves the device blank; a file is removed.
    ///
    /// What dead processes left is removed first. Whatever else is in the VG stops it.
    ///
    /// ```no_run
    /// # use kdev_volumes::Error;
    /// # use kdev_volumes::pools::Pools;
    /// match Pools::from_env()?.teardown("default") {
    ///     Ok(pool) => println!("{} is blank", pool.device.display()),
    ///     Err(Error::PoolInUse { volumes, .. }) => eprintln!("{}", volumes.join("\n")),
    ///     Err(err) => return Err(err),
    /// }
    /// # Ok::<(), Error>(())
    /// ```
    ///
    /// # Errors
    ///
    /// [`Error::PoolInUse`] with all that is in the VG; [`Error::NoPool`]; [`Error::Missing`],
    /// [`Error::NotStarted`] or [`Error::NotOurs`] if the VG is not there or has lost our tag;
    /// [`Error::Unfinished`] if another change waits for its disk; what LVM said.
    pub fn teardown(&self, pool: &str) -> Result<PoolSummary> {
        self.teardown_with(pool, &Teardown::default(), &mut |_| {})
    }

    /// Does as [`teardown`](Self::teardown) in another way, and tells how far it is.
    ///
    /// Dying over it, and with `zero` that may take hours, leaves work that the next `kdev pool` command does that
    /// changes anything.
    ///
    /// ```no_run
    /// # use kdev_volumes::pools::{Pools, Teardown};
    /// let how = Teardown { force_kept: true, ..Teardown::default() };
    /// Pools::from_env()?.teardown_with("default", &how, &mut |_| {})?;
    /// # Ok::<(), kdev_volumes::Error>(())
    /// ```
    ///
    /// # Errors
    ///
    /// As [`teardown`](Self::teardown); [`Error::Refused`] if a file is to be overwritten, which is removed instead.
    pub fn teardown_with(
        &self,
        pool: &str,
        how: &Teardown,
        tell: &mut dyn FnMut(Progress),
    ) -> Result<PoolSummary> {
        match finish_interrupted(self.state.dir())? {
            Some(Finished::Teardown(entry)) if entry.pool_name == pool => return Ok(entry.into()),
            _ => {}
        }
        let known = pools_file::read(self.state.dir())?;
        let Some(entry) = known.get(pool) else {
            return Err(no_pool(pool, self.state.dir(), known.keys()));
        };
        if let (Some(file), true) = (entry.file(), how.zero) {
            return Err(Error::Refused {
                device: file.to_owned(),
                findings: vec!["a file is removed, and where it was on its disk cannot be overwritten (leave out `--zero`)".to_owned()],
            });
        }
        let physical = self.make_empty(entry, how, tell)?;
        let pools = Locked::wait(self.state.dir())?;
        intent::will_take_down(&pools, entry, &physical.uuid, how.zero)?;
        // LVM refuses if somebody has put an LV there since.
        if let Err(err) = lvm::unmake_group(&entry.lvm_config.vg_name, &|| pools.shared()) {
            intent::done(&pools)?;
            return Err(err);
        }
        // With its VG the pool is gone, whatever becomes of the device.
        intent::take_out(&pools, pool)?;
        let gone = match entry.file() {
            Some(file) => on_file::remove(file),
            None => clear(&physical.device, how.zero, tell),
        };
        intent::done(&pools)?;
        gone?;
        Ok(entry.clone().into())
    }

    /// Removes what may be removed of a pool's volumes, makes sure that nothing else is in its VG, and returns the
    /// PV of that.
    fn make_empty(
        &self,
        entry: &PoolEntry,
        how: &Teardown,
        tell: &mut dyn FnMut(Progress),
    ) -> Result<Physical> {
        let mut tell = |done, of| tell(Progress::Volumes { done, of });
        let (pool, vg_name) = (entry.pool_name.as_str(), &entry.lvm_config.vg_name);
        Group::open(vg_name).map_err(|err| entry.why_missing(err))?;
        reap::cleanup(&self.state, Some(pool), &Wish::Orphans, &mut tell)?.tell();
        self.check_empty(pool, vg_name, how.force_kept)?;
        let physicals = lvm::physicals_of(vg_name)?;
        let [physical] = physicals.as_slice() else {
            let names: Vec<String> = physicals
                .iter()
                .map(|physical| physical.device.display().to_string())
                .collect();
            let why = format!(
                "VG `{vg_name}` is on {} by now (take out what is not ours with `vgreduce`)",
                names.join(", ")
            );
            return Err(Error::PoolInUse {
                pool: pool.to_owned(),
                volumes: vec![why],
            });
        };
        if how.force_kept {
            reap::cleanup(&self.state, Some(pool), &Wish::Kept, &mut tell)?.tell();
            self.check_empty(pool, vg_name, false)?;
        }
        Ok(physical.clone())
    }

    /// `kept_may_stay`: kept volumes do not count.
    fn check_empty(&self, pool: &str, vg_name: &str, kept_may_stay: bool) -> Result<()> {
        let places = Places {
            loops: false,
            images: false,
            ..places(&self.state, Some(pool))?
        };
        let survey = survey(&self.state, &places, BTreeMap::new())?;
        let mut processes = Processes::default();
        let ours = survey
            .entries
            .iter()
            .filter(|entry| entry.vg_name == vg_name)
            .map(|entry| volume_status(entry, &survey, &mut processes))
            .filter(|volume| !(kept_may_stay && volume.verdict == "kept"))
            .map(|volume| {
                let remedy = match volume.verdict {
                    "alive" | "removing" => "wait for its test".to_owned(),
                    "kept" => format!("`kdev pool cleanup --kept --pool={pool}` removes it, or `kdev pool teardown --force-kept`"),
                    _ => "see `kdev pool status`".to_owned(),
                };
                let test = volume
                    .test
                    .map(|test| format!(" of `{test}`"))
                    .unwrap_or_default();
                let why = volume.why.map(|why| format!(", {why}")).unwrap_or_default();
                format!("`{}`{test} is {}{why} ({remedy})", volume.lv_name, volume.verdict)
            });
        let foreign = foreign_names(&survey.foreign, vg_name);
        let foreign = foreign
            .iter()
            .map(|name| format!("`{name}` is not ours (`lvremove {vg_name}/{name}` if it may go)"));
        let volumes: Vec<String> = ours.chain(foreign).collect();
        match volumes.is_empty() {
            true => Ok(()),
            false => Err(Error::PoolInUse {
                pool: pool.to_owned(),
                volumes,
            }),
        }
    }
}

/// Leaves a device blank on which there is our own PV, in no VG any more.
fn clear(device: &Path, zero: bool, tell: &mut dyn FnMut(Progress)) -> Result<()> {
    if zero {
        blank::zero(device, &mut |done, of| tell(Progress::Zeroed { done, of }))?;
    }
    blank::restore(device, None)
}
