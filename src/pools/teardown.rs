use std::collections::BTreeMap;

use crate::blank;
use crate::error::{Error, Result};
use crate::lvm::{self, Group};
use crate::pool::no_pool;
use crate::pools::intent::{self, Finished};
use crate::pools::status::{foreign_names, volume_status};
use crate::pools::{PoolSummary, Pools};
use crate::pools_file::{self, Locked};
use crate::reap::{self, Places, Wish, places, survey};

impl Pools {
    /// Removes a pool's VG and PV, and leaves the device blank.
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
    /// [`Error::PoolInUse`] with all that is in the VG; [`Error::NoPool`]; [`Error::Missing`] or
    /// [`Error::NotOurs`] if the VG is not there or has lost our tag; what LVM said.
    pub fn teardown(&self, pool: &str) -> Result<PoolSummary> {
        match intent::finish_interrupted(self.state.dir())? {
            Some(Finished::Teardown(entry)) if entry.pool_name == pool => return Ok(entry.into()),
            _ => {}
        }
        let known = pools_file::read(self.state.dir())?;
        let Some(entry) = known.get(pool) else {
            return Err(no_pool(pool, self.state.dir(), known.keys()));
        };
        let vg_name = &entry.lvm_config.vg_name;
        Group::open(vg_name)?;
        reap::cleanup(&self.state, Some(pool), &Wish::Orphans, &mut |_, _| {})?.tell();
        self.check_empty(pool, vg_name)?;
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
        let pools = Locked::wait(self.state.dir())?;
        intent::will_take_down(&pools, entry, &physical.uuid)?;
        // LVM refuses if somebody has put an LV there since.
        if let Err(err) = lvm::unmake_group(vg_name, pools.shared()?) {
            intent::done(&pools)?;
            return Err(err);
        }
        // With its VG the pool is gone, whatever becomes of the device.
        intent::take_out(&pools, pool)?;
        let blank = blank::restore(&physical.device);
        intent::done(&pools)?;
        blank?;
        Ok(entry.clone().into())
    }

    fn check_empty(&self, pool: &str, vg_name: &str) -> Result<()> {
        let places = Places {
            loops: false,
            images: false,
            ..places(&self.state, Some(pool))?
        };
        let survey = survey(&self.state, &places, BTreeMap::new())?;
        let ours = survey
            .entries
            .iter()
            .filter(|entry| entry.vg_name == vg_name)
            .map(|entry| {
                let volume = volume_status(entry, &survey);
                let remedy = match volume.verdict {
                    "alive" | "removing" => "wait for its test".to_owned(),
                    "kept" => format!("`kdev pool cleanup --kept --pool={pool}` removes it"),
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
