//! The flock(2) of the state file and of leases. The one file that knows fs2.

use std::fs::{File, OpenOptions};
use std::io::{self, ErrorKind};
use std::os::unix::fs::{MetadataExt, OpenOptionsExt};
use std::path::Path;

use nix::libc;

/// A lock on a file, held for as long as this value or its process lives.
///
/// The file is open with `O_CLOEXEC`, as std opens all, so that a program that we or the test start
/// does not hold the lock on.
#[derive(Debug)]
pub(crate) struct FileLock {
    file: File,
}

impl FileLock {
    /// Waits for the lock on `path`, making the file if it is missing.
    pub(crate) fn wait(path: &Path) -> io::Result<Self> {
        let file = private().create(true).open(path)?;
        fs2::FileExt::lock_exclusive(&file)?;
        Ok(Self { file })
    }

    /// Takes the lock on `path` if nobody holds it, making the file if it is missing.
    pub(crate) fn try_now(path: &Path) -> io::Result<Option<Self>> {
        Self::lock_now(private().create(true).open(path)?)
    }

    /// Makes `path`, which must not exist, and locks it.
    pub(crate) fn create_new(path: &Path) -> io::Result<Self> {
        let file = private().create_new(true).open(path)?;
        match Self::lock_now(file)? {
            Some(lock) => Ok(lock),
            None => Err(io::Error::other("somebody locked it while it was made")),
        }
    }

    /// Takes a shared lock on `path` if the file exists and nobody holds it exclusively.
    ///
    /// Those who only look at a lease do not look like its owner to each other.
    pub(crate) fn try_shared(path: &Path) -> io::Result<Option<Self>> {
        let file = private().open(path)?;
        let locked = fs2::FileExt::try_lock_shared(&file);
        Self::locked(file, locked)?.map(Self::still_there).transpose()
    }

    /// Takes the lock on `path` if the file exists and nobody holds it, not even shared.
    pub(crate) fn try_existing(path: &Path) -> io::Result<Option<Self>> {
        Self::lock_now(private().open(path)?)?
            .map(Self::still_there)
            .transpose()
    }

    /// Waits for the lock on `path`, a file that exists, and still does then.
    pub(crate) fn wait_existing(path: &Path) -> io::Result<Self> {
        let file = private().open(path)?;
        fs2::FileExt::lock_exclusive(&file)?;
        Self { file }.still_there()
    }

    /// Tells whether nobody else holds the lock, and makes it exclusive if so.
    pub(crate) fn is_nobody_elses(&self) -> bool {
        fs2::FileExt::try_lock_exclusive(&self.file).is_ok()
    }

    /// Returns the locked file.
    pub(crate) fn file(&self) -> &File {
        &self.file
    }

    /// Whoever had the lock before may have removed the file; then the lock is one on nothing.
    fn still_there(self) -> io::Result<Self> {
        match self.file.metadata()?.nlink() {
            0 => Err(ErrorKind::NotFound.into()),
            _ => Ok(self),
        }
    }

    fn lock_now(file: File) -> io::Result<Option<Self>> {
        let locked = fs2::FileExt::try_lock_exclusive(&file);
        Self::locked(file, locked)
    }

    fn locked(file: File, result: io::Result<()>) -> io::Result<Option<Self>> {
        match result {
            Ok(()) => Ok(Some(Self { file })),
            Err(err) if err.kind() == fs2::lock_contended_error().kind() => Ok(None),
            Err(err) => Err(err),
        }
    }
}

/// Only for this user, and never through a symbolic link that somebody laid in its place.
fn private() -> OpenOptions {
    let mut options = OpenOptions::new();
    options
        .read(true)
        .write(true)
        .mode(0o600)
        .custom_flags(libc::O_NOFOLLOW);
    options
}
