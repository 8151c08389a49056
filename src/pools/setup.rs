use std::fs;
use std::path::{Path, PathBuf};

use kdev_volumes_spec::{LV_NAME_BUDGET, check_lv_part, lv_name_cost};
use serde_json::Map;

use crate::blank;
use crate::clock;
use crate::error::{Error, Result};
use crate::lvm::{self, Group};
use crate::pool::EMBEDDED;
use crate::pools::{PoolSummary, Pools};
use crate::pools_file::{self, DEFAULT_PREFIX, LvmEntry, PoolEntries, PoolEntry};

/// A pool that is to be set up.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NewPool {
    /// The pool's name.
    pub name: String,
    /// A blank disk or partition that nobody uses.
    pub device: PathBuf,
    /// The VG's name; `kerneldev-{name}-vg` if none is given.
    pub vg_name: Option<String>,
    /// What its volumes' names begin with; `kdev` if none is given.
    pub lv_prefix: Option<String>,
}

/// Room for a session's id, a volume's name, and what joins them, in the name of an LV.
const REST_OF_NAME: usize = "-20251115103045-a3f9d2-".len() + 4 + 32;

impl Pools {
    /// Makes a PV and a VG of a blank device, marked as ours.
    ///
    /// If a step fails, the device is blank again and no pool is on record.
    ///
    /// # Errors
    ///
    /// [`Error::Refused`] if the device is in use or holds anything; [`Error::PoolExists`],
    /// [`Error::PoolName`]; [`Error::NotRoot`], [`Error::NotInstalled`], or what LVM said.
    pub fn setup(&self, new: &NewPool) -> Result<PoolSummary> {
        let vg_name = new
            .vg_name
            .clone()
            .unwrap_or_else(|| format!("kerneldev-{}-vg", new.name));
        let lv_prefix = new.lv_prefix.clone().unwrap_or_else(|| DEFAULT_PREFIX.to_owned());
        check_names(&new.name, &vg_name, &lv_prefix)?;
        // Nothing is checked against a name that may mean another disk a moment later.
        let device = fs::canonicalize(&new.device).map_err(|err| Error::io("find", &new.device, err))?;
        let mut made = false;
        let entry = pools_file::update(self.state.dir(), |pools| {
            check_against(pools, &new.name, &vg_name, &device)?;
            // Before the device, since a user who may not use LVM need not mend the device first.
            if Group::exists(&vg_name)? {
                return Err(bad(
                    "VG name",
                    &vg_name,
                    "there is a VG of that name already; see `vgs`",
                ));
            }
            blank::check(&device)?;
            made = true;
            lvm::make_group(&vg_name, &device)?;
            let entry = PoolEntry {
                pool_name: new.name.clone(),
                device: new.device.display().to_string(),
                created_at: clock::now(),
                created_by: user_name(),
                lvm_config: LvmEntry {
                    pv: device.display().to_string(),
                    vg_name: vg_name.clone(),
                    lv_prefix,
                    thin_provisioning: false,
                    others: Map::new(),
                },
                others: Map::new(),
            };
            pools.insert(new.name.clone(), entry.clone());
            Ok(entry)
        });
        if entry.is_err() && made {
            undo(&vg_name, &device);
        }
        Ok(entry?.into())
    }
}

/// The device was blank a moment ago, and all that has been written since is ours.
fn undo(vg_name: &str, device: &Path) {
    let unmade = match Group::exists(vg_name) {
        Ok(true) => lvm::unmake_group(vg_name, device),
        _ => Ok(()),
    };
    if let Err(err) = unmade.and_then(|()| blank::restore(device)) {
        eprintln!(
            "kdev: while taking back the setup of {}: {}",
            device.display(),
            err.chain()
        );
    }
}

fn bad(what: &'static str, name: &str, reason: impl Into<String>) -> Error {
    Error::PoolName {
        what,
        name: name.to_owned(),
        reason: reason.into(),
    }
}

fn check_names(pool: &str, vg_name: &str, lv_prefix: &str) -> Result<()> {
    for (what, name) in [
        ("pool name", pool),
        ("VG name", vg_name),
        ("LV prefix", lv_prefix),
    ] {
        check_lv_part(name).map_err(|reason| bad(what, name, reason))?;
    }
    if pool == EMBEDDED {
        return Err(bad(
            "pool name",
            pool,
            "that is what the volumes without a pool are listed under",
        ));
    }
    let cost = lv_name_cost(vg_name) + lv_name_cost(lv_prefix) + REST_OF_NAME + 1;
    if cost > LV_NAME_BUDGET {
        let over = cost - LV_NAME_BUDGET;
        let reason = format!(
            "with the LV prefix `{lv_prefix}` it is {over} characters too long for device-mapper, which counts a `-` twice"
        );
        return Err(bad("VG name", vg_name, reason));
    }
    Ok(())
}

fn check_against(pools: &PoolEntries, name: &str, vg_name: &str, device: &Path) -> Result<()> {
    let clash = pools.values().find(|entry| {
        entry.pool_name == name
            || entry.lvm_config.vg_name == vg_name
            || Path::new(&entry.lvm_config.pv) == device
    });
    match clash {
        Some(entry) if entry.pool_name == name || entry.lvm_config.vg_name == vg_name => {
            Err(Error::PoolExists {
                pool: entry.pool_name.clone(),
                device: entry.device.clone(),
            })
        }
        // Device names change between boots, so what the file says of a device is only a hint; a PV
        // that is really there is refused when the device is looked at.
        _ => Ok(()),
    }
}

fn user_name() -> String {
    let uid = nix::unistd::getuid();
    let user = nix::unistd::User::from_uid(uid).ok().flatten();
    user.map_or_else(|| uid.to_string(), |user| user.name)
}

#[cfg(test)]
mod tests {
    use rstest::rstest;

    use super::*;

    #[rstest]
    #[case("default", "kerneldev-default-vg", "kdev", None)]
    #[case("fast", "fast", "my-own", None)]
    #[case("", "vg", "kdev", Some("pool name"))]
    #[case("a b", "vg", "kdev", Some("pool name"))]
    #[case("embedded", "vg", "kdev", Some("pool name"))]
    #[case("ok", "-vg", "kdev", Some("VG name"))]
    #[case("ok", "..", "kdev", Some("VG name"))]
    #[case("ok", "vg", "snapshot", Some("LV prefix"))]
    #[case("ok", "vg", "x_tdata", Some("LV prefix"))]
    #[case(
        "ok",
        "a-very-long-name-of-a-volume-group-that-has-many-hyphens",
        "kdev",
        Some("VG name")
    )]
    fn names_that_lvm_could_not_take_are_refused(
        #[case] pool: &str,
        #[case] vg: &str,
        #[case] prefix: &str,
        #[case] refused: Option<&str>,
    ) {
        let what = match check_names(pool, vg, prefix) {
            Err(Error::PoolName { what, .. }) => Some(what),
            _ => None,
        };
        assert_eq!(what, refused);
    }
}
