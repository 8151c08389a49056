//! Having the pools cleaned every so often: what `kdev pool timer` does, with systemd or cron.

mod every;
mod files;
mod here;
mod quote;
mod units;

use std::env;
use std::path::{Path, PathBuf};

pub use every::Every;
pub use files::Written;

use crate::command::{self, Invocation};
use crate::error::{Error, Result};

/// A cleanup that is run every so often: this very program, on this very state directory.
///
/// ```no_run
/// use kdev_volumes::timer::{Every, Timer};
///
/// let timer = Timer::from_env(Every::default(), Some("default".into()))?;
/// for (file, _) in timer.install(&timer.directory()?)? {
///     println!("{}", file.display());
/// }
/// # Ok::<(), kdev_volumes::Error>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Timer {
    every: Every,
    pool: Option<String>,
    program: String,
    state_dir: String,
    /// What else it needs of our environment.
    env: Vec<(&'static str, String)>,
    rights: Rights,
}

/// Whose timer it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Rights {
    Root,
    User,
}

impl Timer {
    /// Returns the name of the units, without their endings.
    ///
    /// ```no_run
    /// # use kdev_volumes::timer::{Every, Timer};
    /// let timer = Timer::from_env(Every::default(), Some("nvme".into()))?;
    /// assert_eq!(timer.name(), "kdev-cleanup-nvme");
    /// # Ok::<(), kdev_volumes::Error>(())
    /// ```
    pub fn name(&self) -> String {
        units::name(self.pool.as_deref())
    }

    /// Returns the unit that cleans up, for systemd.service(5).
    ///
    /// ```no_run
    /// # use kdev_volumes::timer::{Every, Timer};
    /// print!("{}", Timer::from_env(Every::default(), None)?.service());
    /// # Ok::<(), kdev_volumes::Error>(())
    /// ```
    pub fn service(&self) -> String {
        units::service(self)
    }

    /// Returns the unit that has it done every so often, for systemd.timer(5).
    ///
    /// ```no_run
    /// # use kdev_volumes::timer::{Every, Timer};
    /// assert!(Timer::from_env(Every::default(), None)?.timer().contains("Persistent=true"));
    /// # Ok::<(), kdev_volumes::Error>(())
    /// ```
    pub fn timer(&self) -> String {
        units::timer(self)
    }

    /// Returns a line for crontab(5), for those who have no systemd.
    ///
    /// ```no_run
    /// # use kdev_volumes::timer::{Every, Timer};
    /// assert!(Timer::from_env(Every::default(), None)?.cron().starts_with("*/15 * * * * "));
    /// # Ok::<(), kdev_volumes::Error>(())
    /// ```
    pub fn cron(&self) -> String {
        units::cron(self)
    }

    /// Returns where this user's units belong: root's in `/etc/systemd/system`, others' in
    /// `~/.config/systemd/user` (systemd.unit(5)).
    ///
    /// ```no_run
    /// # use kdev_volumes::timer::{Every, Timer};
    /// println!("{}", Timer::from_env(Every::default(), None)?.directory()?.display());
    /// # Ok::<(), kdev_volumes::Error>(())
    /// ```
    ///
    /// # Errors
    ///
    /// [`Error::NoHome`] if a user has none.
    pub fn directory(&self) -> Result<PathBuf> {
        if self.rights == Rights::Root {
            return Ok("/etc/systemd/system".into());
        }
        let named = |variable| {
            env::var_os(variable)
                .map(PathBuf::from)
                .filter(|path| path.is_absolute())
        };
        let config = named("XDG_CONFIG_HOME").or_else(|| Some(named("HOME")?.join(".config")));
        Ok(config.ok_or(Error::NoHome)?.join("systemd/user"))
    }

    /// Writes both units to a directory, and says what became of each file.
    ///
    /// ```no_run
    /// # use kdev_volumes::timer::{Every, Timer};
    /// let timer = Timer::from_env(Every::default(), None)?;
    /// timer.install(&timer.directory()?)?;
    /// # Ok::<(), kdev_volumes::Error>(())
    /// ```
    ///
    /// # Errors
    ///
    /// [`Error::NotOurs`] if there is a file of that name that [`install`](Self::install) did not write; then
    /// neither is written.
    pub fn install(&self, directory: &Path) -> Result<Vec<(PathBuf, Written)>> {
        files::install(
            directory,
            &[
                (format!("{}.service", self.name()), self.service()),
                (format!("{}.timer", self.name()), self.timer()),
            ],
        )
    }

    /// Takes away what [`install`](Self::install) has written to a directory, and the link by which systemd starts
    /// it. Returns what was removed.
    ///
    /// ```no_run
    /// # use kdev_volumes::timer::{Every, Timer};
    /// let timer = Timer::from_env(Every::default(), None)?;
    /// timer.remove(&timer.directory()?)?;
    /// # Ok::<(), kdev_volumes::Error>(())
    /// ```
    ///
    /// # Errors
    ///
    /// [`Error::NotOurs`] as for `install`; then nothing is removed.
    pub fn remove(&self, directory: &Path) -> Result<Vec<PathBuf>> {
        let name = self.name();
        files::remove(directory, &[format!("{name}.timer"), format!("{name}.service")])
    }

    /// Returns the commands that enable it, as they are typed.
    ///
    /// ```no_run
    /// # use kdev_volumes::timer::{Every, Timer};
    /// for command in Timer::from_env(Every::default(), None)?.enabling() {
    ///     println!("{command}"); // systemctl enable --now kdev-cleanup.timer
    /// }
    /// # Ok::<(), kdev_volumes::Error>(())
    /// ```
    pub fn enabling(&self) -> Vec<String> {
        let words = |args: Vec<String>| format!("systemctl {}", args.join(" "));
        self.enabling_args().into_iter().map(words).collect()
    }

    /// Returns the commands that stop what [`remove`](Self::remove) has taken away.
    ///
    /// ```no_run
    /// # use kdev_volumes::timer::{Every, Timer};
    /// for command in Timer::from_env(Every::default(), None)?.stopping() {
    ///     println!("{command}"); // systemctl stop kdev-cleanup.timer
    /// }
    /// # Ok::<(), kdev_volumes::Error>(())
    /// ```
    pub fn stopping(&self) -> Vec<String> {
        let whose = self.whose();
        vec![
            format!("systemctl{whose} stop '{}.timer'", self.name()),
            format!("systemctl{whose} daemon-reload"),
        ]
    }

    /// Makes sure that systemd runs, so that it can be asked to enable something.
    ///
    /// ```no_run
    /// # use kdev_volumes::timer::{Every, Timer};
    /// let timer = Timer::from_env(Every::default(), None)?;
    /// timer.check_systemd()?;
    /// timer.install(&timer.directory()?)?;
    /// timer.enable()?;
    /// # Ok::<(), kdev_volumes::Error>(())
    /// ```
    ///
    /// # Errors
    ///
    /// [`Error::NoSystemd`] if it does not.
    pub fn check_systemd(&self) -> Result<()> {
        // As sd_booted(3) finds out.
        match Path::new("/run/systemd/system").is_dir() {
            true => Ok(()),
            false => Err(Error::NoSystemd),
        }
    }

    /// Has systemd start it now and with every boot, once it is installed.
    ///
    /// ```no_run
    /// # use kdev_volumes::timer::{Every, Timer};
    /// Timer::from_env(Every::default(), None)?.enable()?;
    /// # Ok::<(), kdev_volumes::Error>(())
    /// ```
    ///
    /// # Errors
    ///
    /// [`Error::NoSystemd`], [`Error::NotInstalled`], or [`Error::Command`] with what systemctl said on standard error.
    pub fn enable(&self) -> Result<()> {
        self.check_systemd()?;
        for args in self.enabling_args() {
            // It changes the system's units, so it is none that PATH leads to; a user's manager is found by the environment.
            let systemctl = Invocation::new("systemctl", "systemd")?.args(args);
            let finished = command::finish_in_sight(systemctl.in_own_environment())?;
            if !finished.status.success() {
                return Err(finished.error());
            }
        }
        Ok(())
    }

    fn enabling_args(&self) -> [Vec<String>; 2] {
        let args = |args: &[&str]| {
            let whose = (self.rights == Rights::User).then_some("--user");
            whose.iter().chain(args).map(|arg| (*arg).to_owned()).collect()
        };
        let timer = format!("{}.timer", self.name());
        [args(&["daemon-reload"]), args(&["enable", "--now", &timer])]
    }

    fn whose(&self) -> &'static str {
        match self.rights {
            Rights::Root => "",
            Rights::User => " --user",
        }
    }
}
