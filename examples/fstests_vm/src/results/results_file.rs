//! `results.json`: read and written.

use std::io::{self, Write};
use std::path::{Path, PathBuf};

use serde::Deserialize;

use super::run::{RunResults, VERSION};

/// The file's name in the directory of a run.
pub(crate) const FILE: &str = "results.json";

/// Why `results.json` cannot be read or written.
#[derive(Debug, thiserror::Error)]
pub(crate) enum RunError {
    /// It is not there, or not ours to read.
    #[error("cannot read the results `{}` (is this the directory of a run?)", path.display())]
    Read { path: PathBuf, source: io::Error },
    /// It is no results of ours.
    #[error("`{}` is not the results of a run (was it edited, or cut off?)", path.display())]
    Garbage {
        path: PathBuf,
        source: serde_json::Error,
    },
    /// A newer program wrote it.
    #[error("`{}` has version {found}, and this program knows {VERSION} (use the program that wrote it)", path.display())]
    Newer { path: PathBuf, found: u32 },
    /// The directory is not ours to write, or its disk is full.
    #[error("cannot write the results `{}`", path.display())]
    Write { path: PathBuf, source: io::Error },
}

impl RunResults {
    /// Reads the results in a run's directory, or the file itself.
    ///
    /// # Errors
    ///
    /// [`RunError`], never for a field that is missing where this version may leave it out.
    pub(crate) fn read(path: &Path) -> Result<Self, RunError> {
        let path = if path.is_dir() {
            path.join(FILE)
        } else {
            path.to_owned()
        };
        let bytes = std::fs::read(&path).map_err(|source| RunError::Read {
            path: path.clone(),
            source,
        })?;
        // The version first: a newer file may have anything else in it.
        let garbage = |source| RunError::Garbage {
            path: path.clone(),
            source,
        };
        let head: Head = serde_json::from_slice(&bytes).map_err(garbage)?;
        if head.version > VERSION {
            return Err(RunError::Newer {
                path,
                found: head.version,
            });
        }
        serde_json::from_slice(&bytes).map_err(garbage)
    }

    /// Writes the results into a run's directory: there are the old ones or the new, never a part.
    ///
    /// # Errors
    ///
    /// [`RunError::Write`].
    pub(crate) fn write(&self, directory: &Path) -> Result<(), RunError> {
        let path = directory.join(FILE);
        let write = || -> io::Result<()> {
            // The tests in any order would do for this program, but not for a diff.
            let mut sorted = self.clone();
            sorted.tests.sort_by(|a, b| a.name.cmp(&b.name));
            let mut file = tempfile::NamedTempFile::new_in(directory)?;
            serde_json::to_writer_pretty(&mut file, &sorted)?;
            file.write_all(b"\n")?;
            file.as_file().sync_all()?;
            file.persist(&path).map_err(|err| err.error)?;
            Ok(())
        };
        write().map_err(|source| RunError::Write {
            path: path.clone(),
            source,
        })
    }
}

#[derive(Deserialize)]
struct Head {
    version: u32,
}

#[cfg(test)]
#[path = "results_file_tests.rs"]
mod tests;
