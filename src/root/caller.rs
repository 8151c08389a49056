use std::ffi::OsStr;

use nix::unistd::{Uid, User};

use crate::root::run::Failure;

/// The user for whom sudo runs this.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Caller {
    pub(super) uid: u32,
}

impl Caller {
    /// Takes sudo's word, which sets `SUDO_UID` itself whatever its user has set (sudo(8)).
    ///
    /// A program that is setuid by somebody's mistake has another real user than root, and nobody's word.
    pub(super) fn of(real: u32, effective: u32, sudo_uid: Option<&OsStr>) -> Result<Self, Failure> {
        let refused = |why: &str| Err(Failure::Refused(why.to_owned()));
        if (real, effective) != (0, 0) {
            return refused("this is not run by root (it is for sudo to run: `kdev setup-sudo`)");
        }
        let Some(text) = sudo_uid else {
            return refused(
                "SUDO_UID is not set, so that nobody says for whom this is (it is for sudo to run)",
            );
        };
        // No sign, no blank, no zero before it: as sudo writes it, and no otherwise.
        let uid = text.to_str().and_then(|text| {
            let uid: u32 = text.parse().ok()?;
            (uid.to_string() == text && uid != u32::MAX).then_some(uid)
        });
        match uid {
            Some(uid) => Ok(Self { uid }),
            None => refused("SUDO_UID is no user's number"),
        }
    }

    /// Returns the group that what is given to the user gets; root's if the user is not known.
    pub(super) fn gid(self) -> u32 {
        let user = User::from_uid(Uid::from_raw(self.uid)).ok().flatten();
        user.map_or(0, |user| user.gid.as_raw())
    }
}

#[cfg(test)]
mod tests {
    use rstest::rstest;

    use super::*;

    #[rstest]
    #[case::a_user(0, 0, Some("1000"), Some(1000))]
    #[case::root(0, 0, Some("0"), Some(0))]
    #[case::without_sudo(0, 0, None, None)]
    #[case::without_rights(1000, 1000, Some("1000"), None)]
    #[case::setuid(1000, 0, Some("1000"), None)]
    #[case::effective_only(0, 1000, Some("1000"), None)]
    #[case::empty(0, 0, Some(""), None)]
    #[case::garbage(0, 0, Some("root"), None)]
    #[case::signed(0, 0, Some("+1000"), None)]
    #[case::negative(0, 0, Some("-1"), None)]
    #[case::blank(0, 0, Some("1000 "), None)]
    #[case::zeros(0, 0, Some("01000"), None)]
    #[case::too_large(0, 0, Some("4294967296"), None)]
    #[case::nobody_at_all(0, 0, Some("4294967295"), None)]
    #[case::two(0, 0, Some("1000\n0"), None)]
    fn it_is_run_by_sudo_for_a_user_that_it_names(
        #[case] real: u32,
        #[case] effective: u32,
        #[case] sudo_uid: Option<&str>,
        #[case] caller: Option<u32>,
    ) {
        let found = Caller::of(real, effective, sudo_uid.map(OsStr::new)).ok();
        assert_eq!(found.map(|caller| caller.uid), caller);
    }
}
