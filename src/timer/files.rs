//! The files of units: only our own are replaced or removed.

use std::fs::{self, Permissions};
use std::io::{ErrorKind, Write};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use crate::error::{Error, Result};

/// The first line of each, by which they are known.
pub(super) const MARK: &str =
    "# Made by `kdev pool timer --install`, which makes it anew; `kdev pool timer --remove` takes it away.";

/// What became of a file.
///
/// ```no_run
/// # use kdev_volumes::timer::{Every, Timer, Written};
/// let timer = Timer::from_env(Every::default(), None)?;
/// let written = timer.install(&timer.directory()?)?;
/// let is_news = written.iter().any(|(_, written)| *written != Written::Same);
/// # Ok::<(), kdev_volumes::Error>(())
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Written {
    /// It is new.
    New,
    /// It took the place of one that we had written.
    Replaced,
    /// It was there, word for word.
    Same,
}

pub(super) fn install(directory: &Path, units: &[(String, String)]) -> Result<Vec<(PathBuf, Written)>> {
    let found = units.iter().map(|(name, _)| ours(&directory.join(name)));
    let found = found.collect::<Result<Vec<_>>>()?;
    fs::create_dir_all(directory).map_err(|err| Error::io("make the directory", directory, err))?;
    let mut written = Vec::new();
    for ((name, text), found) in units.iter().zip(found) {
        let file = directory.join(name);
        let what = match found {
            Some(before) if before == *text => Written::Same,
            Some(_) => Written::Replaced,
            None => Written::New,
        };
        if what != Written::Same {
            write(directory, &file, text).map_err(|err| Error::io("write", &file, err))?;
        }
        written.push((file, what));
    }
    Ok(written)
}

fn write(directory: &Path, file: &Path, text: &str) -> std::io::Result<()> {
    let mut new = tempfile::Builder::new()
        .prefix(".kdev-")
        .permissions(Permissions::from_mode(0o644))
        .tempfile_in(directory)?;
    new.write_all(text.as_bytes())?;
    // The umask has taken of it; units are for all to read, and hold no secret.
    new.as_file().set_permissions(Permissions::from_mode(0o644))?;
    new.persist(file)?;
    Ok(())
}

pub(super) fn remove(directory: &Path, names: &[String]) -> Result<Vec<PathBuf>> {
    let files: Vec<PathBuf> = names.iter().map(|name| directory.join(name)).collect();
    let mut there = Vec::new();
    for file in files {
        if ours(&file)?.is_some() {
            there.push(file);
        }
    }
    let mut removed = Vec::new();
    for file in there {
        let name = file.file_name().unwrap_or_default();
        let link = directory.join("timers.target.wants").join(name);
        // What `systemctl enable` has made; without the file it would lead nowhere.
        let leads_here = fs::read_link(&link).is_ok_and(|to| to.file_name() == Some(name));
        for file in leads_here.then_some(link).into_iter().chain([file]) {
            fs::remove_file(&file).map_err(|err| Error::io("remove", &file, err))?;
            removed.push(file);
        }
    }
    Ok(removed)
}

/// Reads a file of ours; `None` if there is none.
///
/// # Errors
///
/// [`Error::NotOurs`] if there is anything else.
fn ours(file: &Path) -> Result<Option<String>> {
    let refused = |why: &str| Error::NotOurs {
        what: format!("`{}`", file.display()),
        why: format!("{why} (look what it is for, and remove it yourself)"),
    };
    match fs::symlink_metadata(file) {
        Err(err) if matches!(err.kind(), ErrorKind::NotFound | ErrorKind::NotADirectory) => return Ok(None),
        Ok(found) if !found.is_file() => return Err(refused("it is not a regular file")),
        found => found.map_err(|err| Error::io("look at", file, err))?,
    };
    let text = fs::read(file).map_err(|err| Error::io("read", file, err))?;
    match String::from_utf8(text) {
        Ok(text) if text.lines().next() == Some(MARK) => Ok(Some(text)),
        _ => Err(refused("`kdev pool timer` did not write it")),
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::symlink;

    use super::*;

    fn units(text: &str) -> [(String, String); 2] {
        ["a.service", "a.timer"].map(|name| (name.to_owned(), format!("{MARK}\n{text}\n")))
    }

    fn what_became(directory: &Path, text: &str) -> Vec<Written> {
        let written = install(directory, &units(text)).unwrap();
        written.into_iter().map(|(_, written)| written).collect()
    }

    #[test]
    fn files_of_ours_are_new_then_the_same_then_replaced_then_gone() {
        let root = tempfile::tempdir().unwrap();
        let directory = root.path().join("systemd/user");
        assert_eq!(what_became(&directory, "1"), [Written::New; 2]);
        assert_eq!(what_became(&directory, "1"), [Written::Same; 2]);
        assert_eq!(what_became(&directory, "2"), [Written::Replaced; 2]);
        let mode = fs::metadata(directory.join("a.timer"))
            .unwrap()
            .permissions()
            .mode();
        assert_eq!(mode & 0o777, 0o644);
        let wants = directory.join("timers.target.wants");
        fs::create_dir(&wants).unwrap();
        symlink("/etc/systemd/system/a.timer", wants.join("a.timer")).unwrap();
        symlink("/etc/systemd/system/b.timer", wants.join("b.timer")).unwrap();
        let names = ["a.timer".to_owned(), "a.service".to_owned()];
        let removed = remove(&directory, &names).unwrap();
        assert_eq!(
            removed,
            [
                wants.join("a.timer"),
                directory.join("a.timer"),
                directory.join("a.service")
            ]
        );
        assert!(wants.join("b.timer").is_symlink(), "another's link stays");
        assert_eq!(remove(&directory, &names).unwrap(), Vec::<PathBuf>::new());
    }

    #[test]
    fn what_we_have_not_written_stays_and_so_does_all_else() {
        let root = tempfile::tempdir().unwrap();
        let directory = root.path();
        let timer = directory.join("a.timer");
        // As `systemctl mask` makes it, for one.
        symlink("/dev/null", &timer).unwrap();
        let refused = |err: Error| assert!(matches!(err, Error::NotOurs { .. }), "{err}");
        refused(install(directory, &units("1")).unwrap_err());
        assert!(!directory.join("a.service").exists());
        fs::remove_file(&timer).unwrap();
        install(directory, &units("1")).unwrap();
        fs::write(&timer, "[Timer]\n").unwrap();
        refused(install(directory, &units("2")).unwrap_err());
        refused(remove(directory, &["a.service".to_owned(), "a.timer".to_owned()]).unwrap_err());
        assert_eq!(fs::read_to_string(&timer).unwrap(), "[Timer]\n");
        let service = fs::read_to_string(directory.join("a.service")).unwrap();
        assert_eq!(service, units("1")[0].1);
    }
}
