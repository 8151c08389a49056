use std::ffi::OsStr;
use std::fs::{self, File};
use std::io::{self, ErrorKind};
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

use crate::error::{Error, Result};
use crate::fault;
use crate::liveness::LeaseState;
use crate::lock::FileLock;
use crate::owner::OwnerTag;
use crate::session_id::SessionId;
use crate::state_dir::StateDir;
use crate::trust;

/// The file of a lease that is no session's yet. Who is started with it holds the lease, once it is one.
#[derive(Debug)]
pub(crate) struct Blank(File);

impl Blank {
    /// Makes one, without a name.
    ///
    /// # Errors
    ///
    /// Also where the filesystem has no files without a name.
    pub(crate) fn make(dir: &StateDir) -> Result<Self> {
        dir.create()?;
        let file = trust::make_unnamed(&dir.leases());
        file.map(Self)
            .map_err(|err| Error::io("make a lease in", dir.leases(), err))
    }

    /// Takes a file that another process has locked, as [`Lease::inherited`] does.
    pub(crate) fn inherited(file: File) -> Self {
        Self(file)
    }

    /// Returns the file for a program that is going to work on the session.
    pub(crate) fn shared(&self) -> Result<File> {
        self.0
            .try_clone()
            .map_err(|err| Error::io("share", "a lease", err))
    }
}

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
    /// Makes and locks the lease of a new session, of the blank one if there is one; `None` if the name is taken.
    ///
    /// To be called within an update of the records. `images` is the directory in which the session's
    /// images are going to be, if it has any.
    pub(crate) fn take(
        dir: &StateDir,
        tag: &OwnerTag,
        images: Option<&Path>,
        blank: Option<&Blank>,
    ) -> Result<Option<Self>> {
        // Of a loop device and of an image nothing else tells whose it is, should the records be lost; and
        // where images are depends on `$TMPDIR`.
        let mut text = format!("{tag}\n").into_bytes();
        text.extend(images.map_or(&[][..], |images| images.as_os_str().as_bytes()));
        let path = dir.lease(&tag.session);
        let made = match blank {
            Some(blank) => blank
                .0
                .try_clone()
                .and_then(|file| FileLock::name(file, &path, &text)),
            None => FileLock::create_new(&path, &text),
        };
        let lock = match made {
            Ok(lock) => lock,
            Err(err) if err.kind() == ErrorKind::AlreadyExists => return Ok(None),
            Err(err) => return Err(trust::error("make the lease", path, err)),
        };
        fault::point("lease made");
        Ok(Some(Self { path, lock }))
    }

    /// Takes what another process holds, and has given us to hold on to.
    pub(crate) fn inherited(file: File) -> Self {
        Self {
            path: "/dev/stdin".into(),
            lock: FileLock::inherited(file),
        }
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

    /// Takes over a dead owner's lease; `None` if somebody holds it: a child that the owner forked off,
    /// LVM at work for it, or a reaper.
    ///
    /// # Errors
    ///
    /// Also if there is no such lease.
    pub(crate) fn seize(dir: &StateDir, session: &SessionId) -> io::Result<Option<Self>> {
        let path = dir.lease(session);
        Ok(FileLock::try_existing(&path)?.map(|lock| Self { path, lock }))
    }

    /// Waits until nobody holds a lease, and takes it over.
    ///
    /// # Errors
    ///
    /// Also if there is no such lease.
    pub(crate) fn seize_when_free(dir: &StateDir, session: &SessionId) -> io::Result<Self> {
        let path = dir.lease(session);
        let lock = FileLock::wait_existing(&path)?;
        Ok(Self { path, lock })
    }

    /// Reads whose session it is; `None` if the lease does not tell.
    pub(crate) fn tag(dir: &StateDir, session: &SessionId) -> Option<OwnerTag> {
        let text = trust::read(&dir.lease(session)).ok()?;
        let tag = text.split(|&byte| byte == b'\n').next()?;
        OwnerTag::parse(std::str::from_utf8(tag).ok()?.trim_end()).filter(|tag| tag.session == *session)
    }

    /// Reads where the session's images are; `None` if it has none.
    pub(crate) fn images(dir: &StateDir, session: &SessionId) -> Option<PathBuf> {
        let text = trust::read(&dir.lease(session)).ok()?;
        let end_of_tag = text.iter().position(|&byte| byte == b'\n')?;
        let images = OsStr::from_bytes(&text[end_of_tag + 1..]);
        (!images.is_empty()).then(|| images.into())
    }

    /// Tells, of a lease that was probed, whether nobody else is at work on the session.
    pub(crate) fn is_nobody_elses(&self) -> bool {
        self.lock.is_nobody_elses()
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
        fault::point("lease removed");
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
