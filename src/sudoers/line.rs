use std::fmt;

use nix::unistd::{Group, User};

use crate::error::{Error, Result};
use crate::root::PROGRAM;

/// The first line, by which the file is known.
pub(super) const MARK: &str =
    "# Made by `kdev setup-sudo --install`, which makes it anew; `kdev setup-sudo --remove` takes it away.";

/// A user, or all of a group.
///
/// ```
/// use kdev_volumes::sudoers::Who;
///
/// assert_eq!(Who::user("root")?.to_string(), "root");
/// assert_eq!(Who::group("root")?.to_string(), "%root");
/// assert!(Who::user("ALL").is_err());
/// # Ok::<(), kdev_volumes::Error>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Who(String);

impl Who {
    /// Takes a user of this machine.
    ///
    /// ```
    /// # use kdev_volumes::sudoers::Who;
    /// assert!(Who::user("root ALL=(ALL) ALL").is_err());
    /// ```
    ///
    /// # Errors
    ///
    /// [`Error::PoolName`] if sudo would read something else in the name, [`Error::Missing`] if there is no such user.
    pub fn user(name: &str) -> Result<Self> {
        check("user", name)?;
        let found = User::from_name(name).ok().flatten().is_some();
        Self::found("user", name, found).map(|()| Self(name.to_owned()))
    }

    /// Takes a group of this machine.
    ///
    /// ```
    /// # use kdev_volumes::sudoers::Who;
    /// let storage = Who::group("root")?;
    /// # Ok::<(), kdev_volumes::Error>(())
    /// ```
    ///
    /// # Errors
    ///
    /// As [`user`](Self::user).
    pub fn group(name: &str) -> Result<Self> {
        check("group", name)?;
        let found = Group::from_name(name).ok().flatten().is_some();
        Self::found("group", name, found).map(|()| Self(format!("%{name}")))
    }

    fn found(what: &str, name: &str, found: bool) -> Result<()> {
        match found {
            true => Ok(()),
            false => Err(Error::Missing {
                what: format!("{what} `{name}`"),
                hint: "see `getent passwd` and `getent group`",
            }),
        }
    }
}

impl fmt::Display for Who {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// sudo reads capitals as an alias, `ALL` above all, and some characters as anything but a name.
fn check(what: &'static str, name: &str) -> Result<()> {
    let is_plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '_' | '-' | '.');
    let reason = if !name.starts_with(|c: char| c.is_ascii_alphanumeric() || c == '_') {
        "sudo takes a name that starts with a letter, a digit or `_`"
    } else if !name.chars().all(is_plain) {
        "sudo's line is written for letters, digits, `_`, `-` and `.` only"
    } else if !name.contains(|c: char| c.is_ascii_lowercase()) {
        "sudo reads a name without small letters as an alias"
    } else if name.len() > 255 {
        "it is too long"
    } else {
        return Ok(());
    };
    Err(Error::PoolName {
        what,
        name: name.to_owned(),
        reason: reason.to_owned(),
    })
}

/// No argument is named, since a pattern of sudo's matches more than it looks; kdev-root checks them. And no
/// setting either, of which sudo-rs knows few: whatever sudo leaves in the environment, kdev-root throws away.
pub(super) fn text(who: &[Who]) -> String {
    let lines = who
        .iter()
        .map(|who| format!("{who} ALL=(root) NOPASSWD: NOSETENV: {PROGRAM}\n"));
    format!("{MARK}\n{}", lines.collect::<String>())
}

#[cfg(test)]
mod tests {
    use rstest::rstest;

    use super::*;

    #[rstest]
    #[case("joe", true)]
    #[case("joe.doe", true)]
    #[case("_apt", true)]
    #[case("joe-1", true)]
    #[case("Joe", true)]
    #[case::everybody("ALL", false)]
    #[case::an_alias("ADMINS", false)]
    #[case::a_number("1000", false)]
    #[case::a_uid("#1000", false)]
    #[case::a_group("%wheel", false)]
    #[case::a_netgroup("+hosts", false)]
    #[case::not("!joe", false)]
    #[case::several("joe,ann", false)]
    #[case::a_line("joe ALL=(ALL) ALL", false)]
    #[case::two_lines("joe\nann", false)]
    #[case::a_comment("joe#", false)]
    #[case::a_backslash("dom\\joe", false)]
    #[case::empty("", false)]
    fn a_name_is_what_sudo_takes_for_one(#[case] name: &str, #[case] is_one: bool) {
        assert_eq!(check("user", name).is_ok(), is_one);
    }

    #[test]
    fn each_has_a_line_of_one_program_and_no_pattern() {
        let text = text(&[Who("joe".into()), Who("%storage".into())]);
        let lines: Vec<&str> = text.lines().collect();
        assert_eq!(
            lines,
            [
                MARK,
                "joe ALL=(root) NOPASSWD: NOSETENV: /usr/local/sbin/kdev-root",
                "%storage ALL=(root) NOPASSWD: NOSETENV: /usr/local/sbin/kdev-root",
            ]
        );
    }
}
