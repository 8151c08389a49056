//! The directories through which the kernel comes to a path.

use std::ffi::OsString;
use std::fs;
use std::io;
use std::path::{Component, Path, PathBuf};

use nix::libc;

/// How many links the kernel follows on one way (path_resolution(7)).
const MOST_LINKS: usize = 40;

/// Lists all directories that the way to one leads through, and that one, first the nearest: those that its path
/// names, and where a link is on the way, both the one in which the link is and those to which it leads.
pub(super) fn directories_to(path: &Path) -> io::Result<Vec<PathBuf>> {
    let mut at = PathBuf::from("/");
    let mut passed = vec![at.clone()];
    let mut left = names_of(path);
    let mut links = 0;
    while let Some(name) = left.pop() {
        // There is no link in what is passed: so what is above it is what its path says.
        if name == ".." {
            at.pop();
            continue;
        }
        let next = at.join(name);
        match fs::read_link(&next) {
            Ok(_) if links == MOST_LINKS => return Err(io::Error::from_raw_os_error(libc::ELOOP)),
            Ok(target) => {
                links += 1;
                if target.is_absolute() {
                    at = PathBuf::from("/");
                }
                left.extend(names_of(&target));
            }
            Err(err) if err.raw_os_error() == Some(libc::EINVAL) => {
                at = next;
                passed.push(at.clone());
            }
            Err(err) => return Err(err),
        }
    }
    passed.reverse();
    Ok(passed)
}

/// The last one first.
fn names_of(path: &Path) -> Vec<OsString> {
    let names = path.components().rev().filter_map(|part| match part {
        Component::Normal(_) | Component::ParentDir => Some(part.as_os_str().to_owned()),
        Component::RootDir | Component::CurDir | Component::Prefix(_) => None,
    });
    names.collect()
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::symlink;

    use rstest::rstest;

    use super::*;

    #[rstest]
    #[case::plain("real/a/b", &["real/a/b", "real/a", "real"])]
    #[case::through_a_link("real/link/b", &["real/a/b", "real/a", "real"])]
    #[case::through_two("other/chain/b", &["real/a/b", "real/a", "real", "other"])]
    #[case::through_an_absolute_one("other/absolute", &["real/a", "real", "", "other"])]
    #[case::the_last_one_is_a_link("other/chain", &["real/a", "real", "other"])]
    fn a_way_leads_through_the_directories_of_its_links_too(#[case] path: &str, #[case] expected: &[&str]) {
        let dir = tempfile::tempdir().unwrap();
        let dir = fs::canonicalize(dir.path()).unwrap();
        fs::create_dir_all(dir.join("real/a/b")).unwrap();
        fs::create_dir(dir.join("other")).unwrap();
        symlink("a", dir.join("real/link")).unwrap();
        symlink("../real/link", dir.join("other/chain")).unwrap();
        symlink(dir.join("real/a"), dir.join("other/absolute")).unwrap();
        let passed = directories_to(&dir.join(path)).unwrap();
        for expected in expected {
            assert!(
                passed.contains(&dir.join(expected)),
                "{expected} is not in {passed:?}"
            );
        }
        assert!(passed.contains(&"/".into()));
        let links = ["real/link", "other/chain", "other/absolute"];
        assert!(links.iter().all(|link| !passed.contains(&dir.join(link))));
    }

    #[test]
    fn a_way_without_an_end_is_an_error() {
        let dir = tempfile::tempdir().unwrap();
        symlink("round", dir.path().join("round")).unwrap();
        assert!(directories_to(&dir.path().join("round")).is_err());
        assert!(directories_to(&dir.path().join("missing")).is_err());
    }
}
