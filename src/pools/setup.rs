use std::path::{Path, PathBuf};

use kdev_volumes_spec::Bytes;
use serde_json::Map;

use crate::clock;
use crate::error::{Error, Result};
use crate::loops;
use crate::lvm::{self, Group, Promise};
use crate::pools::finish::{Finished, finish_interrupted};
use crate::pools::intent;
use crate::pools::new::{Medium, Names, NewPool, bad};
use crate::pools::on_device::Chosen;
use crate::pools::{PoolSummary, Pools, on_file};
use crate::pools_file::{self, Locked, LvmEntry, PoolEntry};

/// What setting a pool up would do.
///
/// ```no_run
/// # use kdev_volumes::pools::{Medium, NewPool, Pools};
/// # let medium = Medium::Device { path: "/dev/nvme1n1".into(), wipe: Some("/dev/nvme1n1".into()) };
/// # let new = NewPool { name: "default".into(), medium, vg_name: None, lv_prefix: None, clean: Default::default(), thin: None };
/// let preview = Pools::from_env()?.preview(&new)?;
/// for finding in &preview.overwritten {
///     println!("{} will lose this: {finding}", preview.device.display());
/// }
/// # Ok::<(), kdev_volumes::Error>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Preview {
    /// The device, or the file, that links lead to.
    pub device: PathBuf,
    /// Its size.
    pub size: Bytes,
    /// What is on it that would be overwritten, each as a sentence; nothing if it is blank.
    pub overwritten: Vec<String>,
    /// What would be done, in order, each as a sentence.
    pub steps: Vec<String>,
}

impl NewPool {
    /// Checks that this user may make such a pool here, and that this host can use it.
    fn check_host(&self) -> Result<()> {
        // Those for whom sudo asks LVM may ask, and change no disk.
        if !nix::unistd::geteuid().is_root() {
            return Err(Error::NotRoot { doing: "using LVM" });
        }
        lvm::check_host(self.thin.is_some())?;
        match self.medium {
            Medium::Device { .. } => Ok(()),
            Medium::File { .. } => loops::check_host(),
        }
    }

    fn promise(&self) -> Promise {
        Promise {
            clean: self.clean,
            thin: self.thin,
        }
    }
}

impl Pools {
    /// Makes a PV and a VG of a device that nobody uses, or of a new file, marked as ours.
    ///
    /// The device must be blank, unless [`Medium::Device`] says that it may be wiped. What is overwritten
    /// is saved in the state directory before, and written back if anything fails, or by the next who comes if
    /// this process dies over it; but if somebody else has used the device meanwhile, it is left to them.
    ///
    /// ```no_run
    /// # use kdev_volumes::Error;
    /// # use kdev_volumes::pools::{Medium, NewPool, Pools};
    /// # let medium = Medium::Device { path: "/dev/nvme1n1".into(), wipe: None };
    /// # let new = NewPool { name: "default".into(), medium, vg_name: None, lv_prefix: None, clean: Default::default(), thin: None };
    /// match Pools::from_env()?.setup(&new) {
    ///     Ok(pool) => println!("use it with `export KERNELDEV_DEVICE_POOL={}`", pool.name),
    ///     Err(Error::PoolExists { .. }) => {} // by an earlier run of this script
    ///     Err(err) => return Err(err),
    /// }
    /// # Ok::<(), Error>(())
    /// ```
    ///
    /// # Errors
    ///
    /// [`Error::Refused`] with all that speaks against the device or file;
    /// [`Error::PoolExists`], [`Error::PoolName`];
    /// [`Error::Unfinished`] if another change waits for its disk;
    /// [`Error::NotRoot`], [`Error::NotInstalled`],
    /// [`Error::NoDeviceMapper`], [`Error::NoUdev`],
    /// [`Error::NoThinPools`] or [`Error::NoLoop`], before anything is written; or what LVM said.
    pub fn setup(&self, new: &NewPool) -> Result<PoolSummary> {
        let names = new.names()?;
        // PVs and VGs can be made where no LV can ever be: such a pool must not come to be.
        new.check_host()?;
        // Nothing is checked against a name that may mean another disk a moment later.
        let target = Target::find(&new.medium)?;
        // All that can be refused is refused before anything is written, a directory of ours included;
        // but what somebody died over comes first.
        match finish_interrupted(self.state.dir())? {
            Some(Finished::Setup(entry)) if target.is_of(&entry, &names) => return Ok(entry.into()),
            _ => {}
        }
        let entry = target.entry(&names, new.thin.is_some());
        let promise = new.promise();
        match target {
            Target::Device { chosen, wipe, .. } => {
                self.check_names(&names)?;
                let looked = chosen.look(wipe.as_deref())?;
                let pools = self.locked(&names)?;
                looked.set_up(&pools, &entry, promise)?;
            }
            Target::File { path, size } => {
                self.check_names(&names)?;
                on_file::check(&path, size)?;
                let pools = self.locked(&names)?;
                on_file::set_up(&pools, &entry, &path, size, promise)?;
            }
        }
        Ok(entry.into())
    }

    /// Tells what [`setup`](Self::setup) would do, and refuses what it would refuse. Writes nothing.
    ///
    /// ```no_run
    /// # use kdev_volumes::pools::{Medium, NewPool, Pools};
    /// # let medium = Medium::File { path: "/var/lib/pool.img".into(), size: "20G".parse().unwrap() };
    /// # let new = NewPool { name: "default".into(), medium, vg_name: None, lv_prefix: None, clean: Default::default(), thin: None };
    /// println!("{}", Pools::from_env()?.preview(&new)?.steps.join("\n"));
    /// # Ok::<(), kdev_volumes::Error>(())
    /// ```
    ///
    /// # Errors
    ///
    /// As [`setup`](Self::setup), for what can be known without doing it.
    pub fn preview(&self, new: &NewPool) -> Result<Preview> {
        let names = new.names()?;
        new.check_host()?;
        let target = Target::find(&new.medium)?;
        intent::check_none(self.state.dir())?;
        self.check_names(&names)?;
        let (device, size, overwritten) = match &target {
            Target::Device { chosen, wipe, .. } => {
                let looked = chosen.look(wipe.as_deref())?;
                (looked.seen.device.clone(), looked.seen.size, looked.overwritten)
            }
            Target::File { path, size } => {
                on_file::check(path, *size)?;
                (path.clone(), *size, Vec::new())
            }
        };
        let mut steps = Vec::new();
        match &target {
            Target::Device { .. } => {
                let saved = self.state.dir().saved_file();
                steps.push(format!(
                    "save what will be overwritten, in {}, until the pool is set up",
                    saved.display()
                ));
                if !overwritten.is_empty() {
                    steps.push(
                        "overwrite what is on it with zeros, and have the kernel forget its partitions"
                            .to_owned(),
                    );
                }
            }
            Target::File { .. } => {
                steps.push(format!("make the sparse file, of {size}, for root only"));
                steps.push("attach it to a loop device".to_owned());
            }
        }
        steps.push(format!(
            "make a PV, and on it the VG `{}` with the tag `{}`",
            names.vg,
            lvm::POOL_TAG
        ));
        if let Some(overcommit) = new.thin {
            steps.push(format!(
                "make a thin pool of all its room, which gives out at most {overcommit} times that"
            ));
        }
        let file = self.state.dir().pools_file();
        steps.push(format!(
            "write the pool `{}` down in {}",
            names.pool,
            file.display()
        ));
        Ok(Preview {
            device,
            size,
            overwritten,
            steps,
        })
    }

    fn check_names(&self, names: &Names) -> Result<()> {
        names.check_against(&pools_file::read(self.state.dir())?)?;
        match Group::exists(&names.vg)? {
            true => Err(bad(
                "VG name",
                &names.vg,
                "there is a VG of that name already; see `vgs`",
            )),
            false => Ok(()),
        }
    }

    fn locked(&self, names: &Names) -> Result<Locked> {
        let pools = Locked::wait(self.state.dir())?;
        names.check_against(&pools.read()?)?;
        Ok(pools)
    }
}

/// What a pool is to be made of, by the names that are written down.
enum Target {
    Device { chosen: Chosen, wipe: Option<PathBuf> },
    File { path: PathBuf, size: Bytes },
}

impl Target {
    fn find(medium: &Medium) -> Result<Self> {
        Ok(match medium {
            Medium::Device { path, wipe } => Self::Device {
                chosen: Chosen::find(path)?,
                wipe: wipe.clone(),
            },
            Medium::File { path, size } => Self::File {
                path: on_file::absolute(path)?,
                size: *size,
            },
        })
    }

    fn entry(&self, names: &Names, thin_provisioning: bool) -> PoolEntry {
        let device = match self {
            Self::Device { chosen, .. } => &chosen.stable,
            Self::File { path, .. } => path,
        };
        PoolEntry {
            pool_name: names.pool.clone(),
            device: device.display().to_string(),
            created_at: clock::now(),
            created_by: user_name(),
            lvm_config: LvmEntry {
                // What kerneldev-mcp would write if it had been given this name.
                pv: device.display().to_string(),
                vg_name: names.vg.clone(),
                lv_prefix: names.lv_prefix.clone(),
                thin_provisioning,
                others: Map::new(),
            },
            others: Map::new(),
        }
    }

    fn is_of(&self, entry: &PoolEntry, names: &Names) -> bool {
        let pv = Path::new(&entry.lvm_config.pv);
        let is_same = match self {
            Self::Device { chosen, .. } => chosen.is(pv),
            Self::File { path, .. } => pv == path,
        };
        is_same && entry.pool_name == names.pool && entry.lvm_config.vg_name == names.vg
    }
}

fn user_name() -> String {
    let uid = nix::unistd::getuid();
    let user = nix::unistd::User::from_uid(uid).ok().flatten();
    user.map_or_else(|| uid.to_string(), |user| user.name)
}
