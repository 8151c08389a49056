use std::collections::BTreeSet;

use crate::backend::{Leftover, Made, Named};
use crate::error::Result;
use crate::lvm::{Group, Lv, Mapped};
use crate::owner::OwnerTag;

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
    let is_left = |(tag, volume): &(&OwnerTag, &Named), lvs: &[Lv]| {
        // Also if its tag says more, or something else, of the owner than we know.
        let is_of_session = |lv: &Lv| lv.owner().is_some_and(|owner| owner.session == tag.session);
        lvs.iter()
            .any(|lv| lv.name == volume.lv_name && is_of_session(lv))
    };
    let (owned, mut held) = without_those_whose_snapshots_stay(group, owned);
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
    let all: Vec<(&OwnerTag, &Named)> = owned
        .iter()
        .flat_map(|(tag, volumes)| volumes.iter().map(|volume| (*tag, *volume)))
        .collect();
    let mapped: Vec<Option<Mapped>> = all
        .iter()
        .map(|(_, volume)| group.mapped(&volume.lv_name))
        .collect();
    let together = group.try_remove(&names);
    // LVM's word, and the kernel's that each was there and is not now. Where one of them says nothing,
    // the VG itself is asked.
    let is_gone = |mapped: &Option<Mapped>| mapped.as_ref().is_some_and(Mapped::is_gone);
    if together.is_ok() && mapped.iter().all(is_gone) {
        return Ok(held);
    }
    let lvs = group.volumes()?;
    let left: Vec<(&OwnerTag, &Named)> = all.iter().copied().filter(|one| is_left(one, &lvs)).collect();
    let mut reasons = Vec::new();
    match left[..] {
        [] => return Ok(held),
        [first] if all.len() == 1 => reasons.push((first, together.err().map(|err| err.chain()))),
        _ => {
            for (tag, volume) in left {
                let alone = group.try_remove(&[(tag, vec![&volume.lv_name])]);
                reasons.push(((tag, volume), alone.err().map(|err| err.chain())));
            }
        }
    }
    let lvs = group.volumes()?;
    let reasons = reasons.into_iter();
    let left = reasons.filter(|(one, _)| is_left(one, &lvs));
    held.extend(left.map(|((_, volume), why)| {
        Leftover::held(
            volume,
            why.unwrap_or_else(|| "LVM removed it not, and said nothing".into()),
        )
    }));
    Ok(held)
}

/// Volumes of one owner, by the owner's tag.
type Owned<'a> = (&'a OwnerTag, Vec<&'a Named>);

/// LVM removes thick snapshots with the volume that they are of. Those that are not to be removed too keep it.
fn without_those_whose_snapshots_stay<'a>(
    group: &Group,
    owned: &[Owned<'a>],
) -> (Vec<Owned<'a>>, Vec<Leftover>) {
    let going: BTreeSet<&str> = owned
        .iter()
        .flat_map(|(_, volumes)| volumes.iter().map(|volume| volume.lv_name.as_str()))
        .collect();
    let staying = |volume: &Named| {
        let snapshots = group.mapped(&volume.lv_name)?.snapshots();
        snapshots.into_iter().find(|name| !going.contains(name.as_str()))
    };
    let (mut free, mut held) = (Vec::new(), Vec::new());
    for (tag, volumes) in owned {
        let mut of_it = Vec::new();
        for &volume in volumes {
            match staying(volume) {
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
    (free, held)
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
