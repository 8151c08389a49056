use std::fs;
use std::io::{ErrorKind, Write};
use std::path::Path;

use serde::Deserialize;
use serde_json::{Map, Value, json};

use crate::clock;
use crate::error::{Error, Result};
use crate::lock::FileLock;
use crate::state::Record;
use crate::state_dir::StateDir;

/// The version of the file that this crate writes. kerneldev-mcp writes none, which is the same.
const VERSION: u64 = 1;

/// The records of all sessions of one state directory. The one place that opens `lv-state.json`.
///
/// It is an index, not the truth: what it says can be found again in the tags of the LVs. So it is
/// replaced by rename, and not forced to the disk at each change.
#[derive(Clone, Debug)]
pub(crate) struct State {
    dir: StateDir,
}

/// What the file holds. Entries that we cannot read, and keys that we do not know, stay in it.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Records {
    records: Vec<Record>,
    foreign: Vec<Value>,
    others: Map<String, Value>,
}

impl State {
    pub(crate) fn new(dir: StateDir) -> Self {
        Self { dir }
    }

    pub(crate) fn dir(&self) -> &StateDir {
        &self.dir
    }

    /// Changes the records: locks, reads, changes, replaces, unlocks.
    ///
    /// If `change` fails, the file is left as it was. Not to be held across a program's run.
    pub(crate) fn update<R>(&self, change: impl FnOnce(&mut Records) -> Result<R>) -> Result<R> {
        self.dir.create()?;
        let lock = self.dir.records_lock();
        let _lock = FileLock::wait(&lock).map_err(|err| Error::io("lock", lock, err))?;
        let mut records = self.load_or_set_aside()?;
        let before = records.clone();
        let result = change(&mut records)?;
        if records != before {
            self.replace(&records)?;
        }
        Ok(result)
    }

    /// Reads the records as they are now, without waiting for anybody.
    pub(crate) fn snapshot(&self) -> Result<Records> {
        match self.load()? {
            Loaded::Good(records) => Ok(records),
            Loaded::Newer(_, records) => Ok(records),
            Loaded::Bad(_) => Ok(Records::default()),
        }
    }

    fn load_or_set_aside(&self) -> Result<Records> {
        let file = self.dir.records_file();
        match self.load()? {
            Loaded::Good(records) => Ok(records),
            Loaded::Newer(version, _) => Err(Error::NewerFile { file, version }),
            Loaded::Bad(why) => {
                let aside = file.with_file_name(format!("lv-state.json.unreadable-{}", clock::stamp()));
                fs::rename(&file, &aside).map_err(|err| Error::io("set aside", &file, err))?;
                eprintln!(
                    "kdev: `{}` cannot be read ({why}); it is now `{}`, and `kdev pool cleanup` finds its volumes by their tags",
                    file.display(),
                    aside.display()
                );
                Ok(Records::default())
            }
        }
    }

    fn load(&self) -> Result<Loaded> {
        let file = self.dir.records_file();
        let text = match fs::read(&file) {
            Ok(text) => text,
            Err(err) if err.kind() == ErrorKind::NotFound => return Ok(Loaded::Good(Records::default())),
            Err(err) => return Err(Error::io("read", file, err)),
        };
        Ok(parse(&text))
    }

    fn replace(&self, records: &Records) -> Result<()> {
        let file = self.dir.records_file();
        let failed = |err| Error::io("write", &file, err);
        let mut text = serde_json::to_vec_pretty(&records.to_json()).map_err(|err| failed(err.into()))?;
        text.push(b'\n');
        write_by_rename(self.dir.root(), &file, &text).map_err(failed)
    }
}

/// Replaces a file so that a reader finds the old one or the new one, never a part.
pub(crate) fn write_by_rename(dir: &Path, file: &Path, text: &[u8]) -> std::io::Result<()> {
    let mut new = tempfile::Builder::new().prefix(".new-").tempfile_in(dir)?;
    new.write_all(text)?;
    new.persist(file)?;
    Ok(())
}

enum Loaded {
    Good(Records),
    Newer(String, Records),
    Bad(String),
}

#[derive(Deserialize)]
struct Layout {
    #[serde(default)]
    version: Option<Value>,
    #[serde(default)]
    allocations: Vec<Value>,
    #[serde(flatten)]
    others: Map<String, Value>,
}

fn parse(text: &[u8]) -> Loaded {
    let layout: Layout = match serde_json::from_slice(text) {
        Ok(layout) => layout,
        Err(err) => return Loaded::Bad(err.to_string()),
    };
    let mut records = Records {
        others: layout.others,
        ..Records::default()
    };
    for allocation in layout.allocations {
        match Record::deserialize(&allocation) {
            Ok(record) => records.records.push(record),
            Err(_) => records.foreign.push(allocation),
        }
    }
    match layout.version {
        None => Loaded::Good(records),
        Some(version) if version.as_u64() == Some(VERSION) => Loaded::Good(records),
        Some(version) => Loaded::Newer(version.to_string(), records),
    }
}

impl Records {
    /// Returns the records, oldest first.
    pub(crate) fn iter(&self) -> impl Iterator<Item = &Record> {
        self.records.iter()
    }

    pub(crate) fn iter_mut(&mut self) -> impl Iterator<Item = &mut Record> {
        self.records.iter_mut()
    }

    pub(crate) fn extend(&mut self, records: impl IntoIterator<Item = Record>) {
        self.records.extend(records);
    }

    /// Drops the records of which `drop` is true.
    pub(crate) fn drop_if(&mut self, drop: impl Fn(&Record) -> bool) {
        self.records.retain(|record| !drop(record));
    }

    fn to_json(&self) -> Value {
        let ours = self.records.iter().map(|record| {
            serde_json::to_value(record).expect("a record has string keys and plain values only")
        });
        let allocations: Vec<Value> = ours.chain(self.foreign.iter().cloned()).collect();
        let mut layout = Map::new();
        layout.insert("version".into(), json!(VERSION));
        layout.insert("allocations".into(), allocations.into());
        layout.extend(self.others.clone());
        Value::Object(layout)
    }
}
