use kdev_volumes_spec::Spec;

use crate::backend::{Backend, Made};
use crate::clock;
use crate::error::{Error, Result};
use crate::here::Here;
use crate::lease::Lease;
use crate::lvm::Shell;
use crate::owner::{Owner, OwnerTag};
use crate::request::Request;
use crate::session_id::SessionId;
use crate::source::Source;
use crate::state::{NewRecords, Phase, Record};

/// How often a session's name may be taken already.
const ATTEMPTS: usize = 16;

/// Takes a lease under a new name and writes the records, in one step that nobody can come between. LVM holds the
/// lease from then on, if it is waiting already.
pub(super) fn claim(
    pool: &Source,
    backend: &Backend,
    spec: &Spec,
    request: &Request,
    shell: Option<&Shell>,
) -> Result<(OwnerTag, Lease, Vec<Record>)> {
    let owner = Owner::myself()?;
    let here = Here::get()?;
    let state = pool.state();
    for _ in 0..ATTEMPTS {
        let tag = OwnerTag::new(SessionId::new()?, owner.clone());
        let mut lease = None;
        let mut new_records = Vec::new();
        let written = state.update(|records| {
            lease = Lease::take(state.dir(), &tag, backend.directory(), shell.map(Shell::lease))?;
            if lease.is_none() {
                return Ok(());
            }
            let new = NewRecords {
                tag: &tag,
                here,
                pool_name: pool.name(),
                vg_name: backend.vg_name(),
                kind: backend.kind(),
                request,
                allocated_at: clock::now(),
            };
            new_records = spec
                .volumes()
                .iter()
                .map(|volume| {
                    let lv_name = tag.session.lv_name(pool.lv_prefix(), volume.name());
                    let lv_path = backend.path_of(&lv_name);
                    new.record(lv_name, lv_path, volume)
                })
                .collect();
            records.extend(new_records.iter().cloned());
            Ok(())
        });
        match (written, lease) {
            (Ok(()), None) => {}
            (Ok(()), Some(lease)) => return Ok((tag, lease, new_records)),
            (Err(err), lease) => {
                // There are no records that need it. What stopped them is what is reported.
                let _ = lease.map(Lease::end);
                return Err(err);
            }
        }
    }
    let taken = std::io::Error::other("every name that was tried is taken");
    Err(Error::io("take a lease in", state.dir().leases(), taken))
}

/// Writes down that the volumes are there, and what they are; anew, if the records were lost meanwhile.
pub(super) fn confirm(pool: &Source, mut new: Vec<Record>, made: &[Made]) -> Result<Vec<Record>> {
    for (record, made) in new.iter_mut().zip(made) {
        record.phase = Phase::Active;
        record.lv_uuid.clone_from(&made.uuid);
        record.size_bytes = Some(made.size.get());
        record.lv_path.clone_from(&made.path);
    }
    pool.state().update(|records| {
        for record in &new {
            records.put(record.clone());
        }
        Ok(())
    })?;
    Ok(new)
}
