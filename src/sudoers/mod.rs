//! Letting ordinary users use pools, by sudo: what `kdev setup-sudo` does.

mod files;
mod line;

use std::path::PathBuf;

pub use line::Who;

use crate::error::{Error, Result};

/// Ordinary users who may have kdev-root, and nothing else, run by sudo.
///
/// ```no_run
/// use kdev_volumes::sudoers::{Sudoers, Who};
///
/// let sudoers = Sudoers::new(vec![Who::user("joe")?, Who::group("storage")?]);
/// print!("{}", sudoers.text());
/// sudoers.install()?;
/// # Ok::<(), kdev_volumes::Error>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Sudoers {
    who: Vec<Who>,
}

impl Sudoers {
    /// Takes users and groups; at least one, for anything to be allowed.
    ///
    /// ```
    /// # use kdev_volumes::sudoers::{Sudoers, Who};
    /// let sudoers = Sudoers::new(vec![Who::user("root")?]);
    /// # Ok::<(), kdev_volumes::Error>(())
    /// ```
    pub fn new(who: Vec<Who>) -> Self {
        Self { who }
    }

    /// Returns what sudo is to be told (sudoers(5)), a line for each of them.
    ///
    /// ```
    /// # use kdev_volumes::sudoers::{Sudoers, Who};
    /// let text = Sudoers::new(vec![Who::user("root")?]).text();
    /// assert!(text.ends_with("root ALL=(root) NOPASSWD: NOSETENV: /usr/local/sbin/kdev-root\n"));
    /// # Ok::<(), kdev_volumes::Error>(())
    /// ```
    pub fn text(&self) -> String {
        line::text(&self.who)
    }

    /// Returns the file that it belongs into.
    ///
    /// ```
    /// # use kdev_volumes::sudoers::Sudoers;
    /// assert_eq!(Sudoers::file(), "/etc/sudoers.d/kdev-volumes");
    /// ```
    pub fn file() -> &'static str {
        files::SUDOERS
    }

    /// Returns where the program belongs.
    ///
    /// ```
    /// # use kdev_volumes::sudoers::Sudoers;
    /// assert_eq!(Sudoers::program(), "/usr/local/sbin/kdev-root");
    /// ```
    pub fn program() -> &'static str {
        crate::root::PROGRAM
    }

    /// Has visudo(8) check the text; `false` if there is no visudo.
    ///
    /// ```no_run
    /// # use kdev_volumes::sudoers::{Sudoers, Who};
    /// let is_checked = Sudoers::new(vec![Who::user("joe")?]).check()?;
    /// # Ok::<(), kdev_volumes::Error>(())
    /// ```
    ///
    /// # Errors
    ///
    /// [`Error::Command`] with what it said.
    pub fn check(&self) -> Result<bool> {
        files::check(&self.text())
    }

    /// Installs the program, and then the text if visudo finds it good. As root.
    ///
    /// The program is the `kdev-root` beside this one.
    ///
    /// ```no_run
    /// # use kdev_volumes::sudoers::{Sudoers, Who};
    /// for file in Sudoers::new(vec![Who::user("joe")?]).install()? {
    ///     println!("wrote {}", file.display());
    /// }
    /// # Ok::<(), kdev_volumes::Error>(())
    /// ```
    ///
    /// # Errors
    ///
    /// [`Error::NotRoot`]; [`Error::NotInstalled`] without visudo; [`Error::Untrusted`] if others than root may write
    /// where either belongs; [`Error::NotOurs`] if another file is in its place; [`Error::Command`] if visudo
    /// refuses the text; [`Error::Missing`] if there is no `kdev-root` beside this program.
    pub fn install(&self) -> Result<Vec<PathBuf>> {
        only_root("installing kdev-root")?;
        files::install(&self.text())
    }

    /// Takes the text and the program away, and tells what was there. As root.
    ///
    /// ```no_run
    /// # use kdev_volumes::sudoers::Sudoers;
    /// let removed = Sudoers::remove()?;
    /// # Ok::<(), kdev_volumes::Error>(())
    /// ```
    ///
    /// # Errors
    ///
    /// [`Error::NotRoot`], [`Error::NotOurs`] if another file is in the text's place.
    pub fn remove() -> Result<Vec<PathBuf>> {
        only_root("removing kdev-root")?;
        files::remove()
    }
}

fn only_root(doing: &'static str) -> Result<()> {
    match nix::unistd::geteuid().is_root() {
        true => Ok(()),
        false => Err(Error::NotRoot { doing }),
    }
}
