use std::env;
use std::path::{Path, PathBuf};

use crate::error::{Error, Result};
use crate::session_id::SessionId;
use crate::trust;

/// The directory in which pools, records, leases and locks are kept.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct StateDir {
    root: PathBuf,
}

/// The variable that names the directory.
pub(crate) const STATE_DIR_VARIABLE: &str = "KDEV_STATE_DIR";

impl StateDir {
    /// Finds the directory: `KDEV_STATE_DIR`, else `~/.kerneldev-mcp`. It need not exist yet.
    pub(crate) fn from_env() -> Result<Self> {
        if let Some(dir) = env::var_os(STATE_DIR_VARIABLE).filter(|dir| !dir.is_empty()) {
            // A test may change its working directory; where the state is must not change with it.
            let root = std::path::absolute(&dir).map_err(|err| Error::io("find", PathBuf::from(dir), err))?;
            // A slash at the end would lead through a symbolic link.
            let root = root.components().collect();
            return Ok(Self { root });
        }
        let home = match env::var_os("HOME").filter(|home| !home.is_empty()) {
            Some(home) => PathBuf::from(home),
            None => {
                nix::unistd::User::from_uid(nix::unistd::getuid())
                    .ok()
                    .flatten()
                    .ok_or(Error::NoHome)?
                    .dir
            }
        };
        Ok(Self {
            root: home.join(".kerneldev-mcp"),
        })
    }

    /// Takes this directory.
    #[cfg(test)]
    pub(crate) fn at(root: &Path) -> Self {
        Self {
            root: root.to_owned(),
        }
    }

    /// Makes what is missing of the directory, for this user only, and checks the rest.
    pub(crate) fn create(&self) -> Result<()> {
        for directory in [self.root.clone(), self.leases()] {
            trust::make_directory(&directory)
                .map_err(|err| trust::error("make the directory", directory, err))?;
        }
        Ok(())
    }

    /// Makes sure that what there is of the directory may be read and believed. To be called before it is.
    ///
    /// If there is none, this is one system call.
    pub(crate) fn check(&self) -> Result<()> {
        for directory in [self.root.clone(), self.leases()] {
            match trust::check_directory(&directory) {
                Ok(true) => {}
                Ok(false) => break,
                Err(err) => return Err(trust::error("look at the directory", directory, err)),
            }
        }
        Ok(())
    }

    pub(crate) fn root(&self) -> &Path {
        &self.root
    }

    /// The pools, as kerneldev-mcp keeps them.
    pub(crate) fn pools_file(&self) -> PathBuf {
        self.root.join("device-pool.json")
    }

    /// What is being done to a pool at this moment.
    pub(crate) fn intent_file(&self) -> PathBuf {
        self.root.join("device-pool.intent")
    }

    /// What a disk held that is about to become a pool; see `intent_file`.
    pub(crate) fn saved_file(&self) -> PathBuf {
        self.root.join("device-pool.saved")
    }

    /// The records.
    pub(crate) fn records_file(&self) -> PathBuf {
        self.root.join("lv-state.json")
    }

    /// What has happened to volumes.
    pub(crate) fn events_file(&self) -> PathBuf {
        self.root.join("events.jsonl")
    }

    /// The same, of before.
    pub(crate) fn old_events_file(&self) -> PathBuf {
        self.root.join("events.jsonl.1")
    }

    pub(crate) fn leases(&self) -> PathBuf {
        self.root.join("leases")
    }

    pub(crate) fn lease(&self, session: &SessionId) -> PathBuf {
        self.leases().join(session.to_string())
    }

    /// Those who wait for room, each by a file.
    pub(crate) fn queue(&self) -> PathBuf {
        self.root.join("queue")
    }

    pub(crate) fn ticket(&self, number: u64) -> PathBuf {
        self.queue().join(number.to_string())
    }

    // What is locked is never the file that is replaced: a lock on a file that has been renamed away
    // keeps nobody out.

    pub(crate) fn pools_lock(&self) -> PathBuf {
        self.root.join("device-pool.lock")
    }

    pub(crate) fn records_lock(&self) -> PathBuf {
        self.root.join("lv-state.lock")
    }

    pub(crate) fn events_lock(&self) -> PathBuf {
        self.root.join("events.lock")
    }

    pub(crate) fn reaper_lock(&self) -> PathBuf {
        self.root.join("reaper.lock")
    }
    pub(crate) fn queue_lock(&self) -> PathBuf {
        self.root.join("queue.lock")
    }
}
