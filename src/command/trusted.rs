//! Whether root alone can change what is at a path.

use std::collections::VecDeque;
use std::ffi::OsString;
use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::{Component, Path, PathBuf};

/// As many symbolic links as the kernel follows (path_resolution(7)).
const LINKS: usize = 40;

/// Bits of a mode (inode(7)).
const STICKY: u32 = 0o1000;
const OTHERS_WRITE: u32 = 0o022;

/// What of a file or directory says who can change it. An ACL that lets others write shows in the mode (acl(5)).
#[derive(Clone, Copy, Debug)]
struct Rights {
    uid: u32,
    mode: u32,
}

impl Rights {
    fn of(meta: &fs::Metadata) -> Self {
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

/// Goes the way that the kernel goes, and checks each directory, link and the file or directory at its end.
///
/// The error says what others than root can change.
pub(super) fn check(path: &Path) -> Result<(), String> {
    let look = |path: &Path| {
        let meta = fs::symlink_metadata(path);
        meta.map_err(|err| format!("{} cannot be looked at: {err}", path.display()))
    };
    let others = |path: &Path| format!("others than root can change {}", path.display());
    let mut left = names(path);
    let mut links = 0;
    let mut at = PathBuf::from("/");
    let mut last = look(&at)?;
    while let Some(name) = left.pop_front() {
        if name == ".." {
            at.pop();
            last = look(&at)?;
            continue;
        }
        let entry = at.join(&name);
        let found = look(&entry)?;
        if !Rights::of(&last).guards(Rights::of(&found)) {
            return Err(others(&at));
        }
        if !found.is_symlink() {
            (at, last) = (entry, found);
            continue;
        }
        links += 1;
        if links > LINKS {
            return Err(format!("{} has too many links", path.display()));
        }
        let target = fs::read_link(&entry).map_err(|err| format!("{}: {err}", entry.display()))?;
        if target.is_absolute() {
            at = PathBuf::from("/");
            last = look(&at)?;
        }
        for name in names(&target).into_iter().rev() {
            left.push_front(name);
        }
    }
    match Rights::of(&last).is_roots_alone() {
        true => Ok(()),
        false => Err(others(&at)),
    }
}

fn names(path: &Path) -> VecDeque<OsString> {
    let names = path.components().filter_map(|component| match component {
        Component::Normal(name) => Some(name.to_owned()),
        Component::ParentDir => Some("..".into()),
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

    #[test]
    fn the_whole_way_is_checked_with_its_links() {
        if !nix::unistd::geteuid().is_root() {
            return;
        }
        let dir = tempfile::tempdir_in("/run").unwrap();
        let at = |name: &str| dir.path().join(name);
        fs::create_dir(at("safe")).unwrap();
        fs::write(at("safe/program"), "").unwrap();
        symlink("safe", at("relative")).unwrap();
        symlink(at("relative/../safe"), at("absolute")).unwrap();
        for path in ["safe", "safe/program", "relative/program", "absolute/program"] {
            assert_eq!(check(&at(path)), Ok(()), "{path}");
        }
        symlink("loop", at("loop")).unwrap();
        assert!(check(&at("loop")).unwrap_err().contains("too many links"));
        assert!(check(&at("none")).is_err());
        // A link that root owns, to a place that others can change.
        fs::create_dir(at("open")).unwrap();
        fs::write(at("open/program"), "").unwrap();
        symlink("../open/program", at("safe/link")).unwrap();
        assert_eq!(check(&at("safe/link")), Ok(()));
        fs::set_permissions(at("open"), fs::Permissions::from_mode(0o775)).unwrap();
        let why = format!("others than root can change {}", at("open").display());
        assert_eq!(check(&at("safe/link")), Err(why));
        chown(at("safe/program"), Some(65534), None).unwrap();
        let why = format!("others than root can change {}", at("safe/program").display());
        assert_eq!(check(&at("safe/program")), Err(why));
    }
}
