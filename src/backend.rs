use std::fmt;
use std::fs::File;
use std::path::PathBuf;

use kdev_volumes_spec::Bytes;

use crate::error::Result;
use crate::holders::{holders, is_claimed};
use crate::lease::Lease;
use crate::loops::{self, LoopDevice, LoopDir};
use crate::lvm::{Group, Lv, Mapped, NewLv};
use crate::owner::OwnerTag;
use crate::state::{Kind, Record};

/// What makes volumes and removes them.
#[derive(Clone, Debug)]
pub(crate) enum Backend {
    Lvm(Group),
    Loop(LoopDir),
}

/// A volume that is to be made, or removed.
#[derive(Clone, Debug)]
pub(crate) struct Named {
    pub(crate) lv_name: String,
    pub(crate) path: PathBuf,
    pub(crate) size: Bytes,
    /// Of an LV that is known to be there.
    pub(crate) uuid: Option<String>,
}

impl Named {
    /// Takes what a record says of its volume.
    pub(crate) fn on_record(record: &Record) -> Self {
        Self {
            lv_name: record.lv_name.clone(),
            path: record.lv_path.clone(),
            size: Bytes::new(record.size_bytes.unwrap_or(0)),
            uuid: record.lv_uuid.clone(),
        }
    }
}

/// A volume that was made.
#[derive(Debug)]
pub(crate) struct Made {
    pub(crate) lv_name: String,
    pub(crate) path: PathBuf,
    pub(crate) size: Bytes,
    pub(crate) uuid: Option<String>,
    /// What the volume lives by; `None` if it lives by itself.
    pub(crate) device: Option<LoopDevice>,
}

/// A volume that could not be removed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Leftover {
    pub(crate) lv_name: String,
    pub(crate) path: PathBuf,
    pub(crate) why: String,
}

impl Backend {
    pub(crate) fn kind(&self) -> Kind {
        match self {
            Self::Lvm(_) => Kind::Lvm,
            Self::Loop(_) => Kind::Loop,
        }
    }

    /// Returns the VG's name, or nothing.
    pub(crate) fn vg_name(&self) -> &str {
        match self {
            Self::Lvm(group) => &group.name,
            Self::Loop(_) => "",
        }
    }

    /// Makes all the volumes, or fails; then some of them may be there.
    ///
    /// An LV that is to be kept says so from the beginning.
    pub(crate) fn make(
        &self,
        wanted: &[Named],
        tag: &OwnerTag,
        lease: &Lease,
        is_kept: bool,
    ) -> Result<Vec<Made>> {
        match self {
            Self::Lvm(group) => {
                for volume in wanted {
                    let new = NewLv {
                        name: &volume.lv_name,
                        size: volume.size,
                        tag,
                        is_kept,
                    };
                    group.create(&new, lease)?;
                }
                look_up(group, wanted)
            }
            Self::Loop(dir) => wanted
                .iter()
                .map(|volume| {
                    let device = dir.attach(&volume.lv_name, volume.size)?;
                    Ok(Made {
                        lv_name: volume.lv_name.clone(),
                        path: device.path().to_owned(),
                        size: volume.size,
                        uuid: None,
                        device: Some(device),
                    })
                })
                .collect(),
        }
    }

    /// Removes volumes of one session and confirms that they are gone; returns those that are not.
    ///
    /// Fails only if nobody can say which are gone.
    pub(crate) fn remove(&self, volumes: &[Named], tag: &OwnerTag) -> Result<Vec<Leftover>> {
        // What something stands on could not be removed, and LVM would not remove the others either.
        let mut left = Vec::new();
        let mut free = Vec::new();
        for volume in volumes {
            // Another volume may have the loop device by now.
            let may_be_there = match self {
                Self::Lvm(_) => true,
                Self::Loop(_) => loops::is_attached(&volume.path, &volume.lv_name)?,
            };
            match may_be_there && is_claimed(&volume.path) {
                true => left.push(leftover(
                    volume,
                    "something stands on it that cannot be seen".into(),
                )),
                false => free.push(volume),
            }
        }
        if free.is_empty() {
            return Ok(left);
        }
        match self {
            Self::Lvm(group) => left.extend(remove_lvs(group, &free, tag)?),
            Self::Loop(_) => detach_loops(&free, &mut left)?,
        }
        Ok(left)
    }

    /// Holds a volume open, if it is there and is still the one that is meant: as long as this file is
    /// open, its device number cannot become another's.
    pub(crate) fn pin(&self, volume: &Named) -> Option<File> {
        match self {
            Self::Lvm(group) => {
                let mapped = group.mapped(&volume.lv_name)?;
                let is_meant = volume.uuid.as_ref() == Some(&mapped.uuid);
                is_meant.then(|| mapped.pin())?
            }
            Self::Loop(_) => loops::pin(&volume.path, &volume.lv_name),
        }
    }

    /// Makes sure that volumes stay when this process is gone. An LV says so itself, should the records
    /// be lost; of a loop device only its record tells.
    pub(crate) fn keep(&self, volumes: &[(&str, Option<&LoopDevice>)], tag: &OwnerTag) -> Result<()> {
        match self {
            Self::Lvm(group) => {
                let names: Vec<&str> = volumes.iter().map(|(name, _)| *name).collect();
                group.mark_kept(&names, tag)
            }
            Self::Loop(_) => volumes
                .iter()
                .filter_map(|(_, device)| *device)
                .try_for_each(LoopDevice::outlive_us),
        }
    }
}

/// Looks up what was made: in the kernel, else by LVM's report.
fn look_up(group: &Group, wanted: &[Named]) -> Result<Vec<Made>> {
    let mapped: Option<Vec<Made>> = wanted
        .iter()
        .map(|volume| {
            let mapped = group.mapped(&volume.lv_name)?;
            Some(Made {
                lv_name: volume.lv_name.clone(),
                path: mapped.path,
                size: mapped.size,
                uuid: Some(mapped.uuid),
                device: None,
            })
        })
        .collect();
    if let Some(mapped) = mapped {
        return Ok(mapped);
    }
    let lvs = group.volumes()?;
    Ok(lvs
        .into_iter()
        .filter(|lv| wanted.iter().any(|volume| volume.lv_name == lv.name))
        .map(Made::from)
        .collect())
}

/// Together first, for one commit of metadata; LVM removes all or, if one is busy, none. So what is
/// left then is tried one by one.
fn remove_lvs(group: &Group, volumes: &[&Named], tag: &OwnerTag) -> Result<Vec<Leftover>> {
    let is_left = |volume: &&Named, lvs: &[Lv]| {
        // Also if its tag says more, or something else, of the owner than we know.
        let is_of_session = |lv: &Lv| lv.owner().is_some_and(|owner| owner.session == tag.session);
        lvs.iter()
            .any(|lv| lv.name == volume.lv_name && is_of_session(lv))
    };
    let names: Vec<&str> = volumes.iter().map(|volume| volume.lv_name.as_str()).collect();
    let mapped: Vec<Option<Mapped>> = names.iter().map(|name| group.mapped(name)).collect();
    let together = group.try_remove(&names, tag);
    // LVM's word, and the kernel's that each was there and is not now. Where one of them says nothing,
    // the VG itself is asked.
    let is_gone = |mapped: &Option<Mapped>| mapped.as_ref().is_some_and(Mapped::is_gone);
    if together.is_ok() && mapped.iter().all(is_gone) {
        return Ok(Vec::new());
    }
    let lvs = group.volumes()?;
    let left: Vec<&Named> = volumes
        .iter()
        .copied()
        .filter(|volume| is_left(volume, &lvs))
        .collect();
    let Some(first) = left.first() else {
        return Ok(Vec::new());
    };
    let mut reasons: Vec<(&Named, Option<String>)> = Vec::new();
    if volumes.len() == 1 {
        reasons.push((first, together.err().map(|err| err.chain())));
    } else {
        for volume in left {
            let alone = group.try_remove(&[&volume.lv_name], tag);
            reasons.push((volume, alone.err().map(|err| err.chain())));
        }
    }
    let lvs = group.volumes()?;
    Ok(reasons
        .into_iter()
        .filter(|(volume, _)| is_left(volume, &lvs))
        .map(|(volume, why)| {
            leftover(
                volume,
                why.unwrap_or_else(|| "LVM removed it not, and said nothing".into()),
            )
        })
        .collect())
}

fn detach_loops(volumes: &[&Named], left: &mut Vec<Leftover>) -> Result<()> {
    for volume in volumes {
        if !loops::detach(&volume.path, &volume.lv_name)? {
            left.push(leftover(volume, "the kernel still has it attached".into()));
        }
    }
    Ok(())
}

/// Says who holds the volume; if nobody can be seen to, what the attempt said.
fn leftover(volume: &Named, said: String) -> Leftover {
    let holders = holders(&volume.path);
    let why = if holders.is_empty() {
        said
    } else {
        holders.join(", ")
    };
    Leftover::new(volume, why)
}

impl Leftover {
    fn new(volume: &Named, why: String) -> Self {
        Self {
            lv_name: volume.lv_name.clone(),
            path: volume.path.clone(),
            why,
        }
    }
}

impl fmt::Display for Leftover {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "`{}` ({}): {}", self.lv_name, self.path.display(), self.why)
    }
}

impl From<Lv> for Made {
    fn from(lv: Lv) -> Self {
        Self {
            lv_name: lv.name,
            path: lv.path,
            size: lv.size,
            uuid: Some(lv.uuid),
            device: None,
        }
    }
}
