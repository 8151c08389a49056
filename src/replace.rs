//! Replacing files so that a reader finds the old one or the new one, never a part.

use std::fs::{self, File};
use std::io::{self, Write};
use std::path::Path;

use crate::fault;
use crate::trust;

/// Puts a file with this text in the place of one in that directory.
pub(crate) fn write_by_rename(dir: &Path, file: &Path, text: &[u8]) -> io::Result<()> {
    replace(dir, file, |new| new.write_all(text))
}

/// Does the same with one that is written by `write`.
pub(crate) fn replace(
    dir: &Path,
    file: &Path,
    write: impl FnOnce(&mut File) -> io::Result<()>,
) -> io::Result<()> {
    let mut new = tempfile::Builder::new()
        .prefix(&new_prefix(file))
        .tempfile_in(dir)?;
    write(new.as_file_mut())?;
    fault::step("file written aside")?;
    trust::give(new.as_file(), dir)?;
    new.persist(file)?;
    fault::step("file replaced")
}

/// What the names begin with of files that are to take this one's place.
fn new_prefix(file: &Path) -> String {
    let name = file.file_name().unwrap_or_default().to_string_lossy();
    format!(".{name}.new-")
}

/// Removes what writers left who died before their file was in its place.
///
/// To be called under the lock under which the file is written.
pub(crate) fn remove_unfinished(dir: &Path, file: &Path) -> io::Result<()> {
    let prefix = new_prefix(file);
    for entry in fs::read_dir(dir)? {
        let entry = entry?;
        if entry.file_name().to_string_lossy().starts_with(&prefix) {
            fs::remove_file(entry.path())?;
        }
    }
    Ok(())
}
