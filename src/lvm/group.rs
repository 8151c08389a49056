use std::path::PathBuf;

use kdev_volumes_spec::Bytes;

use crate::command::Invocation;
use crate::error::{Error, Result};
use crate::lease::Lease;
use crate::lvm::report::{self, LV_FIELDS, LvRow, READABLE, VG_FIELDS, VgRow};
use crate::lvm::{KEPT_TAG, Mapped, POOL_TAG, reading, writing};
use crate::owner::OwnerTag;
use crate::session_id::SessionId;

/// A VG that carries our tag, or did when something about it was written down. What removes or marks
/// an LV asks for the tag again in the same command.
#[derive(Clone, Debug)]
pub(crate) struct Group {
    pub(crate) name: String,
}

/// The room in a VG when it was looked at.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Room {
    pub(crate) size: Bytes,
    pub(crate) free: Bytes,
    pub(crate) extent: Bytes,
}

/// An LV of such a VG, ours or not.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Lv {
    pub(crate) name: String,
    pub(crate) uuid: String,
    pub(crate) size: Bytes,
    /// Below `/dev/mapper`; fstests' `check` takes no other kind of link.
    pub(crate) path: PathBuf,
    tags: Vec<String>,
}

impl Group {
    /// Looks a VG up, and makes sure that it is ours.
    ///
    /// # Errors
    ///
    /// [`Error::Missing`], or [`Error::NotOurs`] if it has not our tag.
    pub(crate) fn open(name: &str) -> Result<(Self, Room)> {
        let Some(row) = find(name)? else {
            return Err(Error::Missing {
                what: format!("VG `{name}`"),
                hint: "is the pool's device there? see `pvs` and `kdev pool list`",
            });
        };
        if !row.vg_tags.iter().any(|tag| tag == POOL_TAG) {
            let why = format!(
                "it has no tag `{POOL_TAG}` (if it is a pool of yours, `vgchange --addtag {POOL_TAG} {name}`)"
            );
            return Err(Error::NotOurs {
                what: format!("VG `{name}`"),
                why,
            });
        }
        let room = Room {
            size: Bytes::new(row.vg_size),
            free: Bytes::new(row.vg_free),
            extent: Bytes::new(row.vg_extent_size),
        };
        Ok((Self { name: row.vg_name }, room))
    }

    /// Takes the VG that a record names, without a look at it: enough for giving back.
    pub(crate) fn on_record(name: &str) -> Self {
        Self {
            name: name.to_owned(),
        }
    }

    /// Tells whether there is a VG of that name, ours or not.
    pub(crate) fn exists(name: &str) -> Result<bool> {
        Ok(find(name)?.is_some())
    }

    /// Makes an LV that carries its owner's tag from its first metadata commit on.
    ///
    /// LVM wipes what signatures it finds and the first 4 KiB. It holds the lease too: if we die, the
    /// session is not dead before LVM is done, so nobody looks for the LV too early.
    pub(crate) fn create(&self, lv_name: &str, size: Bytes, tag: &OwnerTag, lease: &Lease) -> Result<()> {
        writing("lvcreate")?
            .args(["--yes", "--wipesignatures", "y", "--zero", "y"])
            .args(["--size", &format!("{}b", size.get()), "--name", lv_name])
            .args(["--addtag", &tag.to_string()])
            .arg(&self.name)
            .holding(lease.shared()?)
            .run()?;
        Ok(())
    }

    /// Lists the LVs of the VG.
    pub(crate) fn volumes(&self) -> Result<Vec<Lv>> {
        let done = reading("lvs")?
            .args(READABLE)
            .args(["-o", LV_FIELDS, &self.name])
            .run()?;
        Ok(report::lvs(&done.command, &done.stdout)?
            .into_iter()
            .map(Lv::from)
            .collect())
    }

    /// Finds an LV of the VG in the kernel, if it is active.
    pub(crate) fn mapped(&self, lv_name: &str) -> Option<Mapped> {
        Mapped::find(&self.name, lv_name)
    }

    /// Tries to remove LVs of one session: each that has the name *and* the tag, in a VG of ours.
    ///
    /// LVM removes all of them or none, and passes over a name whose tag is another's.
    pub(crate) fn try_remove(&self, lv_names: &[&str], tag: &OwnerTag) -> Result<()> {
        self.run_on(writing("lvremove")?.arg("--yes"), lv_names, tag)
    }

    /// Marks LVs as kept, so that they stay kept if the records are lost.
    pub(crate) fn mark_kept(&self, lv_names: &[&str], tag: &OwnerTag) -> Result<()> {
        self.run_on(writing("lvchange")?.args(["--addtag", KEPT_TAG]), lv_names, tag)
    }

    /// Runs a command on those of the named LVs that have the tag, if the VG has ours.
    fn run_on(&self, command: Invocation, lv_names: &[&str], tag: &OwnerTag) -> Result<()> {
        // Without a name LVM takes a selection for one over all VGs.
        if lv_names.is_empty() {
            return Ok(());
        }
        let names = lv_names.iter().map(|name| format!("{}/{name}", self.name));
        command
            .args([
                "--select",
                &format!("vg_tags={{\"{POOL_TAG}\"}} && lv_tags={{\"{tag}\"}}"),
            ])
            .args(names)
            .run()?;
        Ok(())
    }
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
        self.tags.iter().any(|tag| tag == KEPT_TAG)
    }
}

impl From<LvRow> for Lv {
    fn from(row: LvRow) -> Self {
        Self {
            name: row.lv_name,
            uuid: row.lv_uuid,
            size: Bytes::new(row.lv_size),
            path: row.lv_dm_path.into(),
            tags: row.lv_tags,
        }
    }
}

/// Asks for one VG. LVM's status tells no difference between a VG that is missing and other trouble,
/// so a failure is followed by the question which VGs there are.
fn find(name: &str) -> Result<Option<VgRow>> {
    let asked = reading("vgs")?
        .args(READABLE)
        .args(["-o", VG_FIELDS, name])
        .finish()?;
    if asked.status.success() {
        return Ok(report::vgs(&asked.command, &asked.stdout)?.into_iter().next());
    }
    let all = reading("vgs")?.args(READABLE).args(["-o", VG_FIELDS]).run()?;
    match report::vgs(&all.command, &all.stdout)?
        .iter()
        .any(|row| row.vg_name == name)
    {
        true => Err(asked.error()),
        false => Ok(None),
    }
}

#[cfg(test)]
mod tests {
    use rstest::rstest;

    use super::*;

    const NAME: &str = "kdev-20251115103045-a3f9d2-test";
    const TAG: &str = "kdev:s=20251115103045-a3f9d2:p=1234.81234567:b=f5a2b1c0:n=4026531836:h=1a2b3c4d:u=0";
    const OTHER: &str = "kdev:s=20251115103045-ffffff:p=1234.81234567";

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
            tags: tags.iter().map(ToString::to_string).collect(),
        };
        assert_eq!(lv.owner().is_some(), ours);
    }
}
