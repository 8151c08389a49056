//! Changing single volumes: what the command `kdev volume` does.

use std::collections::BTreeMap;
use std::env;
use std::fs;
use std::os::unix::fs::{FileTypeExt, MetadataExt};
use std::path::{Path, PathBuf};

use kdev_volumes_spec::Bytes;

use crate::alter::{self, Altering, refused};
use crate::error::{Error, Result};
use crate::lock::FileLock;
use crate::lvm::Activation;
use crate::pools::{Cleaned, Pools, StuckVolume};
use crate::reap::{self, Entry, Presence, Survey, Verdict, Wish, places, survey};
use crate::session::SESSION_VARIABLE;
use crate::session_id::SessionId;
use crate::state::Kind;
use crate::test_dev::Identity;
use crate::trust;

/// A snapshot that was made of a volume.
///
/// ```no_run
/// # use kdev_volumes::pools::Pools;
/// let kept = "kdev-20261122150854-e705a0-test";
/// let snapshot = Pools::from_env()?.snapshot_volume(kept, "before")?;
/// println!("{} of {}", snapshot.path.display(), snapshot.size);
/// # Ok::<(), kdev_volumes::Error>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct NewSnapshot {
    /// The name of the LV.
    pub lv_name: String,
    /// The path of the device, or of the image.
    pub path: PathBuf,
    /// The size.
    pub size: Bytes,
}

impl Pools {
    /// Gives a volume another size, rounded up, and returns it: a kept volume, or one of the session that the
    /// environment speaks of (`KDEV_SESSION`), as in a program that a test has started.
    ///
    /// A volume is named by its LV or by its path; and a path means what the kernel and the books say of it. As
    /// [`Volume::resize`](crate::Volume::resize), but loop devices only their own tests can resize.
    ///
    /// ```no_run
    /// # use kdev_volumes::pools::Pools;
    /// let size = Pools::from_env()?.resize_volume("kdev-20261122150854-e705a0-test", "20G".parse()?)?;
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    ///
    /// [`Error::NoVolume`], [`Error::NotOurs`]; [`Error::NotAltered`] if it is another's, with whose it is, or if it
    /// cannot be done now; [`Error::NoSpace`].
    pub fn resize_volume(&self, volume: &str, size: Bytes) -> Result<Bytes> {
        self.alter(volume, "resized", |on, entry| {
            alter::resize(on, &entry.named(), None, size)
        })
    }

    /// Makes a snapshot, as [`Volume::snapshot`](crate::Volume::snapshot) does: kept, if the volume is kept.
    ///
    /// Which volumes it may be, and how they are named, is as in [`resize_volume`](Self::resize_volume).
    ///
    /// ```no_run
    /// # use kdev_volumes::pools::Pools;
    /// let before = Pools::from_env()?.snapshot_volume("kdev-20261122150854-e705a0-test", "before")?;
    /// # Ok::<(), kdev_volumes::Error>(())
    /// ```
    ///
    /// # Errors
    ///
    /// As [`resize_volume`](Self::resize_volume), and [`Error::Spec`] for a name that no volume can have.
    pub fn snapshot_volume(&self, volume: &str, name: &str) -> Result<NewSnapshot> {
        let done = "given a snapshot";
        self.alter(volume, done, |on, entry| {
            let Some(record) = &entry.record else {
                let why = "no record tells of it (`kdev pool cleanup` writes one)";
                return Err(refused(&entry.lv_name, done, why));
            };
            let mut record = record.clone();
            record.size_bytes = entry.size.map(Bytes::get);
            let made = alter::snapshot(on, &record, None, name)?.made;
            Ok(NewSnapshot {
                lv_name: made.lv_name,
                path: made.path,
                size: made.size,
            })
        })
    }

    /// Removes volumes that are kept, or that dead processes left; all of them may go, or none is touched.
    ///
    /// With the last one of a session its lease goes too. Volumes are named as in
    /// [`resize_volume`](Self::resize_volume).
    ///
    /// ```no_run
    /// # use kdev_volumes::pools::Pools;
    /// let removed = Pools::from_env()?.remove_volumes(&["/dev/mapper/vg-kdev--20261122150854--e705a0--test"])?;
    /// # Ok::<(), kdev_volumes::Error>(())
    /// ```
    ///
    /// # Errors
    ///
    /// [`Error::NoVolume`], [`Error::NotOurs`]; [`Error::NotAltered`] for one whose owner is not proved dead, with
    /// who that is, and to an ordinary user for another's LV. What could not be removed is in [`Cleaned::stuck`].
    pub fn remove_volumes(&self, volumes: &[impl AsRef<str>]) -> Result<Cleaned> {
        let mut survey = self.survey_all()?;
        let mut names = Vec::new();
        for volume in volumes {
            let entry = find(&mut survey, volume.as_ref())?;
            match entry.verdict {
                Verdict::Kept | Verdict::Dead if entry.is_anothers() => {
                    return Err(refused(&entry.lv_name, "removed", entry.whose_it_is()));
                }
                Verdict::Kept | Verdict::Dead => names.push(entry.lv_name.clone()),
                Verdict::Alive | Verdict::Unknown(_) => {
                    return Err(refused(&entry.lv_name, "removed", whose(entry)));
                }
            }
        }
        // What was found dead is held until the survey goes, and would seem to live.
        drop(survey);
        let wish = Wish::Named(names.clone());
        let reaped = reap::cleanup(&self.state, None, &wish, &mut |_, _| {})?;
        let gone = reaped.removed.iter().chain(&reaped.forgotten);
        let gone: Vec<&String> = gone.collect();
        let is_done = names.iter().all(|name| gone.contains(&name));
        Ok(Cleaned {
            // Another pool that cannot be looked at is none of theirs.
            failures: if is_done { Vec::new() } else { reaped.failures },
            removed: reaped.removed,
            forgotten: reaped.forgotten,
            not_started: Vec::new(),
            stuck: reaped.left.into_iter().map(StuckVolume::from).collect(),
        })
    }

    fn alter<R>(
        &self,
        volume: &str,
        done: &'static str,
        alter: impl FnOnce(&Altering<'_>, &Entry) -> Result<R>,
    ) -> Result<R> {
        // Nobody removes what is kept meanwhile.
        let lock = self.state.dir().reaper_lock();
        self.state.dir().create()?;
        let _lock = FileLock::wait(&lock).map_err(|err| trust::error("lock", lock, err))?;
        let mut survey = self.survey_all()?;
        let entry = find(&mut survey, volume)?.clone();
        let is_mine = session_of_env().as_ref() == Some(&entry.tag.session);
        match entry.verdict {
            Verdict::Kept => {}
            Verdict::Alive if is_mine => {}
            Verdict::Alive | Verdict::Dead | Verdict::Unknown(_) => {
                return Err(refused(&entry.lv_name, done, whose(&entry)));
            }
        }
        if entry.activation == Some(Activation::Inactive) {
            let why = match entry.verdict {
                Verdict::Kept => "it is not active (`kdev pool start` activates kept volumes)".to_owned(),
                _ => format!(
                    "it is not active (`lvchange --activate y {}/{}`)",
                    entry.vg_name, entry.lv_name
                ),
            };
            return Err(refused(&entry.lv_name, done, why));
        }
        let Some(backend) = survey.backends.of(entry.kind, &entry.vg_name) else {
            let why = format!("VG `{}` cannot be looked at", entry.vg_name);
            return Err(refused(&entry.lv_name, done, why));
        };
        let on = Altering {
            state: &self.state,
            backend: &backend,
            tag: &entry.tag,
            lease: survey.leases.get(&entry.tag.session),
        };
        alter(&on, &entry)
    }

    fn survey_all(&self) -> Result<Survey> {
        survey(&self.state, &places(&self.state, None)?, BTreeMap::new())
    }
}

fn session_of_env() -> Option<SessionId> {
    SessionId::parse(&env::var(SESSION_VARIABLE).ok()?)
}

/// Why a volume is none that may be changed.
fn whose(entry: &Entry) -> String {
    let record = entry.record.as_ref();
    let test = record.and_then(|record| record.test.as_deref());
    let test = test.map_or_else(|| "a session".to_owned(), |test| format!("`{test}`"));
    let pid = entry.tag.owner.pid;
    match entry.verdict {
        Verdict::Alive => format!("it is held by {test} (pid {pid}), which runs (wait for that)"),
        Verdict::Dead => {
            "its owner is dead, and nothing keeps it (`kdev pool cleanup` removes it)".to_owned()
        }
        Verdict::Unknown(doubt) => format!("nothing proves that its owner, pid {pid}, is dead: {doubt}"),
        Verdict::Kept => "it is kept".to_owned(),
    }
}

/// Finds a volume by the name of its LV, or by a path that leads to it.
fn find<'a>(survey: &'a mut Survey, volume: &str) -> Result<&'a Entry> {
    let no_volume = || Error::NoVolume {
        volume: volume.to_owned(),
    };
    if let Some(at) = inactive_at(survey, Path::new(volume)) {
        return Ok(&survey.entries[at]);
    }
    let identity = match volume.contains('/') {
        true => Some(identity(survey, Path::new(volume))?.ok_or_else(no_volume)?),
        false => None,
    };
    let lv_name = identity
        .as_ref()
        .map_or(volume, |identity| identity.lv_name.as_str());
    let is_it = |entry: &&Entry| {
        let is_named = entry.lv_name == lv_name && entry.presence == Presence::There;
        is_named && identity.as_ref().is_none_or(|identity| is_of(entry, identity))
    };
    if let Some(at) = survey.entries.iter().position(|entry| is_it(&entry)) {
        return Ok(&survey.entries[at]);
    }
    // Its record is all that is known of it.
    let is_unseen = |entry: &&Entry| entry.lv_name == lv_name && entry.presence == Presence::Unseen;
    if let Some(entry) = survey.entries.iter().find(is_unseen) {
        let of_it = survey
            .unseen
            .iter()
            .position(|(vg_name, _)| *vg_name == entry.vg_name);
        if let Some(at) = of_it {
            return Err(survey.unseen.swap_remove(at).1);
        }
    }
    let is_foreign = |(vg_name, lv): &&(String, crate::lvm::Lv)| {
        lv.name == lv_name
            && identity
                .as_ref()
                .is_none_or(|identity| identity.vg_name == *vg_name)
    };
    match survey.foreign.iter().find(is_foreign) {
        Some((vg_name, lv)) => Err(Error::NotOurs {
            what: format!("LV `{vg_name}/{}`", lv.name),
            why: "it has not the tag of an owner".to_owned(),
        }),
        None => Err(no_volume()),
    }
}

/// Finds the LV that LVM would show at a path where nothing is, since it is not active.
fn inactive_at(survey: &Survey, path: &Path) -> Option<usize> {
    if !path.is_absolute() || fs::symlink_metadata(path).is_ok() {
        return None;
    }
    survey.entries.iter().position(|entry| {
        let is_inactive = entry.presence == Presence::There && entry.activation == Some(Activation::Inactive);
        let link = Path::new("/dev").join(&entry.vg_name).join(&entry.lv_name);
        is_inactive && (entry.path == path || link == path)
    })
}

fn is_of(entry: &Entry, identity: &Identity) -> bool {
    entry.vg_name == identity.vg_name
        && match entry.kind {
            Kind::Lvm => entry.uuid == identity.uuid,
            Kind::Loop => identity.file.is_none(),
            Kind::Image => identity.file.is_some(),
        }
}

/// Asks the kernel, and of a file the books, which volume is at a path.
fn identity(survey: &Survey, path: &Path) -> Result<Option<Identity>> {
    let failed = |err| Error::io("look at", path, err);
    let Ok(meta) = fs::metadata(path) else {
        return Ok(None);
    };
    if meta.file_type().is_block_device() {
        return Identity::at(path, meta.rdev()).map_err(failed);
    }
    let images = survey.entries.iter().filter(|entry| entry.kind == Kind::Image);
    for image in images {
        let found = Identity::of_image(&image.path, &image.lv_name).map_err(failed)?;
        match found {
            Some((identity, _)) if identity.file == Some((meta.dev(), meta.ino())) => {
                return Ok(Some(identity));
            }
            _ => {}
        }
    }
    Ok(None)
}
