use std::fs;
use std::io::{BufWriter, ErrorKind, Write};

use crate::clock;
use crate::error::{Error, Result};
use crate::fault;
use crate::lock::FileLock;
use crate::replace::{remove_unfinished, replace};
use crate::state::records::{Records, VERSION};
use crate::state_dir::StateDir;
use crate::trust;

/// The records of all sessions of one state directory. The one place that opens `lv-state.json`.
///
/// It is an index, not the truth: what it says can be found again in the tags of the LVs. So it is
/// replaced by rename, and not forced to the disk at each change.
#[derive(Clone, Debug)]
pub(crate) struct State {
    dir: StateDir,
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
        self.update_then(change, |_, result| Ok(result))
    }

    /// Changes the records, and does what has to come after that, before anybody else changes them.
    pub(crate) fn update_then<C, R>(
        &self,
        change: impl FnOnce(&mut Records) -> Result<C>,
        then: impl FnOnce(&Records, C) -> Result<R>,
    ) -> Result<R> {
        self.dir.create()?;
        let lock = self.dir.records_lock();
        let _lock = FileLock::wait(&lock).map_err(|err| trust::error("lock", lock, err))?;
        fault::point("records locked");
        let mut records = self.load_or_set_aside()?;
        let result = change(&mut records)?;
        if records.is_changed() {
            self.replace(&records)?;
        }
        then(&records, result)
    }

    /// Removes what processes left in the directory that died while they changed the records.
    pub(crate) fn tidy(&self) -> Result<()> {
        self.update(|_| {
            remove_unfinished(self.dir.root(), &self.dir.records_file())
                .map_err(|err| Error::io("tidy", self.dir.root(), err))
        })
    }

    /// Reads the records as they are now, without waiting for anybody.
    pub(crate) fn snapshot(&self) -> Result<Records> {
        self.dir.check()?;
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
                match fs::rename(&file, &aside) {
                    // Whoever damaged it has removed it by now.
                    Err(err) if err.kind() == ErrorKind::NotFound => return Ok(Records::default()),
                    done => done.map_err(|err| Error::io("set aside", &file, err))?,
                }
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
        let text = match trust::read(&file) {
            Ok(text) => text,
            Err(err) if err.kind() == ErrorKind::NotFound => return Ok(Loaded::Good(Records::default())),
            Err(err) => return Err(trust::error("read", file, err)),
        };
        Ok(parse(text))
    }

    fn replace(&self, records: &Records) -> Result<()> {
        let file = self.dir.records_file();
        let failed = |err| Error::io("write", &file, err);
        replace(self.dir.root(), &file, |new| {
            let mut new = BufWriter::new(new);
            records.write(&mut new)?;
            new.flush()
        })
        .map_err(failed)
    }
}

enum Loaded {
    Good(Records),
    Newer(String, Records),
    Bad(String),
}

fn parse(text: Vec<u8>) -> Loaded {
    let (version, records) = match String::from_utf8(text).map(Records::read) {
        Ok(Ok(read)) => read,
        Ok(Err(err)) => return Loaded::Bad(err.to_string()),
        Err(err) => return Loaded::Bad(err.to_string()),
    };
    match version {
        None => Loaded::Good(records),
        Some(version) if version.as_u64() == Some(VERSION) => Loaded::Good(records),
        Some(version) => Loaded::Newer(version.to_string(), records),
    }
}

#[cfg(test)]
pub(super) mod tests {
    use std::env;
    use std::path::PathBuf;
    use std::process::Command;

    use serde::Deserialize;
    use serde_json::{Value, json};

    use super::*;
    use crate::state::Record;

    /// A record as kerneldev-mcp writes it, with a key that neither of us knows.
    pub(in crate::state) fn foreign(lv_name: &str) -> Value {
        json!({
            "lv_path": format!("/dev/vg/{lv_name}"), "lv_name": lv_name, "pool_name": "default", "vg_name": "vg",
            "volume_spec": {"name": "test", "size": "10G", "env_var": "TEST_DEV", "order": 0, "path": null},
            "pid": 1234, "allocated_at": "2025-11-15T10:30:45.123456", "session_id": "session-a3f9d2", "new": [1]
        })
    }

    pub(in crate::state) fn state() -> (tempfile::TempDir, State) {
        let root = tempfile::tempdir().unwrap();
        let state = State::new(StateDir::at(root.path()));
        state.dir.create().unwrap();
        (root, state)
    }

    pub(in crate::state) fn write(state: &State, text: impl AsRef<[u8]>) {
        fs::write(state.dir.records_file(), text).unwrap();
    }

    pub(in crate::state) fn on_disk(state: &State) -> Value {
        serde_json::from_slice(&fs::read(state.dir.records_file()).unwrap()).unwrap()
    }

    pub(in crate::state) fn add(state: &State, lv_name: &str) {
        let record = Record::deserialize(foreign(lv_name)).unwrap();
        state
            .update(|records| {
                records.extend([record]);
                Ok(())
            })
            .unwrap();
    }

    #[test]
    fn what_nobody_knows_survives_a_rewrite() {
        let (_root, state) = state();
        let odd = json!({"something": "else"});
        write(
            &state,
            json!({"allocations": [foreign("a"), odd], "beside": {"x": 1}}).to_string(),
        );
        add(&state, "b");
        let written = on_disk(&state);
        assert_eq!(written["beside"], json!({"x": 1}));
        let allocations = written["allocations"].as_array().unwrap();
        assert_eq!(allocations.len(), 3);
        assert!(allocations.contains(&odd));
        for (key, value) in foreign("a").as_object().unwrap() {
            assert_eq!(&allocations[0][key], value, "{key}");
        }
    }

    #[test]
    fn a_change_that_fails_changes_nothing() {
        let (_root, state) = state();
        add(&state, "a");
        let before = fs::read(state.dir.records_file()).unwrap();
        let failed = state.update(|records| {
            records.drop_if(|_| true);
            Err::<(), _>(Error::NoHome)
        });
        assert!(failed.is_err());
        assert_eq!(fs::read(state.dir.records_file()).unwrap(), before);
    }

    #[test]
    fn a_damaged_file_is_set_aside_whole() {
        for damage in ["", "{", "[]", "\0\0", "{\"allocations\": 7}"] {
            let (root, state) = state();
            write(&state, damage);
            assert_eq!(state.snapshot().unwrap().iter().count(), 0);
            add(&state, "a");
            assert_eq!(state.snapshot().unwrap().iter().count(), 1);
            let aside = fs::read_dir(root.path())
                .unwrap()
                .map(|entry| entry.unwrap().path());
            let aside: Vec<PathBuf> = aside
                .filter(|path| path.to_string_lossy().contains("unreadable-"))
                .collect();
            assert_eq!(aside.len(), 1, "{damage:?}");
            assert_eq!(fs::read_to_string(&aside[0]).unwrap(), damage);
        }
    }

    #[test]
    fn a_newer_file_is_read_and_never_written() {
        let (_root, state) = state();
        let text = json!({"version": 2, "allocations": [foreign("a")]}).to_string();
        write(&state, &text);
        assert_eq!(state.snapshot().unwrap().iter().count(), 1);
        assert!(matches!(state.update(|_| Ok(())), Err(Error::NewerFile { .. })));
        assert_eq!(fs::read_to_string(state.dir.records_file()).unwrap(), text);
    }

    const WRITERS: usize = 8;
    const RECORDS: usize = 50;

    /// What each of the processes of the next test does, when it is started by that.
    #[test]
    #[ignore = "started by eight_processes_at_once_lose_no_record"]
    fn register_and_unregister() {
        let state = State::new(StateDir::at(&PathBuf::from(env::var_os("WRITER_DIR").unwrap())));
        let writer = env::var("WRITER").unwrap();
        let name = |number: usize| format!("writer{writer}-{number}");
        for number in 0..RECORDS {
            add(&state, &name(number));
        }
        let mine = |records: &Records| {
            records
                .iter()
                .filter(|record| record.lv_name.starts_with(&format!("writer{writer}-")))
                .count()
        };
        assert_eq!(mine(&state.snapshot().unwrap()), RECORDS);
        // Every other one goes again, so that both kinds of loss would show.
        for number in (0..RECORDS).step_by(2) {
            state
                .update(|records| {
                    records.drop_if(|record| record.lv_name == name(number));
                    Ok(())
                })
                .unwrap();
        }
    }

    #[test]
    fn eight_processes_at_once_lose_no_record() {
        let (root, state) = state();
        let test = "state::file::tests::register_and_unregister";
        let start = |writer: usize| {
            let mut command = Command::new(env::current_exe().unwrap());
            command
                .args(["--exact", test, "--ignored"])
                .env("WRITER_DIR", root.path());
            command.env("WRITER", writer.to_string()).spawn().unwrap()
        };
        let mut writers: Vec<_> = (0..WRITERS).map(start).collect();
        let mut reads = 0;
        while writers
            .iter_mut()
            .any(|writer| writer.try_wait().unwrap().is_none())
        {
            // A reader without a lock finds a whole file at any moment.
            if let Ok(text) = fs::read(state.dir.records_file()) {
                serde_json::from_slice::<Value>(&text).expect("always valid JSON");
                reads += 1;
            }
            std::thread::sleep(std::time::Duration::from_millis(1));
        }
        assert!(reads > 0);
        for writer in &mut writers {
            assert!(writer.wait().unwrap().success());
        }
        let left = state.snapshot().unwrap();
        assert_eq!(left.iter().count(), WRITERS * RECORDS / 2);
        assert!(
            left.iter()
                .all(|record| record.lv_name.ends_with(['1', '3', '5', '7', '9']))
        );
    }
}
