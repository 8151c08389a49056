//! What a timer is made for: this program, this state directory, and this user's rights.

use std::env;
use std::os::unix::fs::MetadataExt;
use std::path::Path;

use crate::error::{Error, Result};
use crate::pool::no_pool;
use crate::pool_names::{EMBEDDED, IMAGES};
use crate::pools_file;
use crate::state_dir::StateDir;
use crate::timer::{Every, Rights, Timer};

impl Timer {
    /// Takes this program, and the state directory that it has now. Without root only images can be cleaned, and
    /// with no pool named it is those.
    ///
    /// ```no_run
    /// # use kdev_volumes::timer::{Every, Timer};
    /// print!("{}", Timer::from_env(Every::default(), None)?.cron());
    /// # Ok::<(), kdev_volumes::Error>(())
    /// ```
    ///
    /// # Errors
    ///
    /// [`Error::NotRoot`] if cleaning that pool needs root, [`Error::Io`] if a path could not be written into a unit.
    pub fn from_env(every: Every, pool: Option<String>) -> Result<Self> {
        let dir = StateDir::from_env()?;
        let rights = match nix::unistd::geteuid().is_root() {
            true => Rights::Root,
            false => Rights::User,
        };
        let pool = match (rights, pool) {
            (Rights::User, None) => Some(IMAGES.to_owned()),
            (Rights::User, Some(name)) if name != IMAGES => {
                return Err(Error::NotRoot {
                    doing: "cleaning that pool",
                });
            }
            (_, pool) => pool,
        };
        let program = env::current_exe().map_err(|err| Error::io("find", "/proc/self/exe", err))?;
        Ok(Self {
            every,
            pool,
            program: runnable(&program)?,
            state_dir: writable(dir.root())?,
            env: passed_on(&dir)?,
            rights,
        })
    }

    /// Makes sure that its pool is there. What is to be removed may be of one that is not.
    ///
    /// ```no_run
    /// # use kdev_volumes::timer::{Every, Timer};
    /// let timer = Timer::from_env(Every::default(), Some("nvme".into()))?;
    /// timer.check_pool()?;
    /// timer.install(&timer.directory()?)?;
    /// # Ok::<(), kdev_volumes::Error>(())
    /// ```
    ///
    /// # Errors
    ///
    /// [`Error::NoPool`] if it is not, or if the file of pools cannot be read.
    pub fn check_pool(&self) -> Result<()> {
        let Some(name) = self
            .pool
            .as_deref()
            .filter(|name| ![EMBEDDED, IMAGES].contains(name))
        else {
            return Ok(());
        };
        let dir = StateDir::from_env()?;
        let known = pools_file::read(&dir)?;
        match known.contains_key(name) {
            true => Ok(()),
            false => Err(no_pool(name, &dir, known.keys())),
        }
    }
}

/// What a cleanup needs of our environment, besides the state directory: to find the directories on which we
/// mount, and to be allowed the state of the user for whom sudo runs us.
fn passed_on(dir: &StateDir) -> Result<Vec<(&'static str, String)>> {
    let mut env = Vec::new();
    if let Some(tmp) = env::var_os("TMPDIR").filter(|tmp| Path::new(tmp).is_absolute()) {
        env.push(("TMPDIR", writable(Path::new(&tmp))?));
    }
    let owner = dir.root().metadata().ok().map(|found| found.uid());
    if let (Ok(user), Some(owner)) = (env::var("SUDO_UID"), owner) {
        if owner != 0 && user == owner.to_string() {
            env.push(("SUDO_UID", user));
        }
    }
    Ok(env)
}

/// Returns a program's path as text. systemd takes none with characters that could be taken for quotes, however
/// they are written.
fn runnable(program: &Path) -> Result<String> {
    let text = writable(program)?;
    match text.contains(['"', '\'', '\\']) {
        false => Ok(text),
        true => {
            let why = "systemd runs no program with a quote or a backslash in its path; put `kdev` elsewhere";
            Err(Error::io(
                "write into a unit",
                program,
                std::io::Error::other(why),
            ))
        }
    }
}

/// Returns a path as text that a unit, or a crontab, can hold.
fn writable(path: &Path) -> Result<String> {
    let text = path.to_str().filter(|text| !text.contains(char::is_control));
    text.map(str::to_owned).ok_or_else(|| {
        let why = "neither systemd nor cron can be told of a path with a line break or the like, or one that is no UTF-8";
        Error::io("write into a unit", path, std::io::Error::other(why))
    })
}
