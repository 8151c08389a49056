//! The parts of a thin pool that are ours and no volumes: the pool itself, and its keeper.

use std::fs::File;

use kdev_volumes_spec::Bytes;

use crate::error::{Error, Result};
use crate::lvm::by_sudo;
use crate::lvm::group::Group;
use crate::lvm::lv::{hidden_name, wedged};
use crate::lvm::physical::physicals_of;
use crate::lvm::report::LvRow;
use crate::lvm::{Mapped, NO_ARCHIVE, POOL_TAG, reading, writing};
use crate::thin::{LEAST_METADATA, Overcommit, Parts, Thin};

/// The thin pool of a VG.
pub(super) const THIN_POOL: &str = "kdev-thin";

/// A thin volume that stays, and is active while anything is: with it the pool is, so that no command that
/// is killed can leave it half active, and the next need not activate it.
const KEEPER: &str = "kdev-keeper";

/// What becomes the pool's metadata.
const METADATA: &str = "kdev-thin-meta";

/// As large as a volume can be that nobody writes to.
const KEEPER_SIZE: &str = "4m";

/// Where in a new PV the first extent is, and so the metadata of a thin pool.
const FIRST_EXTENT: u64 = 17 << 20;

/// What of a disk is overwritten as a thin pool is made, besides both ends.
pub(crate) const OVERWRITTEN: (u64, u64) = (FIRST_EXTENT, FIRST_EXTENT + LEAST_METADATA);

/// By these options the first extent is there on all disks.
pub(super) const ALIGNED: [&str; 2] = ["--dataalignment", "1m"];

/// LVM writes zeros to the first 4 KiB of the metadata only: to all of it, that could not be taken back.
const ZERO_THE_BEGINNING: &str = "allocation{zero_metadata=0}";

impl Group {
    /// Makes what is missing of a thin pool in a new VG, in which there is nothing else.
    ///
    /// The metadata are at the beginning of the PV, so that what they overwrite could be saved. The pool has
    /// its tag when it is a pool, and the keeper comes last. Each command holds a lock of `lock`'s.
    pub(crate) fn complete_thin(&self, lock: &dyn Fn() -> Result<File>) -> Result<()> {
        let rows = self.rows()?;
        let find = |name: &str| rows.iter().find(|row| row.lv_name == name);
        let is_made = find(THIN_POOL).is_some_and(is_pool);
        if !is_made {
            for part in [METADATA, THIN_POOL].into_iter().filter_map(find) {
                self.remove_part(part, lock()?)?;
            }
            self.make_thin(lock)?;
        }
        if !(is_made && find(THIN_POOL).is_some_and(is_part)) {
            writing("lvchange")?
                .args(["--addtag", POOL_TAG])
                .arg(format!("{}/{THIN_POOL}", self.name))
                .holding(lock()?)
                .run()?;
        }
        if find(KEEPER).is_none() {
            self.mend(&wedged(&rows))?;
            writing("lvcreate")?
                .args([
                    "--yes",
                    "--monitor",
                    "n",
                    "--type",
                    "thin",
                    "--thinpool",
                    THIN_POOL,
                ])
                .args(["--virtualsize", KEEPER_SIZE, "--name", KEEPER])
                .args(["--addtag", POOL_TAG])
                .arg(&self.name)
                .holding(lock()?)
                .run()?;
        }
        Ok(())
    }

    fn make_thin(&self, lock: &dyn Fn() -> Result<File>) -> Result<()> {
        let too_small = || Error::Missing {
            what: format!("room for a thin pool in VG `{}`", self.name),
            hint: "use a larger disk or file",
        };
        let Some((_, room)) = Self::look(&self.name)? else {
            return Err(too_small());
        };
        let extents = room.free.get() / room.extent.get().max(1);
        let parts = Parts::of(extents, room.extent).ok_or_else(too_small)?;
        let physicals = physicals_of(&self.name)?;
        let physical = physicals.first().ok_or_else(too_small)?;
        let first = format!("{}:0-{}", physical.device.display(), parts.metadata - 1);
        for (name, extents, place) in [
            (METADATA, parts.metadata, Some(first)),
            (THIN_POOL, parts.data, None),
        ] {
            // Not active, and not wiped: nothing is written but LVM's own metadata.
            writing("lvcreate")?
                .args(["--yes", "--activate", "n", "--wipesignatures", "n", "--zero", "n"])
                .args(["--extents", &extents.to_string(), "--name", name])
                .args(["--addtag", POOL_TAG])
                .arg(&self.name)
                .args(place)
                .holding(lock()?)
                .run()?;
        }
        reading("lvconvert")?
            .args(["--config", &format!("{NO_ARCHIVE} {ZERO_THE_BEGINNING}")])
            .args(["--yes", "--type", "thin-pool"])
            .args(["--poolmetadata", &format!("{}/{METADATA}", self.name)])
            .args(["--poolmetadataspare", "n"])
            .args(["--chunksize", &format!("{}b", parts.chunk.get())])
            .args(["--zero", "y", "--discards", "passdown", "--errorwhenfull", "y"])
            .arg(format!("{}/{THIN_POOL}", self.name))
            .changing()
            .holding(lock()?)
            .run()?;
        Ok(())
    }

    /// Removes the parts of a thin pool, unless there is a volume in it besides the keeper.
    pub(super) fn remove_thin(&self, lock: &dyn Fn() -> Result<File>) -> Result<()> {
        let rows = self.rows()?;
        let parts = rows
            .iter()
            .filter(|row| [THIN_POOL, METADATA].contains(&row.lv_name.as_str()));
        for part in parts {
            self.remove_part(part, lock()?)?;
        }
        Ok(())
    }

    /// Tells whether somebody has begun to take the VG down.
    pub(super) fn has_lost_its_thin_pool(&self) -> Result<bool> {
        Ok(match self.thin {
            Some(overcommit) => usage(&self.rows()?, overcommit).is_none(),
            None => false,
        })
    }

    /// LVM removes a pool with all that is in it: so it is told, in the same command, in which case it may.
    fn remove_part(&self, part: &LvRow, lock: File) -> Result<()> {
        let which = match is_pool(part) {
            // Of one that has just been made the tag is its data's.
            true => "thin_count<=1".to_owned(),
            false => format!("lv_tags={{\"{POOL_TAG}\"}}"),
        };
        writing("lvremove")?
            .arg("--yes")
            .args(["--select", &format!("vg_tags={{\"{POOL_TAG}\"}} && {which}")])
            .arg(format!("{}/{}", self.name, part.lv_name))
            .holding(lock)
            .run()?;
        Ok(())
    }

    /// Activates the keeper, and so the pool, as is needed after each boot. Does nothing if the VG has thick
    /// volumes, or if it is active; by sudo, kdev-root does it. Returns whether it was activated here.
    pub(crate) fn wake(&self, lock: Option<File>) -> Result<bool> {
        let is_awake = || Mapped::find(&self.name, KEEPER).is_some();
        if self.thin.is_none() || by_sudo::is_the_way() || is_awake() {
            return Ok(false);
        }
        let activate = || -> Result<()> {
            let lock = lock.as_ref().map(File::try_clone).transpose();
            let lock = lock.map_err(|err| Error::io("share the lock of", &self.name, err))?;
            writing("lvchange")?
                .args(["--yes", "--monitor", "n", "--activate", "y"])
                .arg(format!("{}/{KEEPER}", self.name))
                .holding(lock)
                .run()?;
            Ok(())
        };
        activate().or_else(|err| match wedged(&self.rows()?) {
            parts if parts.is_empty() => Err(err),
            parts => self.mend(&parts).and_then(|()| activate()),
        })?;
        Ok(true)
    }

    fn mend(&self, parts: &[String]) -> Result<()> {
        parts.iter().try_for_each(|part| self.unwedge(part))
    }

    /// Looks how much of a thin pool is given out and written.
    pub(crate) fn usage(&self, overcommit: Overcommit) -> Result<Thin> {
        usage(&self.rows()?, overcommit).ok_or_else(|| Error::Missing {
            what: format!("thin pool `{}/{THIN_POOL}`", self.name),
            hint: "was its setup interrupted? `kdev pool cleanup` finishes it",
        })
    }
}

/// Tells whether an LV is the thin pool of its VG, or the keeper.
pub(super) fn is_part(row: &LvRow) -> bool {
    let has_tag = row.lv_tags.iter().any(|tag| tag == POOL_TAG);
    has_tag && [THIN_POOL, KEEPER, METADATA].contains(&row.lv_name.as_str())
}

fn is_pool(row: &LvRow) -> bool {
    row.lv_layout.split(',').any(|word| word == "pool")
}

pub(super) fn usage(rows: &[LvRow], overcommit: Overcommit) -> Option<Thin> {
    let pool = rows.iter().find(|row| row.lv_name == THIN_POOL && is_pool(row))?;
    let volumes = rows
        .iter()
        .filter(|row| row.pool_lv == THIN_POOL && row.lv_name != KEEPER && hidden_name(row).is_none());
    let given_out = volumes.map(|row| row.lv_size).fold(0, u64::saturating_add);
    Some(Thin {
        overcommit,
        size: Bytes::new(pool.lv_size),
        given_out: Bytes::new(given_out),
        data_percent: percent(&pool.data_percent),
        metadata_percent: percent(&pool.metadata_percent),
    })
}

/// Reads the whole number of `12.34`; of what is not active LVM says nothing.
pub(super) fn percent(text: &str) -> Option<u8> {
    text.split('.').next()?.parse().ok()
}

#[cfg(test)]
mod tests {
    use rstest::rstest;

    use super::*;

    /// As LVM 2.03.16 reports it.
    const REPORT: &str = r#"{"report": [{"lv": [
        {"lv_name":"kdev-keeper", "lv_uuid":"LBbjnE-18nK-mnyG-25Pu-1gFf-0wDW-VsAegB", "lv_dm_path":"/dev/mapper/tvg-kdev--keeper", "lv_tags":"kdev.pool", "lv_size":"4194304", "lv_active":"active", "pool_lv":"kdev-thin", "data_percent":"0.00", "metadata_percent":"", "lv_layout":"thin,sparse"},
        {"lv_name":"kdev-thin", "lv_uuid":"R1LjEj-0BMH-dPum-ZcLa-bfbn-4ztY-39ooQs", "lv_dm_path":"/dev/mapper/tvg-kdev--thin", "lv_tags":"kdev.pool", "lv_size":"1044381696", "lv_active":"", "pool_lv":"", "data_percent":"37.99", "metadata_percent":"10.55", "lv_layout":"thin,pool"},
        {"lv_name":"[kdev-thin_tdata]", "lv_uuid":"rxSjGv-qYUq-I00K-JTW4-Gm5N-M3Zx-kSF7g8", "lv_dm_path":"/dev/mapper/tvg-kdev--thin_tdata", "lv_tags":"kdev.pool", "lv_size":"1044381696", "lv_active":"active", "pool_lv":"", "data_percent":"", "metadata_percent":"", "lv_layout":"linear"},
        {"lv_name":"[kdev-thin_tmeta]", "lv_uuid":"ZG0KEW-B74D-ZPAy-2Sju-2Xfd-g9Ec-QqCbhD", "lv_dm_path":"/dev/mapper/tvg-kdev--thin_tmeta", "lv_tags":"kdev.pool", "lv_size":"8388608", "lv_active":"active", "pool_lv":"", "data_percent":"", "metadata_percent":"", "lv_layout":"linear"},
        {"lv_name":"v1", "lv_uuid":"2ltjkO-nPLD-jo2i-cGSN-MXxo-LPtT-n5P38A", "lv_dm_path":"/dev/mapper/tvg-v1", "lv_tags":"kdev:s=1", "lv_size":"16777216", "lv_active":"active", "pool_lv":"kdev-thin", "data_percent":"0.00", "metadata_percent":"", "lv_layout":"thin,sparse"},
        {"lv_name":"thick", "lv_uuid":"xkPQ7K-AgOY-0Bzd-pIKJ-qvpw-nQCW-AY6Uc0", "lv_dm_path":"/dev/mapper/tvg-thick", "lv_tags":"", "lv_size":"33554432", "lv_active":"active", "pool_lv":"", "data_percent":"", "metadata_percent":"", "lv_layout":"linear"}
    ]}]}"#;

    #[test]
    fn what_is_given_out_is_counted() {
        let rows = crate::lvm::report::lvs("lvs", REPORT.as_bytes()).unwrap();
        let thin = usage(&rows, Overcommit::default()).unwrap();
        assert_eq!(
            (thin.size.get(), thin.given_out.get()),
            (1_044_381_696, 16_777_216)
        );
        assert_eq!((thin.data_percent, thin.metadata_percent), (Some(37), Some(10)));
        // Its own device is not there, and it is at work all the same.
        assert_eq!(wedged(&rows), [""; 0]);
        let parts: Vec<&str> = rows
            .iter()
            .filter(|row| is_part(row))
            .map(|row| row.lv_name.as_str())
            .collect();
        assert_eq!(parts, [KEEPER, THIN_POOL]);
    }

    #[rstest]
    #[case("", None)]
    #[case("0.00", Some(0))]
    #[case("99.99", Some(99))]
    #[case("100.00", Some(100))]
    #[case("garbage", None)]
    fn percents_are_rounded_down(#[case] text: &str, #[case] expected: Option<u8>) {
        assert_eq!(percent(text), expected);
    }
}
