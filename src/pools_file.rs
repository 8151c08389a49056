use std::collections::BTreeMap;
use std::fs::File;
use std::io::ErrorKind;
use std::path::Path;

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use crate::error::{Error, Result};
use crate::lock::FileLock;
use crate::loops;
use crate::replace::{remove_unfinished, write_by_rename};
use crate::state_dir::StateDir;
use crate::trust;

/// The version of the file, as kerneldev-mcp writes it.
const VERSION: &str = "1.0";

/// A pool as `device-pool.json` describes it.
///
/// kerneldev-mcp refuses an entry with a key that it does not know, so there is none of ours in it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct PoolEntry {
    pub(crate) pool_name: String,
    pub(crate) device: String,
    pub(crate) created_at: String,
    pub(crate) created_by: String,
    pub(crate) lvm_config: LvmEntry,
    #[serde(flatten)]
    pub(crate) others: Map<String, Value>,
}

/// What LVM calls a pool's parts.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct LvmEntry {
    pub(crate) pv: String,
    pub(crate) vg_name: String,
    #[serde(default = "default_prefix")]
    pub(crate) lv_prefix: String,
    #[serde(default)]
    pub(crate) thin_provisioning: bool,
    #[serde(flatten)]
    pub(crate) others: Map<String, Value>,
}

impl PoolEntry {
    /// Returns the file that the pool is on; `None` if it is on a device. Setup takes no file below `/dev`.
    pub(crate) fn file(&self) -> Option<&Path> {
        let path = Path::new(&self.device);
        (path.is_absolute() && !path.starts_with("/dev")).then_some(path)
    }

    /// Tells whether the pool is on a file that is not attached, as after a boot. Nothing of it can be in use then.
    pub(crate) fn is_not_started(&self) -> bool {
        self.file().is_some_and(|file| loops::over_file(file).is_empty())
    }

    /// Says why the VG is not there, if it is because the pool's file is not attached.
    pub(crate) fn why_missing(&self, err: Error) -> Error {
        match (self.file(), &err) {
            (Some(file), Error::Missing { .. }) if loops::over_file(file).is_empty() => Error::NotStarted {
                pool: self.pool_name.clone(),
                file: file.to_owned(),
            },
            _ => err,
        }
    }
}

fn default_prefix() -> String {
    DEFAULT_PREFIX.to_owned()
}

/// What volumes' names begin with unless a pool says otherwise.
pub(crate) const DEFAULT_PREFIX: &str = "kdev";

/// All pools of a state directory, by name.
pub(crate) type PoolEntries = BTreeMap<String, PoolEntry>;

#[derive(Serialize, Deserialize)]
struct Layout {
    #[serde(default = "current_version")]
    version: String,
    #[serde(default)]
    pools: PoolEntries,
    #[serde(flatten)]
    others: Map<String, Value>,
}

fn current_version() -> String {
    VERSION.to_owned()
}

/// Reads the pools; none if the file is missing.
pub(crate) fn read(dir: &StateDir) -> Result<PoolEntries> {
    dir.check()?;
    Ok(load(dir)?.pools)
}

/// The pools of a state directory, which nobody else changes, nor their disks, while this value lives.
#[derive(Debug)]
pub(crate) struct Locked {
    dir: StateDir,
    lock: FileLock,
}

impl Locked {
    /// Waits for the lock.
    ///
    /// # Errors
    ///
    /// [`Error::NewerFile`] if a later version wrote the file, before anything is done to a disk that
    /// could not be written down.
    pub(crate) fn wait(dir: &StateDir) -> Result<Self> {
        dir.create()?;
        let path = dir.pools_lock();
        let lock = FileLock::wait(&path).map_err(|err| trust::error("lock", path, err))?;
        writable(dir)?;
        for file in [dir.pools_file(), dir.intent_file(), dir.saved_file()] {
            remove_unfinished(dir.root(), &file).map_err(|err| Error::io("tidy", dir.root(), err))?;
        }
        Ok(Self {
            dir: dir.clone(),
            lock,
        })
    }

    pub(crate) fn dir(&self) -> &StateDir {
        &self.dir
    }

    pub(crate) fn read(&self) -> Result<PoolEntries> {
        read(&self.dir)
    }

    /// Returns the lock for a program that changes a pool's disk.
    pub(crate) fn shared(&self) -> Result<File> {
        let lock = self.lock.file().try_clone();
        lock.map_err(|err| Error::io("share the lock", self.dir.pools_lock(), err))
    }

    /// Changes the pools, and replaces the file.
    ///
    /// Unlike the records this file is forced to the disk: nothing could rebuild it.
    pub(crate) fn change<R>(&self, change: impl FnOnce(&mut PoolEntries) -> Result<R>) -> Result<R> {
        let mut layout = writable(&self.dir)?;
        let before = layout.pools.clone();
        let result = change(&mut layout.pools)?;
        if layout.pools != before {
            let file = self.dir.pools_file();
            let failed = |err| Error::io("write", &file, err);
            let mut text = serde_json::to_vec_pretty(&layout).map_err(|err| failed(err.into()))?;
            text.push(b'\n');
            write_by_rename(self.dir.root(), &file, &text).map_err(failed)?;
            trust::open(&file)
                .and_then(|file| file.sync_all())
                .map_err(failed)?;
        }
        Ok(result)
    }
}

fn writable(dir: &StateDir) -> Result<Layout> {
    let layout = load(dir)?;
    if layout.version != VERSION {
        return Err(Error::NewerFile {
            file: dir.pools_file(),
            version: layout.version,
        });
    }
    Ok(layout)
}

fn load(dir: &StateDir) -> Result<Layout> {
    let file = dir.pools_file();
    match trust::read(&file) {
        Ok(text) => serde_json::from_slice(&text).map_err(|source| Error::BadPools { file, source }),
        Err(err) if err.kind() == ErrorKind::NotFound => Ok(Layout {
            version: current_version(),
            pools: PoolEntries::new(),
            others: Map::new(),
        }),
        Err(err) => Err(trust::error("read", file, err)),
    }
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    /// As kerneldev-mcp writes it.
    const FOREIGN: &str = r#"{"version": "1.0", "pools": {"default": {
        "pool_name": "default", "device": "/dev/nvme1n1", "created_at": "2025-11-15T10:30:45.123456", "created_by": "joe",
        "lvm_config": {"pv": "/dev/nvme1n1", "vg_name": "kerneldev-default-vg", "lv_prefix": "kdev", "thin_provisioning": false}}}}"#;

    fn change<R>(dir: &StateDir, change: impl FnOnce(&mut PoolEntries) -> Result<R>) -> Result<R> {
        Locked::wait(dir)?.change(change)
    }

    #[test]
    fn a_file_of_kerneldev_mcp_is_read_and_written_back_as_it_was() {
        let root = tempfile::tempdir().unwrap();
        let dir = StateDir::at(root.path());
        fs::write(dir.pools_file(), FOREIGN).unwrap();
        assert_eq!(
            read(&dir).unwrap()["default"].lvm_config.vg_name,
            "kerneldev-default-vg"
        );
        change(&dir, |pools| {
            let mut other = pools["default"].clone();
            other.pool_name = "other".into();
            pools.insert("other".into(), other);
            Ok(())
        })
        .unwrap();
        change(&dir, |pools| Ok(pools.remove("other"))).unwrap();
        let written: Value = serde_json::from_slice(&fs::read(dir.pools_file()).unwrap()).unwrap();
        assert_eq!(written, serde_json::from_str::<Value>(FOREIGN).unwrap());
    }

    #[test]
    fn a_damaged_file_is_an_error_and_stays() {
        let root = tempfile::tempdir().unwrap();
        let dir = StateDir::at(root.path());
        fs::write(dir.pools_file(), "{").unwrap();
        assert!(matches!(change(&dir, |_| Ok(())), Err(Error::BadPools { .. })));
        assert_eq!(fs::read(dir.pools_file()).unwrap(), b"{");
    }

    #[test]
    fn a_newer_file_is_read_and_never_written() {
        let root = tempfile::tempdir().unwrap();
        let dir = StateDir::at(root.path());
        fs::write(dir.pools_file(), FOREIGN.replace("\"1.0\"", "\"2.0\"")).unwrap();
        assert_eq!(read(&dir).unwrap().len(), 1);
        assert!(matches!(change(&dir, |_| Ok(())), Err(Error::NewerFile { .. })));
    }
}
