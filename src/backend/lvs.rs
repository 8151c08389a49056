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
pub(super) fn remove(group: &Group, volumes: &[&Named], tag: &OwnerTag) -> Result<Vec<Leftover>> {
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
            Leftover::held(
                volume,
                why.unwrap_or_else(|| "LVM removed it not, and said nothing".into()),
            )
        })
        .collect())
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
