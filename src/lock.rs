//! The flock(2) of the state file, of leases and of devices. The one file that knows fs2.

use std::fs::{self, File};
use std::io::{self, ErrorKind, Seek, Write};
use std::os::unix::fs::MetadataExt;
use std::path::Path;

use crate::trust;

/// Takes the lock on an open file; `false` if another open file has it, or a shared one. It is held until the file, and each
/// copy of its descriptor, is closed.
pub(crate) fn try_lock(file: &File) -> io::Result<bool> {
    match fs2::FileExt::try_lock_exclusive(file) {
        Ok(()) => Ok(true),
        Err(err) if err.kind() == fs2::lock_contended_error().kind() => Ok(false),
        Err(err) => Err(err),
    }
}

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
        let file = trust::open_or_make(path)?;
        fs2::FileExt::lock_exclusive(&file)?;
        Ok(Self { file })
    }

    /// Takes the lock on `path` if nobody holds it, making the file if it is missing.
    pub(crate) fn try_now(path: &Path) -> io::Result<Option<Self>> {
        Self::lock_now(trust::open_or_make(path)?)
    }

    /// Makes `path`, which must not exist, locks it, and writes `text` to it.
    pub(crate) fn create_new(path: &Path, text: &[u8]) -> io::Result<Self> {
        let mut lock = Self::just_made(trust::make(path)?)?;
        lock.file.write_all(text).inspect_err(|_| {
            // Without the file there is no lock, and the reason is reported.
            let _ = fs::remove_file(path);
        })?;
        Ok(lock)
    }

    /// Locks a file without a name, writes `text` to it, and makes it `path`, which must not exist.
    pub(crate) fn name(file: File, path: &Path, text: &[u8]) -> io::Result<Self> {
        let mut lock = Self::just_made(file)?;
        // Another name that was taken may have been tried before.
        lock.file.set_len(0)?;
        lock.file.rewind()?;
        lock.file.write_all(text)?;
        trust::name(&lock.file, path)?;
        Ok(lock)
    }

    fn just_made(file: File) -> io::Result<Self> {
        Self::lock_now(file)?.ok_or_else(|| io::Error::other("somebody locked it while it was made"))
    }

    /// Takes a shared lock on `path` if the file exists and nobody holds it exclusively.
    ///
    /// Those who only look at a lease do not look like its owner to each other, and need not be allowed
    /// to write to it.
    pub(crate) fn try_shared(path: &Path) -> io::Result<Option<Self>> {
        let file = trust::open(path)?;
        let locked = fs2::FileExt::try_lock_shared(&file);
        Self::locked(file, locked)?.map(Self::still_there).transpose()
    }

    /// Takes the lock on `path` if the file exists and nobody holds it, not even shared.
    pub(crate) fn try_existing(path: &Path) -> io::Result<Option<Self>> {
        Self::lock_now(trust::open(path)?)?
            .map(Self::still_there)
            .transpose()
    }

    /// Waits for the lock on `path`, a file that exists, and still does then.
    pub(crate) fn wait_existing(path: &Path) -> io::Result<Self> {
        let file = trust::open(path)?;
        fs2::FileExt::lock_exclusive(&file)?;
        Self { file }.still_there()
    }

    /// Takes a file on which another process has the lock: it is held as long as any of us has it open.
    pub(crate) fn inherited(file: File) -> Self {
        Self { file }
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
