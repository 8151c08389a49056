use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

use crate::backend::{Leftover, Made, Named};
use crate::error::Result;
use crate::lvm::{Group, Lv, Mapped};
use crate::owner::OwnerTag;
use crate::udev;

/// Looks up what was made: in the kernel, else by LVM's report.
pub(super) fn look_up(group: &Group, wanted: &[Named]) -> Result<Vec<Made>> {
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
pub(super) fn remove(group: &Group, owned: &[(&OwnerTag, Vec<&Named>)]) -> Result<Vec<Leftover>> {
    let (owned, mut held) = without_those_whose_snapshots_stay(group, owned)?;
    if owned.is_empty() {
        return Ok(held);
    }
    let names: Vec<(&OwnerTag, Vec<&str>)> = owned
        .iter()
        .map(|(tag, volumes)| {
            (
                *tag,
                volumes.iter().map(|volume| volume.lv_name.as_str()).collect(),
            )
        })
        .collect();
    let all: Vec<Going> = owned
        .iter()
        .flat_map(|(tag, volumes)| volumes.iter().map(|volume| Going::begin(group, tag, volume)))
        .collect();
    let together = group.try_remove(&names);
    take_links_away(&all);
    // Where one of those that know says nothing, the VG itself is asked.
    if together
        .as_ref()
        .is_ok_and(|said| all.iter().all(|one| one.is_gone(said)))
    {
        return Ok(held);
    }
    let lvs = group.volumes()?;
    let left: Vec<&Going> = all.iter().filter(|one| one.is_left(&lvs)).collect();
    let mut reasons = Vec::new();
    match left[..] {
        [] => return Ok(held),
        [first] if all.len() == 1 => reasons.push((first, together.err().map(|err| err.chain()))),
        _ => {
            for one in left {
                let alone = group.try_remove(&[(one.tag, vec![&one.volume.lv_name])]);
                reasons.push((one, alone.err().map(|err| err.chain())));
            }
        }
    }
    let lvs = group.volumes()?;
    let reasons = reasons.into_iter();
    let left = reasons.filter(|(one, _)| one.is_left(&lvs));
    held.extend(left.map(|(one, why)| {
        Leftover::held(
            one.volume,
            why.unwrap_or_else(|| "LVM removed it not, and said nothing".into()),
        )
    }));
    Ok(held)
}

/// udev does that, and nobody has waited for it yet. Where it sees another `/dev` than we, it does not.
fn take_links_away(all: &[Going<'_>]) {
    if all.iter().all(|one| one.stale_links().is_empty()) {
        return;
    }
    // What has not come to its end by then is ours to do.
    let _ = udev::settle();
    for link in all.iter().flat_map(Going::stale_links) {
        // udev may have been faster, and what stays leads nowhere.
        let _ = fs::remove_file(link);
    }
}

/// A volume that is being removed.
struct Going<'a> {
    tag: &'a OwnerTag,
    volume: &'a Named,
    mapped: Option<Mapped>,
    /// Whether the kernel has let go of it, and so can be no witness that LVM has.
    is_off: bool,
}

impl<'a> Going<'a> {
    /// Has the kernel let go of it first, if what it has is what is on record: LVM would have udev run a program for
    /// each to tell that it is gone, which takes longer than all else. Whose it is, LVM's selection decides after that.
    fn begin(group: &Group, tag: &'a OwnerTag, volume: &'a Named) -> Self {
        let mapped = group.mapped(&volume.lv_name);
        let on_record = |mapped: &&Mapped| volume.uuid.as_ref() == Some(&mapped.uuid);
        let is_off = mapped.as_ref().filter(on_record).is_some_and(Mapped::let_go);
        Self {
            tag,
            volume,
            mapped,
            is_off,
        }
    }

    /// Lists links to what the kernel has let go of.
    fn stale_links(&self) -> Vec<&Path> {
        let mapped = self.mapped.as_ref().filter(|_| self.is_off);
        mapped.map_or_else(Vec::new, Mapped::stale_links)
    }

    /// Tells whether it is gone for certain, if `lvremove` succeeded and `said` that it has removed those: it was there,
    /// and by another's word it is not now.
    fn is_gone(&self, said: &BTreeSet<String>) -> bool {
        match self.is_off {
            true => said.contains(&self.volume.lv_name),
            false => self.mapped.as_ref().is_some_and(Mapped::is_gone),
        }
    }

    /// Tells whether it is among those, also if its tag says more, or something else, of its owner than we know.
    fn is_left(&self, lvs: &[Lv]) -> bool {
        let is_of_session = |lv: &Lv| lv.owner().is_some_and(|owner| owner.session == self.tag.session);
        lvs.iter()
            .any(|lv| lv.name == self.volume.lv_name && is_of_session(lv))
    }
}

/// Volumes of one owner, by the owner's tag.
type Owned<'a> = (&'a OwnerTag, Vec<&'a Named>);

/// LVM removes thick snapshots with the volume that they are of. Those that are not to be removed too keep it.
fn without_those_whose_snapshots_stay<'a>(
    group: &Group,
    owned: &[Owned<'a>],
) -> Result<(Vec<Owned<'a>>, Vec<Leftover>)> {
    let going: BTreeSet<&str> = owned
        .iter()
        .flat_map(|(_, volumes)| volumes.iter().map(|volume| volume.lv_name.as_str()))
        .collect();
    let mut lvs: Option<Vec<Lv>> = None;
    let mut staying = |volume: &Named| -> Result<Option<String>> {
        let snapshots = match group.mapped(&volume.lv_name) {
            Some(mapped) => mapped.snapshots(),
            // Of what is not active, as after a reboot, LVM alone knows.
            None => {
                if lvs.is_none() {
                    lvs = Some(group.volumes()?);
                }
                snapshots_of(lvs.as_deref().unwrap_or_default(), &volume.lv_name)
            }
        };
        let mut snapshots = snapshots.into_iter();
        Ok(snapshots.find(|name| !going.contains(name.as_str())))
    };
    let (mut free, mut held) = (Vec::new(), Vec::new());
    for (tag, volumes) in owned {
        let mut of_it = Vec::new();
        for &volume in volumes {
            match staying(volume)? {
                None => of_it.push(volume),
                Some(name) => held.push(Leftover::new(
                    volume,
                    format!("its snapshot `{name}` is there, and would go with it"),
                )),
            }
        }
        if !of_it.is_empty() {
            free.push((*tag, of_it));
        }
    }
    Ok((free, held))
}

fn snapshots_of(lvs: &[Lv], origin: &str) -> Vec<String> {
    let is_of_it = |lv: &&Lv| lv.thick_origin.as_deref() == Some(origin);
    lvs.iter().filter(is_of_it).map(|lv| lv.name.clone()).collect()
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
