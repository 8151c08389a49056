use std::env;
use std::time::Duration;

use crate::error::{Error, Result};
use crate::patience::Patience;
use crate::pool_names::Named;
use crate::pools_file::{self, PoolEntry};
use crate::source::{Chosen, Source};
use crate::state::State;
use crate::state_dir::StateDir;

/// Where volumes come from: an LVM volume group (VG) of ours, or loop devices if no pool is configured, or
/// image files where there are no rights. Or several VGs, of which each session takes one.
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
    /// As it was asked for.
    name: String,
    sources: Vec<Source>,
    state: State,
    /// `None`: as `KDEV_WAIT` says.
    patience: Option<Patience>,
}

/// The variable that names the pool.
pub(crate) const POOL_VARIABLE: &str = "KERNELDEV_DEVICE_POOL";

impl Pool {
    /// Takes the pool, or pools, that `KERNELDEV_DEVICE_POOL` names, as [`named`](Self::named) does; if it is
    /// unset, the embedded default.
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
                    expected: "names of pools, which `kdev pool list` shows; or `auto`, `embedded` or `images`",
                }),
            },
        }
    }

    /// Takes a pool that was set up with `kdev pool setup`; or, by their names `embedded` and `images`, one
    /// that needs no setup: see [`embedded`](Self::embedded) and [`images`](Self::images).
    ///
    /// Names that are separated by commas, such as `fast,sata`, are pools of which each session takes one:
    /// the one with the most room, and where one is full or its VG is gone, another. `auto` is all pools that
    /// are set up.
    ///
    /// ```no_run
    /// # use kdev_volumes::{Pool, Spec};
    /// let session = Pool::named("nvme")?.allocate(&Spec::fstests("10G".parse()?)?)?;
    /// let another = Pool::named("nvme,sata")?.allocate(&Spec::fstests("10G".parse()?)?)?;
    /// # Ok::<(), kdev_volumes::Error>(())
    /// ```
    ///
    /// # Errors
    ///
    /// As [`from_env`](Self::from_env); [`Error::PoolName`] for a list with `embedded`, `images` or `auto`
    /// in it, [`Error::NoPools`] for `auto` if none is set up.
    pub fn named(name: &str) -> Result<Self> {
        let named = Named::parse(name)?;
        let dir = match named {
            Named::Embedded => return Self::embedded(),
            Named::Images => return Self::images(),
            Named::Auto | Named::Pools(_) => StateDir::from_env()?,
        };
        let mut pools = pools_file::read(&dir)?;
        let state = State::new(dir);
        let entries: Vec<PoolEntry> = match named {
            Named::Pools(names) => {
                let known: Vec<String> = pools.keys().cloned().collect();
                let find = |name| {
                    let entry = pools.remove(name);
                    entry.ok_or_else(|| no_pool(name, state.dir(), known.iter()))
                };
                names.into_iter().map(find).collect::<Result<_>>()?
            }
            _ => pools.into_values().collect(),
        };
        if entries.is_empty() {
            let file = state.dir().pools_file();
            return Err(Error::NoPools { file });
        }
        let sources = entries.into_iter();
        let sources = sources.map(|entry| Source::of_entry(entry, state.clone()));
        Ok(Self {
            name: name.to_owned(),
            sources: sources.collect(),
            state,
            patience: None,
        })
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
        let state = State::new(StateDir::from_env()?);
        Ok(Self::of(Source::of_loops(chosen, state)))
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
        let state = State::new(StateDir::from_env()?);
        Ok(Self::of(Source::of_images(state)))
    }

    fn of(source: Source) -> Self {
        Self {
            name: source.name().to_owned(),
            state: source.state().clone(),
            sources: vec![source],
            patience: None,
        }
    }

    /// Waits for room for so long at most, whatever `KDEV_WAIT` says; not at all, if that is nothing.
    ///
    /// For who can do without, or holds what others wait for:
    ///
    /// ```no_run
    /// # use std::time::Duration;
    /// # use kdev_volumes::{Error, Pool, Spec};
    /// # let spec = Spec::fstests("10G".parse()?)?;
    /// let pool = Pool::from_env()?;
    /// let mut machines = vec![pool.allocate(&spec)?];
    /// // A second machine is welcome, but not worth a wait with the first one in hand.
    /// match pool.waiting_at_most(Duration::ZERO).allocate(&spec) {
    ///     Ok(session) => machines.push(session),
    ///     Err(Error::NoSpace { .. }) => {}
    ///     Err(err) => return Err(err),
    /// }
    /// # Ok::<(), Error>(())
    /// ```
    #[must_use]
    pub fn waiting_at_most(mut self, time: Duration) -> Self {
        self.patience = Some(Patience(Some(time)));
        self
    }

    /// Returns the pool's name, as it was asked for: `embedded` for the embedded default, `images` for image
    /// files, `auto` or a list for several.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Returns the pools of which each session takes one: at least one.
    pub(crate) fn sources(&self) -> &[Source] {
        &self.sources
    }

    pub(crate) fn state(&self) -> &State {
        &self.state
    }

    pub(crate) fn patience(&self) -> Option<Patience> {
        self.patience
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
