use std::fs;
use std::path::{Path, PathBuf};

use kdev_volumes_spec::{LV_NAME_BUDGET, check_lv_part, lv_name_cost};
use serde_json::Map;

use crate::blank;
use crate::clean::Clean;
use crate::clock;
use crate::error::{Error, Result};
use crate::lvm::{self, Group};
use crate::pool_names::is_reserved;
use crate::pools::intent::{self, Finished};
use crate::pools::{PoolSummary, Pools};
use crate::pools_file::{self, DEFAULT_PREFIX, Locked, LvmEntry, PoolEntries, PoolEntry};

/// A pool that is to be set up.
///
/// ```
/// use kdev_volumes::pools::{Clean, NewPool};
///
/// let new = NewPool {
///     name: "default".into(),
///     device: "/dev/nvme1n1".into(),
///     vg_name: None, // kerneldev-default-vg
///     lv_prefix: None,
///     clean: Clean::Zero,
/// };
/// ```
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
    /// What its new volumes may show of the data of those before.
    pub clean: Clean,
}

/// Room for a session's id, a volume's name, and what joins them, in the name of an LV.
const REST_OF_NAME: usize = "-20251115103045-a3f9d2-".len() + 4 + 32;

impl Pools {
    /// Makes a PV and a VG of a blank device, marked as ours.
    ///
    /// If the pool cannot be written down, the device is blank again. If it is LVM that fails, nothing
    /// is written to the device after that: what is on it then may be somebody else's.
    ///
    /// ```no_run
    /// # use kdev_volumes::Error;
    /// # use kdev_volumes::pools::{NewPool, Pools};
    /// # let new = NewPool { name: "default".into(), device: "/dev/nvme1n1".into(), vg_name: None, lv_prefix: None, clean: Default::default() };
    /// match Pools::from_env()?.setup(&new) {
    ///     Ok(pool) => println!("use it with `export KERNELDEV_DEVICE_POOL={}`", pool.name),
    ///     Err(Error::PoolExists { .. }) => {} // by an earlier run of this script
    ///     Err(err) => return Err(err),
    /// }
    /// # Ok::<(), Error>(())
    /// ```
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
        // All that can be refused is refused before anything is written, a directory of ours included;
        // but what somebody died over comes first.
        match intent::finish_interrupted(self.state.dir())? {
            Some(Finished::Setup(entry)) if is_of(&entry, &new.name, &vg_name, &device) => {
                return Ok(entry.into());
            }
            _ => {}
        }
        check_against(&pools_file::read(self.state.dir())?, &new.name, &vg_name)?;
        if Group::exists(&vg_name)? {
            return Err(bad(
                "VG name",
                &vg_name,
                "there is a VG of that name already; see `vgs`",
            ));
        }
        blank::check(&device)?;
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
        let pools = Locked::wait(self.state.dir())?;
        check_against(&pools.read()?, &new.name, &vg_name)?;
        intent::will_set_up(&pools, &entry)?;
        // LVM looks at the device once more, exclusively, and writes to it only if it is blank still.
        if let Err(err) = lvm::make_group(&vg_name, &device, new.clean, pools.shared()?) {
            // Nothing is taken back: it refuses a device that somebody has used since our look.
            intent::done(&pools)?;
            return Err(err);
        }
        let written = pools.change(|entries| {
            entries.insert(new.name.clone(), entry.clone());
            Ok(())
        });
        if written.is_err() {
            if let Err(err) = take_back(&pools, &vg_name, &device) {
                eprintln!(
                    "kdev: while taking back the setup of {}: {}",
                    device.display(),
                    err.chain()
                );
            }
        }
        let noted = intent::done(&pools);
        written?;
        noted?;
        Ok(entry.into())
    }
}

fn is_of(entry: &PoolEntry, name: &str, vg_name: &str, device: &Path) -> bool {
    let LvmEntry { pv, vg_name: of, .. } = &entry.lvm_config;
    entry.pool_name == name && of == vg_name && Path::new(pv) == device
}

fn take_back(pools: &Locked, vg_name: &str, device: &Path) -> Result<()> {
    lvm::unmake_group(vg_name, pools.shared()?)?;
    blank::restore(device)
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
    if is_reserved(pool) {
        return Err(bad(
            "pool name",
            pool,
            "that name stands for volumes without a disk, or for all pools; choose another",
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

/// What the file says of devices is no reason to refuse one: names change between boots, and a PV that
/// is really there is found by looking at the device.
fn check_against(pools: &PoolEntries, name: &str, vg_name: &str) -> Result<()> {
    match pools
        .values()
        .find(|entry| entry.pool_name == name || entry.lvm_config.vg_name == vg_name)
    {
        Some(entry) => Err(Error::PoolExists {
            pool: entry.pool_name.clone(),
            device: entry.device.clone(),
        }),
        None => Ok(()),
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
    #[case("images", "vg", "kdev", Some("pool name"))]
    #[case("auto", "vg", "kdev", Some("pool name"))]
    #[case("fast,sata", "vg", "kdev", Some("pool name"))]
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
