use std::collections::BTreeSet;
use std::path::PathBuf;

use kdev_volumes_spec::Bytes;

use crate::clean::Clean;
use crate::command::Finished;
use crate::error::{Error, Result};
use crate::lease::Blank;
use crate::lvm::by_sudo::{self, BySudo};
use crate::lvm::change::selection;
use crate::lvm::report::{self, LV_FIELDS, LvRow, READABLE, VG_FIELDS, VgRow};
use crate::lvm::shell::{self, Shell};
use crate::lvm::thin::{is_part, percent, usage};
use crate::lvm::{KEPT_TAG, Mapped, POOL_TAG, reading};
use crate::owner::OwnerTag;
use crate::root::Verb;
use crate::session_id::SessionId;
use crate::thin::{Overcommit, Thin};

/// A VG that carries our tag, or did when something about it was written down. What removes or marks
/// an LV asks for the tag again in the same command.
#[derive(Clone, Debug)]
pub(crate) struct Group {
    pub(crate) name: String,
    /// What is promised of its new LVs.
    pub(crate) clean: Clean,
    /// How much more than it has it gives out, if its volumes are thin.
    pub(crate) thin: Option<Overcommit>,
}

/// The room in a VG when it was looked at; of a thin pool in it, what that may give out.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Room {
    pub(crate) size: Bytes,
    pub(crate) free: Bytes,
    pub(crate) extent: Bytes,
    pub(crate) thin: Option<Thin>,
}

/// An LV of such a VG, ours or not.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Lv {
    pub(crate) name: String,
    pub(crate) uuid: String,
    pub(crate) size: Bytes,
    /// Below `/dev/mapper`; fstests' `check` takes no other kind of link.
    pub(crate) path: PathBuf,
    /// How much of it is written, if it is thin and active.
    pub(crate) written: Option<Bytes>,
    tags: Vec<String>,
}

/// What is in a VG.
#[derive(Debug)]
pub(crate) struct Listing {
    pub(crate) volumes: Vec<Lv>,
    /// Parts of thin pools, see [`Group::unwedge`].
    pub(crate) wedged: Vec<String>,
}

/// What LVM says of a VG, in its own words.
#[derive(Debug)]
pub(crate) struct Reported {
    pub(crate) json: Vec<u8>,
    /// Whether it has our tag.
    pub(crate) is_ours: bool,
}

impl Group {
    /// Looks a VG up, and makes sure that it is ours.
    ///
    /// # Errors
    ///
    /// [`Error::Missing`], or [`Error::NotOurs`] if it has not our tag.
    pub(crate) fn open(name: &str) -> Result<(Self, Room)> {
        let Some((group, mut room)) = Self::look(name)? else {
            return Err(missing(name));
        };
        if let Some(overcommit) = group.thin {
            room.take(group.usage(overcommit)?);
        }
        Ok((group, room))
    }

    /// Looks at a VG of ours itself, and not at the thin pool that may be in it.
    pub(super) fn look(name: &str) -> Result<Option<(Self, Room)>> {
        let Some(row) = find(name)? else {
            return Ok(None);
        };
        Self::of_row(row).map(Some)
    }

    /// Looks a VG up with a process of LVM's that is then ready to make LVs in it, if that can be.
    ///
    /// # Errors
    ///
    /// As [`open`](Self::open).
    pub(crate) fn open_to_make(name: &str, lease: Option<Blank>) -> Result<(Self, Room, Option<Shell>)> {
        let asked = lease
            .filter(|_| nix::unistd::geteuid().is_root())
            .and_then(|lease| {
                let mut shell = Shell::start(lease).ok()?;
                Some((shell.vg(name)?, shell))
            });
        // What is wrong is found out by asking again.
        let Some((row, mut shell)) = asked else {
            let (group, room) = Self::open(name)?;
            return Ok((group, room, None));
        };
        let (group, mut room) = Self::of_row(row)?;
        if let Some(overcommit) = group.thin {
            let rows = shell.lvs(&group.name);
            match rows.and_then(|rows| usage(&rows, overcommit)) {
                Some(thin) => room.take(thin),
                None => {
                    room.take(group.usage(overcommit)?);
                    return Ok((group, room, None));
                }
            }
        }
        Ok((group, room, Some(shell)))
    }

    /// Looks a VG up, and what is in it, by one process of LVM's if that can be.
    ///
    /// # Errors
    ///
    /// As [`open`](Self::open).
    pub(crate) fn survey(name: &str) -> Result<(Self, Room, Listing)> {
        let is_root = nix::unistd::geteuid().is_root();
        let Some((row, rows)) = is_root.then(|| shell::look(name)).flatten() else {
            let (group, room) = Self::open(name)?;
            let listing = group.listing()?;
            return Ok((group, room, listing));
        };
        let (group, mut room) = Self::of_row(row)?;
        if let Some(overcommit) = group.thin {
            let thin = usage(&rows, overcommit);
            room.take(thin.map_or_else(|| group.usage(overcommit), Ok)?);
        }
        let listing = group.listed(rows);
        Ok((group, room, listing))
    }

    fn of_row(row: VgRow) -> Result<(Self, Room)> {
        if !row.vg_tags.iter().any(|tag| tag == POOL_TAG) {
            let why = format!(
                "it has no tag `{POOL_TAG}` (if it is a pool of yours, `vgchange --addtag {POOL_TAG} {}`)",
                row.vg_name
            );
            return Err(Error::NotOurs {
                what: format!("VG `{}`", row.vg_name),
                why,
            });
        }
        let room = Room {
            size: Bytes::new(row.vg_size),
            free: Bytes::new(row.vg_free),
            extent: Bytes::new(row.vg_extent_size),
            thin: None,
        };
        let thin = Overcommit::of_tags(&row.vg_tags);
        let group = Self {
            // Thin volumes are zeros in any case. By sudo, kdev-root keeps the promise, before the volume is the
            // user's to read.
            clean: match thin.is_some() || by_sudo::is_the_way() {
                true => Clean::default(),
                false => Clean::of_tags(&row.vg_tags),
            },
            thin,
            name: row.vg_name,
        };
        Ok((group, room))
    }

    /// Makes sure that there is a VG of that name, and that it is ours.
    ///
    /// # Errors
    ///
    /// As [`open`](Self::open), which a VG may fail whose thin pool is not there yet.
    pub(crate) fn check(name: &str) -> Result<()> {
        match Self::look(name)? {
            Some(_) => Ok(()),
            None => Err(missing(name)),
        }
    }

    /// Returns LVM's report on a VG, and whether that is ours; `None` if there is none of that name.
    pub(crate) fn report(name: &str) -> Result<Option<Reported>> {
        let Some(done) = asked(name)? else { return Ok(None) };
        let rows = report::vgs(&done.command, &done.stdout)?;
        let is_ours = |row: &VgRow| row.vg_tags.iter().any(|tag| tag == POOL_TAG);
        Ok(Some(Reported {
            is_ours: rows.iter().all(is_ours),
            json: done.stdout,
        }))
    }

    /// Takes the VG that a record names, without a look at it: enough for giving back.
    pub(crate) fn on_record(name: &str) -> Self {
        Self {
            name: name.to_owned(),
            clean: Clean::default(),
            thin: None,
        }
    }

    /// Tells whether there is a VG of that name, ours or not.
    pub(crate) fn exists(name: &str) -> Result<bool> {
        Ok(find(name)?.is_some())
    }

    /// Makes sure that an LV is of that session, by its own word. Returns all LVs of the VG.
    pub(crate) fn check_owner(&self, lv_name: &str, tag: &OwnerTag) -> Result<Vec<Lv>> {
        let lvs = self.volumes()?;
        let lv = lvs.iter().find(|lv| lv.name == lv_name);
        match lv.and_then(Lv::owner) {
            Some(owner) if owner.session == tag.session => Ok(lvs),
            _ => Err(Error::NotOurs {
                what: format!("LV `{}/{lv_name}`", self.name),
                why: "it has not the tag of its session's owner".to_owned(),
            }),
        }
    }

    /// Lists the LVs of the VG.
    pub(crate) fn volumes(&self) -> Result<Vec<Lv>> {
        Ok(self.listing()?.volumes)
    }

    /// Lists the LVs of the VG, and what keeps thin pools of ours from working.
    pub(crate) fn listing(&self) -> Result<Listing> {
        Ok(self.listed(self.rows()?))
    }

    fn listed(&self, rows: Vec<LvRow>) -> Listing {
        let wedged = wedged(&rows);
        let is_part = |row: &LvRow| self.thin.is_some() && is_part(row);
        let volumes = rows
            .into_iter()
            .filter(|row| hidden_name(row).is_none() && !is_part(row))
            .map(Lv::from)
            .collect();
        Listing { volumes, wedged }
    }

    /// What LVM reports of all LVs, and of the parts of each.
    pub(super) fn rows(&self) -> Result<Vec<LvRow>> {
        let done = match BySudo::find()? {
            Some(sudo) => sudo.run(&Verb::List {
                vg: self.name.clone(),
            })?,
            None => self.lvs(LV_FIELDS)?,
        };
        report::lvs(&done.command, &done.stdout)
    }

    /// Returns the report from which [`listing`](Self::listing) is read, with the VG's UUID and those of its LVs.
    pub(crate) fn report_of_lvs(&self) -> Result<(Vec<u8>, String, BTreeSet<String>)> {
        let done = self.lvs(&format!("{LV_FIELDS},vg_uuid"))?;
        let rows = report::lvs(&done.command, &done.stdout)?;
        let vg_uuid = rows.first().map_or_else(String::new, |row| row.vg_uuid.clone());
        Ok((
            done.stdout,
            vg_uuid,
            rows.into_iter().map(|row| row.lv_uuid).collect(),
        ))
    }

    fn lvs(&self, fields: &str) -> Result<Finished> {
        reading("lvs")?
            .args(READABLE)
            .args(["--all", "-o", fields, &self.name])
            .run()
    }

    /// Finds LVs that have one of the names *and* the tag, in a VG of ours.
    pub(crate) fn owned(&self, lv_names: &[&str], tag: &OwnerTag) -> Result<Vec<Lv>> {
        let named: Vec<String> = lv_names
            .iter()
            .map(|lv_name| format!("{}/{lv_name}", self.name))
            .collect();
        let done = reading("lvs")?
            .args(READABLE)
            .args(["-o", LV_FIELDS])
            .args(["--select", &selection(&[(tag, lv_names.to_vec())])])
            .args(named)
            .run()?;
        let rows = report::lvs(&done.command, &done.stdout)?;
        Ok(rows.into_iter().map(Lv::from).collect())
    }

    /// Finds an LV of the VG in the kernel, if it is active.
    pub(crate) fn mapped(&self, lv_name: &str) -> Option<Mapped> {
        Mapped::find(&self.name, lv_name)
    }
}

impl Room {
    /// Takes what a thin pool gives out for the room.
    fn take(&mut self, thin: Thin) {
        self.size = thin.in_all(self.extent);
        self.free = thin.free(self.extent);
        self.thin = Some(thin);
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
        let percent = percent(&row.data_percent).filter(|_| !row.pool_lv.is_empty());
        Self {
            written: percent.map(|percent| written(row.lv_size, percent)),
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

fn find(name: &str) -> Result<Option<VgRow>> {
    let done = match BySudo::find()? {
        Some(sudo) => Some(sudo.run(&Verb::Room { vg: name.to_owned() })?),
        None => asked(name)?,
    };
    let Some(done) = done else { return Ok(None) };
    Ok(report::vgs(&done.command, &done.stdout)?.into_iter().next())
}

fn missing(name: &str) -> Error {
    Error::Missing {
        what: format!("VG `{name}`"),
        hint: "is the pool's device there? see `pvs` and `kdev pool list`",
    }
}

/// Asks for one VG. LVM's status tells no difference between a VG that is missing and other trouble,
/// so a failure is followed by the question which VGs there are.
fn asked(name: &str) -> Result<Option<Finished>> {
    let asked = reading("vgs")?
        .args(READABLE)
        .args(["-o", VG_FIELDS, name])
        .finish()?;
    if asked.status.success() {
        return Ok(Some(asked));
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

    fn row(name: &str, tag: &str, active: &str) -> LvRow {
        LvRow {
            lv_name: name.into(),
            lv_uuid: String::new(),
            lv_dm_path: String::new(),
            lv_tags: vec![tag.into()],
            lv_size: 0,
            lv_active: active.into(),
            vg_uuid: String::new(),
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
            tags: tags.iter().map(ToString::to_string).collect(),
        };
        assert_eq!(lv.owner().is_some(), ours);
    }
}
