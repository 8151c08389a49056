use std::collections::BTreeSet;

use kdev_volumes_spec::Bytes;

use crate::clean::Clean;
use crate::command::Finished;
use crate::error::{Error, Result};
use crate::lease::Blank;
use crate::lvm::by_sudo::{self, BySudo};
use crate::lvm::change::selection;
use crate::lvm::lv::{Lv, hidden_name, wedged};
use crate::lvm::report::{self, LV_FIELDS, LvRow, READABLE, VG_FIELDS, VgRow};
use crate::lvm::shell::{self, Shell};
use crate::lvm::thin::{is_part, usage};
use crate::lvm::{Mapped, POOL_TAG, reading};
use crate::owner::OwnerTag;
use crate::root::Verb;
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
