//! Whether a device that somebody names is a volume of the session that the environment speaks of.

use std::env;
use std::fs;
use std::io::ErrorKind;
use std::os::unix::fs::{FileTypeExt, MetadataExt};
use std::path::Path;

use kdev_volumes_spec::Bytes;

use crate::error::Error;
use crate::here::Here;
use crate::lease::Lease;
use crate::liveness::{Liveness, liveness};
use crate::lvm::{Group, Lv};
use crate::mounts::text_of;
use crate::owner::Owner;
use crate::process::Process;
use crate::session::SESSION_VARIABLE;
use crate::session_id::SessionId;
use crate::state::{Phase, State};
use crate::state_dir::StateDir;
use crate::test_dev::identity::{Identity, size_of};

/// Why nothing is proved.
#[derive(Debug)]
pub(crate) enum Unproved {
    /// This speaks against it.
    Because(String),
    /// One of the witnesses could not be asked.
    Failed(Error),
}

/// Proves by the kernel's word which volume a device is, by the books whose that is, and that its test
/// still runs.
pub(crate) fn prove(path: &Path) -> Result<(Identity, Bytes), Unproved> {
    let session = session_of_env()?;
    let number = block_device(path)?;
    let identity = Identity::at(path, number).map_err(|err| Error::io("look at", path, err))?;
    let (Some(identity), Some(size)) = (identity, size_of(number)) else {
        return because(format!(
            "the kernel knows device {} as no LV and no loop device of a test's (was it given back?)",
            text_of(number)
        ));
    };
    match SessionId::of_lv(&identity.lv_name) {
        Some(its) if its == session => {}
        Some(its) => {
            return because(format!(
                "it is a volume of session {its}, and `{SESSION_VARIABLE}` says {session}"
            ));
        }
        None => {
            return because(format!(
                "the kernel knows it as `{}`, which is no volume's name",
                identity.lv_name
            ));
        }
    }
    let state = State::new(StateDir::from_env()?);
    let owner = owner(&state, &identity, &session)?;
    let (lease, _) = Lease::probe(state.dir(), &session);
    match liveness(&owner, lease, Here::get()?, Process::find) {
        Liveness::Alive => Ok((identity, size)),
        Liveness::Dead => because("its test has ended, or has kept it and let go of it"),
        Liveness::Unknown(doubt) => because(format!("nothing proves that its test still runs: {doubt}")),
    }
}

fn because<T>(why: impl Into<String>) -> Result<T, Unproved> {
    Err(Unproved::Because(why.into()))
}

fn session_of_env() -> Result<SessionId, Unproved> {
    let Some(value) = env::var_os(SESSION_VARIABLE).filter(|value| !value.is_empty()) else {
        return because(format!(
            "`{SESSION_VARIABLE}` is not set, as it is beside every device of a test's own (pass on all of `Session::envs`)"
        ));
    };
    match value.to_str().and_then(SessionId::parse) {
        Some(session) => Ok(session),
        None => because(format!(
            "`{SESSION_VARIABLE}={}` names no session",
            value.to_string_lossy()
        )),
    }
}

fn block_device(path: &Path) -> Result<u64, Unproved> {
    match fs::metadata(path) {
        Ok(meta) if meta.file_type().is_block_device() => Ok(meta.rdev()),
        Ok(_) => because("it is no block device"),
        Err(err) if err.kind() == ErrorKind::NotFound => {
            because("there is no such file (was it given back?)")
        }
        Err(err) => Err(Error::io("look at", path, err).into()),
    }
}

/// Finds whose the volume is: by its record, and only if there is none by the VG's or the lease's tag.
fn owner(state: &State, identity: &Identity, session: &SessionId) -> Result<Owner, Unproved> {
    let Identity {
        lv_name,
        vg_name,
        uuid,
    } = identity;
    let records = state.snapshot()?;
    if let Some(record) = records.iter().find(|record| record.lv_name == *lv_name) {
        let is_this = record.vg_name == *vg_name && (record.lv_uuid.is_none() || record.lv_uuid == *uuid);
        return match record.phase {
            _ if !is_this => because(format!("it is not the `{lv_name}` that is on record")),
            Phase::Removing => because(format!("volume `{lv_name}` is being given back")),
            Phase::Creating | Phase::Active => Ok(record.owner()),
        };
    }
    let tag = match vg_name.as_str() {
        "" => Lease::tag(state.dir(), session),
        _ => {
            let lvs = match Group::open(vg_name).and_then(|(group, _)| group.volumes()) {
                Err(err @ Error::NotOurs { .. }) => return because(err.chain()),
                lvs => lvs?,
            };
            let is_this = |lv: &&Lv| lv.name == *lv_name && Some(&lv.uuid) == uuid.as_ref();
            lvs.iter().find(is_this).and_then(Lv::owner)
        }
    };
    match tag {
        Some(tag) => Ok(tag.owner),
        None => because(format!(
            "it has a volume's name, `{lv_name}`, but neither a record in `{}` nor a tag says that it is one",
            state.dir().root().display()
        )),
    }
}

impl From<Error> for Unproved {
    fn from(err: Error) -> Self {
        Self::Failed(err)
    }
}
