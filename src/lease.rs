use std::fs::{self, File};
use std::io::{self, ErrorKind, Write};
use std::path::PathBuf;

use crate::error::{Error, Result};
use crate::liveness::LeaseState;
use crate::lock::FileLock;
use crate::owner::OwnerTag;
use crate::session_id::SessionId;
use crate::state_dir::StateDir;
use crate::trust;

/// The lock that proves that a session's owner lives.
///
/// The kernel gives it up when the owner dies, however it dies. The file is made and removed under
/// the lock of the records, so that nobody can meet one that is there and not yet locked.
#[derive(Debug)]
pub(crate) struct Lease {
    path: PathBuf,
    lock: FileLock,
}

impl Lease {
    /// Makes and locks the lease of a new session; `None` if the name is taken.
    ///
    /// To be called within an update of the records.
    pub(crate) fn take(dir: &StateDir, tag: &OwnerTag) -> Result<Option<Self>> {
        let path = dir.lease(&tag.session);
        let lock = match FileLock::create_new(&path) {
            Ok(lock) => lock,
            Err(err) if err.kind() == ErrorKind::AlreadyExists => return Ok(None),
            Err(err) => return Err(trust::error("make the lease", path, err)),
        };
        // For people who look into the directory; the lock alone counts.
        if let Err(err) = writeln!(lock.file(), "{tag}") {
            // Without the file there is no lease, and the reason is reported.
            let _ = fs::remove_file(&path);
            return Err(Error::io("write the lease", path, err));
        }
        Ok(Some(Self { path, lock }))
    }

    /// Looks at a session's lease, and holds it, shared, if its owner does not.
    pub(crate) fn probe(dir: &StateDir, session: &SessionId) -> (LeaseState, Option<Self>) {
        let path = dir.lease(session);
        match FileLock::try_shared(&path) {
            Ok(Some(lock)) => (LeaseState::Free, Some(Self { path, lock })),
            Ok(None) => (LeaseState::Held, None),
            Err(err) if err.kind() == ErrorKind::NotFound => (LeaseState::Missing, None),
            Err(_) => (LeaseState::Unreadable, None),
        }
    }

    /// Returns the lock for a program that works on the session: it is free when both of us are gone.
    pub(crate) fn shared(&self) -> Result<File> {
        self.lock
            .file()
            .try_clone()
            .map_err(|err| Error::io("share the lease", &self.path, err))
    }

    /// Removes the file and then gives up the lock.
    ///
    /// To be called within an update of the records, when the session has no record left.
    pub(crate) fn end(self) -> Result<()> {
        match fs::remove_file(&self.path) {
            Ok(()) => {}
            Err(err) if err.kind() == ErrorKind::NotFound => {}
            Err(err) => return Err(Error::io("remove the lease", self.path, err)),
        }
        drop(self.lock);
        Ok(())
    }

    /// Returns the sessions that have a lease, held or not.
    pub(crate) fn sessions(dir: &StateDir) -> io::Result<Vec<SessionId>> {
        let entries = match fs::read_dir(dir.leases()) {
            Ok(entries) => entries,
            Err(err) if err.kind() == ErrorKind::NotFound => return Ok(Vec::new()),
            Err(err) => return Err(err),
        };
        let names = entries
            .map(|entry| Ok(entry?.file_name()))
            .collect::<io::Result<Vec<_>>>()?;
        Ok(names
            .iter()
            .filter_map(|name| SessionId::parse(name.to_str()?))
            .collect())
    }
}
