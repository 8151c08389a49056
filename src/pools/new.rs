//! What a pool that is to be set up is called, and of what it is made.

use std::path::PathBuf;

use kdev_volumes_spec::{Bytes, LV_NAME_BUDGET, check_lv_part, lv_name_cost};

use crate::clean::Clean;
use crate::error::{Error, Result};
use crate::pool_names::is_reserved;
use crate::pools_file::{DEFAULT_PREFIX, PoolEntries};
use crate::thin::Overcommit;

/// A pool that is to be set up.
///
/// ```
/// use kdev_volumes::pools::{Clean, Medium, NewPool};
///
/// let new = NewPool {
///     name: "default".into(),
///     medium: Medium::Device { path: "/dev/nvme1n1".into(), wipe: None },
///     vg_name: None, // kerneldev-default-vg
///     lv_prefix: None,
///     clean: Clean::Zero,
///     thin: None, // or Some(Overcommit::default())
/// };
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NewPool {
    /// The pool's name.
    pub name: String,
    /// What it is made of.
    pub medium: Medium,
    /// The VG's name; `kerneldev-{name}-vg` if none is given.
    pub vg_name: Option<String>,
    /// What its volumes' names begin with; `kdev` if none is given.
    pub lv_prefix: Option<String>,
    /// What its new volumes may show of the data of those before. Thin ones are all zeros, whatever this says.
    pub clean: Clean,
    /// Whether its volumes are thin, so that they take of it only what is written to them, and how much more
    /// than it has it gives out. When it is full, writes fail with ENOSPC; it is never made larger.
    pub thin: Option<Overcommit>,
}

/// What a pool is made of.
///
/// ```
/// use kdev_volumes::pools::Medium;
///
/// // Whatever is on this disk may go: so it is named twice.
/// let disk = Medium::Device {
///     path: "/dev/disk/by-id/nvme-Samsung_980_S64".into(),
///     wipe: Some("/dev/nvme1n1".into()),
/// };
/// let file = Medium::File { path: "/var/lib/pool.img".into(), size: "20G".parse()? };
/// # Ok::<(), kdev_volumes::SpecError>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Medium {
    /// A disk or partition that nobody uses; all of it becomes the pool's.
    Device {
        /// The disk or partition.
        path: PathBuf,
        /// The same device once more, by any of its names, if signatures and a partition table on it may be
        /// overwritten. Without that, a device that is not blank is refused.
        wipe: Option<PathBuf>,
    },
    /// A sparse file, which must not exist yet, behind a loop device.
    File {
        /// The file.
        path: PathBuf,
        /// The most that it can hold.
        size: Bytes,
    },
}

/// The names of a new pool, which LVM can take.
#[derive(Clone, Debug)]
pub(super) struct Names {
    pub(super) pool: String,
    pub(super) vg: String,
    pub(super) lv_prefix: String,
}

/// Room for a session's id, a volume's name, and what joins them, in the name of an LV.
const REST_OF_NAME: usize = "-20251115103045-a3f9d2-".len() + 4 + 32;

impl NewPool {
    pub(super) fn names(&self) -> Result<Names> {
        let vg = self.vg_name.clone();
        let names = Names {
            pool: self.name.clone(),
            vg: vg.unwrap_or_else(|| format!("kerneldev-{}-vg", self.name)),
            lv_prefix: self
                .lv_prefix
                .clone()
                .unwrap_or_else(|| DEFAULT_PREFIX.to_owned()),
        };
        check_names(&names.pool, &names.vg, &names.lv_prefix)?;
        Ok(names)
    }
}

impl Names {
    /// What the file says of devices is no reason to refuse one: names change between boots, and a PV that
    /// is really there is found by looking at the device.
    pub(super) fn check_against(&self, pools: &PoolEntries) -> Result<()> {
        match pools
            .values()
            .find(|entry| entry.pool_name == self.pool || entry.lvm_config.vg_name == self.vg)
        {
            Some(entry) => Err(Error::PoolExists {
                pool: entry.pool_name.clone(),
                device: entry.device.clone(),
            }),
            None => Ok(()),
        }
    }
}

pub(super) fn bad(what: &'static str, name: &str, reason: impl Into<String>) -> Error {
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
