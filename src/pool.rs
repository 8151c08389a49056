use std::env;
use std::sync::Once;

use kdev_volumes_spec::Bytes;

use crate::backend::Backend;
use crate::error::{Error, Result};
use crate::images::ImageDir;
use crate::loops::LoopDir;
use crate::lvm::Group;
use crate::pools_file::{self, DEFAULT_PREFIX, PoolEntry};
use crate::state::State;
use crate::state_dir::StateDir;

/// Where volumes come from: an LVM volume group (VG) of ours, or loop devices if no pool is configured, or
/// image files where there are no rights.
///
/// ```no_run
/// # use kdev_volumes::{Pool, Spec, VolumeSpec};
/// let spec = Spec::new([VolumeSpec::new("test", "10G".parse()?)?])?;
/// let session = Pool::from_env()?.allocate(&spec)?;
/// println!("{}", session.volumes()[0].path().display());
/// session.close()?;
/// # Ok::<(), kdev_volumes::Error>(())
/// ```
#[derive(Clone, Debug)]
pub struct Pool {
    name: String,
    source: Source,
    state: State,
}

#[derive(Clone, Debug)]
enum Source {
    Lvm(PoolEntry),
    Loop { dir: LoopDir, chosen: Chosen },
    Image(ImageDir),
}

/// Whether somebody has asked for these volumes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Chosen {
    ByName,
    /// Nobody has named a pool.
    ByDefault,
}

/// What volumes are made with, and what it can hold.
pub(crate) struct Opened {
    pub(crate) backend: Backend,
    /// What sizes are rounded up to.
    pub(crate) unit: Bytes,
    /// The room left; `None` if only making the volumes tells.
    pub(crate) free: Option<Bytes>,
}

/// The variable that names the pool.
const POOL_VARIABLE: &str = "KERNELDEV_DEVICE_POOL";

/// The name under which the embedded default's volumes are on record, and by which it can be had.
pub(crate) const EMBEDDED: &str = "embedded";

/// The same for images.
pub(crate) const IMAGES: &str = "images";

/// Tells whether a name stands for volumes that need no pool to be set up.
pub(crate) fn is_reserved(name: &str) -> bool {
    [EMBEDDED, IMAGES].contains(&name)
}

impl Pool {
    /// Takes the pool that `KERNELDEV_DEVICE_POOL` names, as [`named`](Self::named) does; if it is unset, the
    /// embedded default.
    ///
    /// ```no_run
    /// # use kdev_volumes::Pool;
    /// let pool = Pool::from_env()?;
    /// println!("volumes come from `{}`", pool.name());
    /// # Ok::<(), kdev_volumes::Error>(())
    /// ```
    ///
    /// # Errors
    ///
    /// [`Error::NoPool`] if the pool is not set up, [`Error::Io`] and [`Error::BadPools`] if the file
    /// of pools cannot be read. That a pool is configured does not mean that its VG is there;
    /// [`allocate`](Self::allocate) finds out.
    pub fn from_env() -> Result<Self> {
        match env::var_os(POOL_VARIABLE).filter(|name| !name.is_empty()) {
            None => Self::of_loops(Chosen::ByDefault),
            Some(name) => match name.to_str() {
                Some(name) => Self::named(name),
                None => Err(Error::Variable {
                    variable: POOL_VARIABLE,
                    value: name.to_string_lossy().into_owned(),
                    expected: "the name of a pool, which `kdev pool list` shows; or `embedded` or `images`",
                }),
            },
        }
    }

    /// Takes a pool that was set up with `kdev pool setup`; or, by their names `embedded` and `images`, one
    /// that needs no setup: see [`embedded`](Self::embedded) and [`images`](Self::images).
    ///
    /// ```no_run
    /// # use kdev_volumes::{Pool, Spec};
    /// let session = Pool::named("nvme")?.allocate(&Spec::fstests("10G".parse()?)?)?;
    /// # Ok::<(), kdev_volumes::Error>(())
    /// ```
    ///
    /// # Errors
    ///
    /// As [`from_env`](Self::from_env).
    pub fn named(name: &str) -> Result<Self> {
        match name {
            EMBEDDED => return Self::embedded(),
            IMAGES => return Self::images(),
            _ => {}
        }
        let dir = StateDir::from_env()?;
        let mut pools = pools_file::read(&dir)?;
        match pools.remove(name) {
            Some(entry) => Ok(Self::of_entry(entry, State::new(dir))),
            None => Err(no_pool(name, &dir, pools.keys())),
        }
    }

    /// Takes the embedded default: loop devices over files without a name in `$TMPDIR`, else `/var/tmp`.
    ///
    /// They are root's. What wants a block device is never given a file instead: for that, ask for
    /// [`images`](Self::images).
    ///
    /// ```no_run
    /// # use kdev_volumes::Pool;
    /// let pool = Pool::embedded()?; // whatever KERNELDEV_DEVICE_POOL says
    /// assert_eq!(pool.name(), "embedded");
    /// # Ok::<(), kdev_volumes::Error>(())
    /// ```
    ///
    /// # Errors
    ///
    /// [`Error::NoHome`] if there is no place for the records.
    pub fn embedded() -> Result<Self> {
        Self::of_loops(Chosen::ByName)
    }

    fn of_loops(chosen: Chosen) -> Result<Self> {
        let dir = LoopDir::from_env();
        Ok(Self {
            name: EMBEDDED.to_owned(),
            source: Source::Loop { dir, chosen },
            state: State::new(StateDir::from_env()?),
        })
    }

    /// Takes image files: sparse files in a directory of this user's own, `kdev-images-UID` in `$TMPDIR`, else
    /// in `/var/tmp`.
    ///
    /// They need no rights, and are enough for mkfs, fsck, FUSE and the disks of virtual machines. They are
    /// no block devices: mounting one needs root, as ever, and is done through a loop device.
    ///
    /// ```no_run
    /// # use std::process::Command;
    /// # use kdev_volumes::{Pool, Spec, VolumeSpec};
    /// let spec = Spec::new([VolumeSpec::new("disk", "1G".parse()?)?.with_mkfs("ext4")?])?;
    /// let session = Pool::images()?.allocate(&spec)?; // whatever KERNELDEV_DEVICE_POOL says
    /// let disk = session.volumes()[0].path();
    /// assert!(Command::new("e2fsck").arg("-fn").arg(disk).status()?.success());
    /// session.close()?;
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    ///
    /// [`Error::NoHome`] if there is no place for the records.
    pub fn images() -> Result<Self> {
        Ok(Self {
            name: IMAGES.to_owned(),
            source: Source::Image(ImageDir::from_env()),
            state: State::new(StateDir::from_env()?),
        })
    }

    pub(crate) fn of_entry(entry: PoolEntry, state: State) -> Self {
        Self {
            name: entry.pool_name.clone(),
            source: Source::Lvm(entry),
            state,
        }
    }

    /// Returns the pool's name; `embedded` for the embedded default, `images` for image files.
    pub fn name(&self) -> &str {
        &self.name
    }

    pub(crate) fn state(&self) -> &State {
        &self.state
    }

    pub(crate) fn lv_prefix(&self) -> &str {
        match &self.source {
            Source::Lvm(entry) => &entry.lvm_config.lv_prefix,
            Source::Loop { .. } | Source::Image(_) => DEFAULT_PREFIX,
        }
    }

    /// Makes sure that volumes can be made here, before anything is written down.
    pub(crate) fn open(&self) -> Result<Opened> {
        match &self.source {
            Source::Lvm(entry) => {
                let opened = Group::open(&entry.lvm_config.vg_name);
                let (group, room) = opened.map_err(|err| entry.why_missing(err))?;
                Ok(Opened {
                    backend: Backend::Lvm(group),
                    unit: room.extent,
                    free: Some(room.free),
                })
            }
            Source::Loop { dir, chosen } => {
                if *chosen == Chosen::ByDefault {
                    say_once_that_this_is_the_default(dir);
                }
                Ok(Opened {
                    backend: Backend::Loop(dir.clone()),
                    // The page: the kernel takes no other direct I/O to a file on some disks.
                    unit: Bytes::new(4096),
                    free: None,
                })
            }
            Source::Image(dir) => Ok(Opened {
                backend: Backend::Image(dir.clone()),
                // As for loop devices, which somebody may want to make of them.
                unit: Bytes::new(4096),
                free: None,
            }),
        }
    }

    /// Makes the error for a request that is larger than the room, and says who has the rest.
    pub(crate) fn no_space(&self, free: Bytes, want: Bytes) -> Error {
        let records = self.state.snapshot().unwrap_or_default();
        let held = records
            .iter()
            .filter(|record| record.pool_name == self.name)
            .map(|record| {
                let size = Bytes::new(record.size_bytes.unwrap_or(0));
                let test = record.test.as_deref().unwrap_or("unknown test");
                let attempt = record.attempt.filter(|&attempt| attempt > 1);
                let attempt = attempt.map_or(String::new(), |attempt| format!(", attempt {attempt}"));
                let kept = if record.kept.is_some() { ", kept" } else { "" };
                format!("{size} by `{test}` (pid {}{attempt}{kept})", record.pid)
            });
        let held: Vec<String> = held.collect();
        let holders = if held.is_empty() {
            String::new()
        } else {
            format!("; held: {}", held.join(", "))
        };
        Error::NoSpace {
            pool: self.name.clone(),
            free,
            want,
            holders,
        }
    }
}

pub(crate) fn no_pool<'a>(name: &str, dir: &StateDir, known: impl Iterator<Item = &'a String>) -> Error {
    let known: Vec<String> = known.map(|name| format!("`{name}`")).collect();
    let known = if known.is_empty() {
        "none".to_owned()
    } else {
        known.join(", ")
    };
    Error::NoPool {
        pool: name.to_owned(),
        file: dir.pools_file(),
        known,
    }
}

/// A developer who forgot to name a pool should learn it from the first test, not from a full disk.
fn say_once_that_this_is_the_default(dir: &LoopDir) {
    static SAID: Once = Once::new();
    SAID.call_once(|| {
        eprintln!(
            "kdev: {POOL_VARIABLE} is not set, so volumes are loop devices over sparse files in `{}` (`kdev pool setup --help` tells of real ones)",
            dir.path().display()
        );
    });
}
