use std::fs::File;
use std::io::{ErrorKind, Read};
use std::os::unix::fs::MetadataExt;
use std::path::Path;

use crate::error::{Error, Result};
use crate::events::event::Event;
use crate::state_dir::StateDir;
use crate::trust;

/// What the log says, as far back as it goes.
#[derive(Debug, Default)]
pub(crate) struct Log {
    /// In the order in which they were written.
    pub(crate) events: Vec<Event>,
    /// How many lines cannot be read: a disk was full, or somebody wrote into the file.
    pub(crate) unreadable: u64,
}

/// Reads the log. One that is missing is empty.
pub(crate) fn read(dir: &StateDir) -> Result<Log> {
    dir.check()?;
    let (mut current, mut old) = open_both(dir)?;
    if inode(current.as_ref()).is_some() && inode(current.as_ref()) == inode(old.as_ref()) {
        // It was set aside between the two. That does not happen again so soon.
        (current, old) = open_both(dir)?;
    }
    let mut log = Log::default();
    for (path, file) in [(dir.old_events_file(), old), (dir.events_file(), current)] {
        let Some(mut file) = file else { continue };
        let mut text = Vec::new();
        file.read_to_end(&mut text)
            .map_err(|err| Error::io("read", path, err))?;
        log.add(&text);
    }
    Ok(log)
}

fn open_both(dir: &StateDir) -> Result<(Option<File>, Option<File>)> {
    let open = |path: &Path| match trust::open(path) {
        Err(err) if err.kind() == ErrorKind::NotFound => Ok(None),
        opened => opened.map(Some).map_err(|err| trust::error("read", path, err)),
    };
    Ok((open(&dir.events_file())?, open(&dir.old_events_file())?))
}

fn inode(file: Option<&File>) -> Option<u64> {
    Some(file?.metadata().ok()?.ino())
}

impl Log {
    fn add(&mut self, text: &[u8]) {
        for line in text.split(|&byte| byte == b'\n') {
            match serde_json::from_slice(line) {
                Ok(event) => self.events.push(event),
                Err(_) if line.trim_ascii().is_empty() => {}
                Err(_) => self.unreadable += 1,
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::{Strategy, proptest};
    use serde_json::json;

    use super::*;
    use crate::garbage::{self, Text};

    fn good() -> serde_json::Value {
        json!({"at": "2025-11-15T10:30:45.123Z", "pid": 1, "pool": "default", "event": "released",
            "session": "20251115103045-a3f9d2", "test": "it$works", "held_ms": 12, "took_ms": 3,
            "volumes": [{"lv_name": "kdev-20251115103045-a3f9d2-test", "bytes": 4096}]})
    }

    #[test]
    fn torn_lines_are_counted_and_the_others_are_read() {
        let line = good().to_string();
        let (half, rest) = line.split_at(line.len() / 2);
        let mut log = Log::default();
        log.add(format!("{line}\n{half}\n\n{line}\n{rest}\n\u{0}\n{half}{line}\n{half}").as_bytes());
        assert_eq!((log.events.len(), log.unreadable), (2, 5));
    }

    fn garbage_lines() -> impl Strategy<Value = Text> {
        proptest::prop_oneof![garbage::bytes(), garbage::damaged(good())]
    }

    proptest! {
        #![proptest_config(garbage::config())]

        #[test]
        fn whatever_stands_there_a_good_line_after_it_is_read(Text(text) in garbage_lines()) {
            let mut log = Log::default();
            log.add(&text);
            let (events, unreadable) = (log.events.len(), log.unreadable);
            log.add(good().to_string().as_bytes());
            assert_eq!((log.events.len(), log.unreadable), (events + 1, unreadable));
        }
    }
}
