//! Whether a device that somebody names is a volume of the session that the environment speaks of.

use std::env;
use std::fs;
use std::io::ErrorKind;
use std::os::unix::fs::{FileTypeExt, MetadataExt};
use std::path::Path;

use kdev_volumes_spec::Bytes;

use crate::error::Error;
use crate::here::Here;
use crate::images;
use crate::lease::Lease;
use crate::liveness::{Liveness, liveness};
use crate::lvm::{Group, Lv};
use crate::mounts::text_of;
use crate::owner::Owner;
use crate::process::Process;
use crate::session::SESSION_VARIABLE;
use crate::session_id::SessionId;
use crate::state::{Kind, Phase, State};
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
    let state = State::new(StateDir::from_env()?);
    let (identity, size) = match kind_of(path)? {
        Named::Device(number) => device(path, number)?,
        Named::File(numbers) => image(&state, &session, numbers)?,
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

/// What a path names, by the kernel's numbers.
enum Named {
    Device(u64),
    /// A regular file: its file system, and itself.
    File((u64, u64)),
}

fn kind_of(path: &Path) -> Result<Named, Unproved> {
    match fs::metadata(path) {
        Ok(meta) if meta.file_type().is_block_device() => Ok(Named::Device(meta.rdev())),
        Ok(meta) if meta.is_file() => Ok(Named::File((meta.dev(), meta.ino()))),
        Ok(_) => because("it is no block device"),
        Err(err) if err.kind() == ErrorKind::NotFound => {
            because("there is no such file (was it given back?)")
        }
        Err(err) => Err(Error::io("look at", path, err).into()),
    }
}

fn device(path: &Path, number: u64) -> Result<(Identity, Bytes), Unproved> {
    let identity = Identity::at(path, number).map_err(|err| Error::io("look at", path, err))?;
    match (identity, size_of(number)) {
        (Some(identity), Some(size)) => Ok((identity, size)),
        _ => because(format!(
            "the kernel knows device {} as no LV and no loop device of a test's (was it given back?)",
            text_of(number)
        )),
    }
}

/// A file says nothing of itself: it is an image of the session's only if a record speaks of that very file,
/// or the lease of the directory that it is in.
fn image(state: &State, session: &SessionId, numbers: (u64, u64)) -> Result<(Identity, Bytes), Unproved> {
    let records = state.snapshot()?;
    let recorded = records.iter().filter(|record| record.kind == Kind::Image);
    let recorded = recorded.map(|record| (record.lv_path.clone(), record.lv_name.clone()));
    let directory = Lease::images(state.dir(), session);
    // One that cannot be looked at proves nothing.
    let found = directory.and_then(|directory| images::in_directory(&directory).ok());
    let found = found
        .into_iter()
        .flatten()
        .map(|image| (image.path, image.lv_name));
    for (path, lv_name) in recorded.chain(found) {
        if SessionId::of_lv(&lv_name).as_ref() != Some(session) {
            continue;
        }
        let image = Identity::of_image(&path, &lv_name).map_err(|err| Error::io("look at", &path, err))?;
        if let Some(image) = image.filter(|(identity, _)| identity.file == Some(numbers)) {
            return Ok(image);
        }
    }
    because(format!(
        "it is no block device but a file, and no image of session {session} in `{}`",
        state.dir().root().display()
    ))
}

/// Finds whose the volume is: by its record, and only if there is none by the VG's or the lease's tag.
fn owner(state: &State, identity: &Identity, session: &SessionId) -> Result<Owner, Unproved> {
    let Identity {
        lv_name,
        vg_name,
        uuid,
        ..
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
