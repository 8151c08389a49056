use std::fmt;
use std::path::PathBuf;

use kdev_volumes_spec::Bytes;

use crate::lvm::report::LvRow;
use crate::lvm::thin::percent;
use crate::lvm::{GIVEN_TAG, KEPT_TAG, POOL_TAG};
use crate::owner::OwnerTag;
use crate::session_id::SessionId;

/// Whether an LV has a device.
///
/// ```
/// # use kdev_volumes::pools::Activation;
/// assert_eq!(Activation::Inactive.to_string(), "inactive");
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Activation {
    /// It has one.
    Active,
    /// It has none, as after a reboot: `kdev pool start` activates kept volumes.
    Inactive,
}

impl fmt::Display for Activation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::Active => "active",
            Self::Inactive => "inactive",
        })
    }
}

/// An LV of a VG of ours, ours or not.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Lv {
    pub(crate) name: String,
    pub(crate) uuid: String,
    pub(crate) size: Bytes,
    /// Below `/dev/mapper`; fstests' `check` takes no other kind of link.
    pub(crate) path: PathBuf,
    /// How much of it is written, if it is thin and active.
    pub(crate) written: Option<Bytes>,
    /// `None` if LVM does not know it.
    pub(crate) activation: Option<Activation>,
    /// The LV that a thick snapshot is of. LVM removes the snapshot with it.
    pub(crate) thick_origin: Option<String>,
    tags: Vec<String>,
}

impl Lv {
    /// Returns what the tags say of the owner; `None` if this LV is not ours.
    ///
    /// Ours has one owner's tag, and that names the same session as the LV's name does.
    pub(crate) fn owner(&self) -> Option<OwnerTag> {
        let mut owners = self.tags.iter().filter_map(|tag| OwnerTag::parse(tag));
        let (owner, second) = (owners.next()?, owners.next());
        (second.is_none() && SessionId::of_lv(&self.name).as_ref() == Some(&owner.session)).then_some(owner)
    }

    pub(crate) fn is_kept(&self) -> bool {
        self.has(KEPT_TAG)
    }

    /// Returns the ordinary user that owned the LV's node before it was deactivated.
    pub(crate) fn node_owner(&self) -> Option<u32> {
        let user = self.owner()?.owner.uid?;
        (user != 0 && self.has(GIVEN_TAG)).then_some(user)
    }

    fn has(&self, tag: &str) -> bool {
        self.tags.iter().any(|found| found == tag)
    }
}

impl From<LvRow> for Lv {
    fn from(row: LvRow) -> Self {
        let percent = percent(&row.data_percent).filter(|_| !row.pool_lv.is_empty());
        Self {
            written: percent.map(|percent| written(row.lv_size, percent)),
            activation: match row.lv_active.as_str() {
                "active" => Some(Activation::Active),
                "" => Some(Activation::Inactive),
                _ => None,
            },
            thick_origin: Some(row.origin).filter(|origin| !origin.is_empty() && row.pool_lv.is_empty()),
            name: row.lv_name,
            uuid: row.lv_uuid,
            size: Bytes::new(row.lv_size),
            path: row.lv_dm_path.into(),
            tags: row.lv_tags,
        }
    }
}

/// At most so much: what is given back is not to be taken for less than it was.
fn written(size: u64, percent: u8) -> Bytes {
    let written = u128::from(size) * (u128::from(percent) + 1) / 100;
    Bytes::new(u64::try_from(written).unwrap_or(size).min(size))
}

/// Returns the name of an LV that is a part of another; LVM shows it in brackets.
pub(super) fn hidden_name(row: &LvRow) -> Option<&str> {
    row.lv_name.strip_prefix('[')?.strip_suffix(']')
}

/// Finds the data and metadata of thin pools with our tag that are active while their pool is not.
pub(super) fn wedged(rows: &[LvRow]) -> Vec<String> {
    let is_idle_pool = |name: &str| {
        rows.iter().any(|row| {
            let is_ours = row.lv_tags.iter().any(|tag| tag == POOL_TAG);
            // A pool whose volumes are active is at work, with or without a device of its own.
            let is_idle = row.lv_active.is_empty() && row.data_percent.is_empty();
            row.lv_name == name && is_ours && is_idle
        })
    };
    let parts = rows
        .iter()
        .filter(|row| row.lv_active == "active")
        .filter_map(hidden_name);
    parts
        .filter(|part| {
            let pool = part
                .strip_suffix("_tmeta")
                .or_else(|| part.strip_suffix("_tdata"));
            pool.is_some_and(is_idle_pool)
        })
        .map(str::to_owned)
        .collect()
}

#[cfg(test)]
mod tests {
    use rstest::rstest;

    use super::*;

    const NAME: &str = "kdev-20251115103045-a3f9d2-test";
    const TAG: &str = "kdev:s=20251115103045-a3f9d2:p=1234.81234567:b=f5a2b1c0:n=4026531836:h=1a2b3c4d:u=0";
    const OTHER: &str = "kdev:s=20251115103045-ffffff:p=1234.81234567";

    fn row(name: &str, tag: &str, active: &str) -> LvRow {
        LvRow {
            lv_name: name.into(),
            lv_uuid: String::new(),
            lv_dm_path: String::new(),
            lv_tags: vec![tag.into()],
            lv_size: 0,
            lv_active: active.into(),
            vg_uuid: String::new(),
            origin: String::new(),
            pool_lv: String::new(),
            lv_layout: String::new(),
            data_percent: String::new(),
            metadata_percent: String::new(),
        }
    }

    #[rstest]
    #[case::wedged(POOL_TAG, "", "active", true)]
    #[case::at_work(POOL_TAG, "active", "active", false)]
    #[case::at_rest(POOL_TAG, "", "", false)]
    #[case::not_known(POOL_TAG, "unknown", "active", false)]
    #[case::somebody_elses("", "", "active", false)]
    fn a_thin_pool_is_wedged_by_a_part_that_is_active_alone(
        #[case] tag: &str,
        #[case] pool: &str,
        #[case] part: &str,
        #[case] is_wedged: bool,
    ) {
        let rows = [
            row("p", tag, pool),
            row("[p_tmeta]", "", part),
            row("[p_tdata]", "", ""),
        ];
        let expected: &[&str] = if is_wedged { &["p_tmeta"] } else { &[] };
        assert_eq!(wedged(&rows), expected);
    }

    #[rstest]
    #[case::ours(NAME, &[TAG], true)]
    #[case::ours_with_other_tags(NAME, &["backup", TAG, KEPT_TAG], true)]
    #[case::untagged(NAME, &[], false)]
    #[case::only_kept(NAME, &[KEPT_TAG], false)]
    #[case::another_sessions_tag(NAME, &[OTHER], false)]
    #[case::two_owners(NAME, &[TAG, OTHER], false)]
    #[case::another_name("root", &[TAG], false)]
    fn an_lv_is_ours_by_its_tag_and_its_name(#[case] name: &str, #[case] tags: &[&str], #[case] ours: bool) {
        let lv = Lv {
            name: name.into(),
            uuid: String::new(),
            size: Bytes::new(0),
            path: PathBuf::new(),
            written: None,
            activation: None,
            thick_origin: None,
            tags: tags.iter().map(ToString::to_string).collect(),
        };
        assert_eq!(lv.owner().is_some(), ours);
    }
}
