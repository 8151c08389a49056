//! Whether root alone can change what is at a path.

use std::collections::VecDeque;
use std::ffi::OsString;
use std::fmt;
use std::fs::{self, Metadata};
use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::{Component, Path, PathBuf};

use nix::libc;

/// How many links the kernel follows on one way (path_resolution(7)).
const MOST_LINKS: usize = 40;

/// Bits of a mode (inode(7)).
const STICKY: u32 = 0o1000;
const OTHERS_WRITE: u32 = 0o022;

/// Why a path is not root's alone.
#[derive(Debug)]
pub(crate) enum NotRoots {
    /// Others than root can change this, which is on the way, or at its end.
    Changeable(PathBuf),
    /// This could not be looked at.
    Unknown(PathBuf, io::Error),
}

impl fmt::Display for NotRoots {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Changeable(path) => write!(f, "others than root can change {}", path.display()),
            Self::Unknown(path, err) => write!(f, "{} cannot be looked at: {err}", path.display()),
        }
    }
}

/// What of a file or directory says who can change it. An ACL that lets others write shows in the mode (acl(5)).
#[derive(Clone, Copy, Debug)]
struct Rights {
    uid: u32,
    mode: u32,
}

impl Rights {
    fn of(meta: &Metadata) -> Self {
        Self {
            uid: meta.uid(),
            mode: meta.mode(),
        }
    }

    /// Tells whether only root can write to it.
    fn is_roots_alone(self) -> bool {
        self.uid == 0 && self.mode & OTHERS_WRITE == 0
    }

    /// Tells whether only root can put something else in the place of an entry of this directory. In a sticky one, as
    /// `/nix/store` is, others can add entries but not replace root's.
    fn guards(self, entry: Self) -> bool {
        let is_sticky = self.mode & STICKY != 0;
        self.is_roots_alone() || self.uid == 0 && is_sticky && entry.uid == 0
    }
}

/// Goes the way that the kernel goes, and checks each directory and link on it, and the file or directory at its end.
pub(crate) fn check_only_root(path: &Path) -> Result<(), NotRoots> {
    let look = |path: &Path| {
        let meta = fs::symlink_metadata(path);
        meta.map_err(|err| NotRoots::Unknown(path.to_owned(), err))
    };
    let mut at = PathBuf::from("/");
    let mut last = look(&at)?;
    let mut left = names_of(path);
    let mut links = 0;
    while let Some(name) = left.pop_front() {
        // There is no link in what is passed: so what is above it is what its path says.
        if name == ".." {
            at.pop();
            last = look(&at)?;
            continue;
        }
        let entry = at.join(&name);
        let found = look(&entry)?;
        if !Rights::of(&last).guards(Rights::of(&found)) {
            return Err(NotRoots::Changeable(at));
        }
        if !found.is_symlink() {
            (at, last) = (entry, found);
            continue;
        }
        links += 1;
        if links > MOST_LINKS {
            let err = io::Error::from_raw_os_error(libc::ELOOP);
            return Err(NotRoots::Unknown(path.to_owned(), err));
        }
        let target = fs::read_link(&entry).map_err(|err| NotRoots::Unknown(entry, err))?;
        if target.is_absolute() {
            at = PathBuf::from("/");
            last = look(&at)?;
        }
        let mut names = names_of(&target);
        names.append(&mut left);
        left = names;
    }
    if Rights::of(&last).is_roots_alone() {
        Ok(())
    } else {
        Err(NotRoots::Changeable(at))
    }
}

fn names_of(path: &Path) -> VecDeque<OsString> {
    let names = path.components().filter_map(|part| match part {
        Component::Normal(_) | Component::ParentDir => Some(part.as_os_str().to_owned()),
        Component::RootDir | Component::CurDir | Component::Prefix(_) => None,
    });
    names.collect()
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::{PermissionsExt, chown, symlink};

    use rstest::rstest;

    use super::*;

    #[rstest]
    #[case::usual((0, 0o040755), (0, 0o100755), true)]
    #[case::setuid((0, 0o040755), (0, 0o104755), true)]
    #[case::a_users_directory((1000, 0o040755), (0, 0o100755), false)]
    #[case::for_a_group((0, 0o042775), (0, 0o100755), false)]
    #[case::for_all((0, 0o040777), (0, 0o100755), false)]
    #[case::the_nix_store((0, 0o041775), (0, 0o040555), true)]
    #[case::a_users_entry_in_tmp((0, 0o041777), (1000, 0o100755), false)]
    #[case::a_users_sticky_directory((1000, 0o041777), (0, 0o100755), false)]
    fn a_directory_guards_its_entries(
        #[case] directory: (u32, u32),
        #[case] entry: (u32, u32),
        #[case] expected: bool,
    ) {
        let rights = |(uid, mode)| Rights { uid, mode };
        assert_eq!(rights(directory).guards(rights(entry)), expected);
    }

    /// Directories with links, and what of them others than root may write to: the check finds just this.
    #[rstest]
    #[case::plain("real/a/b", &["real/a/b", "real/a", "real"])]
    #[case::through_a_link("real/link/b", &["real/a/b", "real/a", "real"])]
    #[case::through_two("other/chain/b", &["real/a/b", "real/a", "real", "other"])]
    #[case::through_an_absolute_one("other/absolute", &["real/a", "real", "", "other"])]
    #[case::the_last_one_is_a_link("other/chain", &["real/a", "real", "other"])]
    fn each_directory_on_the_way_is_checked(#[case] path: &str, #[case] way: &[&str]) {
        // Root's alone, which the directory for temporary files need not be.
        let dir = tempfile::tempdir_in("/run").unwrap();
        let at = |name: &str| dir.path().join(name);
        fs::create_dir_all(at("real/a/b")).unwrap();
        fs::create_dir(at("other")).unwrap();
        symlink("a", at("real/link")).unwrap();
        symlink("../real/link", at("other/chain")).unwrap();
        symlink(at("real/a"), at("other/absolute")).unwrap();
        check_only_root(&at(path)).unwrap();
        for directory in ["real/a/b", "real/a", "real", "other", ""] {
            let mode = |mode| fs::set_permissions(at(directory), fs::Permissions::from_mode(mode)).unwrap();
            mode(0o775);
            let checked = check_only_root(&at(path));
            mode(0o755);
            let is_on_the_way = directory.is_empty() || way.contains(&directory);
            match checked {
                Ok(()) => assert!(!is_on_the_way, "{directory}"),
                Err(NotRoots::Changeable(found)) => {
                    assert!(
                        is_on_the_way && found.components().eq(at(directory).components()),
                        "{found:?}"
                    );
                }
                Err(err) => panic!("{err}"),
            }
        }
        chown(at("real/a"), Some(65534), None).unwrap();
        assert!(
            matches!(check_only_root(&at(path)), Err(NotRoots::Changeable(found)) if found == at("real/a"))
        );
    }

    #[test]
    fn a_way_without_an_end_is_an_error() {
        let dir = tempfile::tempdir().unwrap();
        symlink("round", dir.path().join("round")).unwrap();
        assert!(check_only_root(&dir.path().join("round")).is_err());
        assert!(check_only_root(&dir.path().join("missing")).is_err());
    }
}
