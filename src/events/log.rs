//! The file: lines are only ever added, and what is old goes.

use std::fs;
use std::io::{self, ErrorKind, Write};
use std::sync::Once;

use crate::error::{Error, Result};
use crate::events::event::Event;
use crate::lock::FileLock;
use crate::state_dir::StateDir;
use crate::trust;

/// How large the file may grow before it is set aside. With the one that was set aside before, that is
/// room for some ten thousand sessions.
const LIMIT: u64 = 4 << 20;

/// Adds lines, with one write.
///
/// What a test is there for never fails by this, nor waits for it: what cannot be written is lost, and
/// standard error says so once.
pub(super) fn append(dir: &StateDir, events: &[Event]) {
    static SAID: Once = Once::new();
    if let Err(err) = try_to_append(dir, events, LIMIT) {
        SAID.call_once(|| {
            eprintln!(
                "kdev: the log that `kdev metrics` reads lacks something, which is said once: {}",
                err.chain()
            );
        });
    }
}

/// No lock is needed: the kernel finds the end of the file and writes there in one step for all who have
/// it open with `O_APPEND` (write(2)). In a state directory that does not exist there is nothing to tell of.
fn try_to_append(dir: &StateDir, events: &[Event], limit: u64) -> Result<()> {
    dir.check()?;
    let path = dir.events_file();
    let failed = |err| trust::error("write to", &path, err);
    let mut text = Vec::new();
    for event in events {
        serde_json::to_writer(&mut text, event).map_err(|err| failed(err.into()))?;
        text.push(b'\n');
    }
    let open = || match trust::open_to_append(&path) {
        Err(err) if err.kind() == ErrorKind::NotFound => Ok(None),
        opened => opened.map(Some).map_err(failed),
    };
    let Some(mut file) = open()? else { return Ok(()) };
    let is_full = |found: fs::Metadata| found.len() + text.len() as u64 > limit;
    if is_full(file.metadata().map_err(failed)?) {
        set_aside(dir, is_full)?;
        match open()? {
            Some(new) => file = new,
            None => return Ok(()),
        }
    }
    match file.write(&text).map_err(failed)? {
        all if all == text.len() => Ok(()),
        _ => {
            // So that the next line is not taken for the rest of this one. If that fails too, it is.
            let _ = file.write(b"\n");
            Err(failed(io::Error::from(ErrorKind::WriteZero)))
        }
    }
}

/// Puts the file in the place of the one that was set aside before.
///
/// Under a lock, and only if it is still full then: of two who found it full, the second would set aside
/// what the first has only just begun. Who has it open still adds a line there, which is read all the same.
fn set_aside(dir: &StateDir, is_full: impl Fn(fs::Metadata) -> bool) -> Result<()> {
    let (path, lock) = (dir.events_file(), dir.events_lock());
    // Whoever has the lock is doing it.
    let Some(_lock) = FileLock::try_now(&lock).map_err(|err| trust::error("lock", lock, err))? else {
        return Ok(());
    };
    if fs::symlink_metadata(&path).is_ok_and(is_full) {
        let old = dir.old_events_file();
        fs::rename(&path, &old).map_err(|err| Error::io("set aside", path, err))?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::{PermissionsExt, symlink};
    use std::path::Path;
    use std::thread;

    use super::*;
    use crate::events::event::{WaitEnd, What};
    use crate::events::read::read;

    fn event(wanted_bytes: u64, text: &str) -> Event {
        Event {
            at: "2025-11-15T10:30:45.123Z".into(),
            pid: 1,
            pool: text.into(),
            session: None,
            test: None,
            attempt: None,
            what: What::Waited {
                wanted_bytes,
                took_ms: 0,
                ended: WaitEnd::Room,
            },
        }
    }

    fn made(root: &Path) -> StateDir {
        let dir = StateDir::at(&root.join("state"));
        dir.create().unwrap();
        dir
    }

    fn read_back(dir: &StateDir) -> Vec<u64> {
        let log = read(dir).unwrap();
        assert_eq!(log.unreadable, 0);
        let number = |event: &Event| match event.what {
            What::Waited { wanted_bytes, .. } => wanted_bytes,
            _ => panic!("{event:?}"),
        };
        log.events.iter().map(number).collect()
    }

    #[test]
    fn what_is_added_is_read_in_its_order_and_is_for_its_owner_only() {
        let root = tempfile::tempdir().unwrap();
        let dir = made(root.path());
        try_to_append(&dir, &[event(1, "a"), event(2, "b")], LIMIT).unwrap();
        try_to_append(&dir, &[event(3, "c")], LIMIT).unwrap();
        assert_eq!(read_back(&dir), [1, 2, 3]);
        let mode = fs::metadata(dir.events_file()).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o600);
    }

    #[test]
    fn nothing_is_made_for_it_where_no_state_is() {
        let root = tempfile::tempdir().unwrap();
        let dir = StateDir::at(&root.path().join("state"));
        try_to_append(&dir, &[event(1, "a")], LIMIT).unwrap();
        assert!(!dir.root().exists());
        assert_eq!(read_back(&dir), Vec::<u64>::new());
    }

    #[test]
    fn a_full_file_is_set_aside_and_of_those_one_is_kept() {
        let root = tempfile::tempdir().unwrap();
        let dir = made(root.path());
        let line = serde_json::to_vec(&event(1, "a")).unwrap().len() as u64 + 1;
        for number in 1..=7 {
            try_to_append(&dir, &[event(number, "a")], 3 * line).unwrap();
        }
        assert_eq!(read_back(&dir), [4, 5, 6, 7]);
        assert_eq!(fs::metadata(dir.events_file()).unwrap().len(), line);
        assert_eq!(fs::metadata(dir.old_events_file()).unwrap().len(), 3 * line);
    }

    #[test]
    fn lines_of_many_who_write_at_once_do_not_mix_and_none_is_lost() {
        let root = tempfile::tempdir().unwrap();
        let dir = made(root.path());
        let long = "x".repeat(6000);
        thread::scope(|scope| {
            for writer in 0..8 {
                let (dir, long) = (&dir, &long);
                scope.spawn(move || {
                    for number in 0..50 {
                        // It is set aside once, whoever comes to it.
                        try_to_append(dir, &[event(writer * 50 + number, long)], 1_500_000).unwrap();
                    }
                });
            }
        });
        let mut numbers = read_back(&dir);
        numbers.sort_unstable();
        assert_eq!(numbers, (0..400).collect::<Vec<u64>>());
        assert!(dir.old_events_file().exists());
    }

    #[test]
    fn a_link_in_place_of_the_file_is_refused_and_what_it_leads_to_is_left_alone() {
        let root = tempfile::tempdir().unwrap();
        let dir = made(root.path());
        let other = root.path().join("other");
        fs::write(&other, "theirs").unwrap();
        symlink(&other, dir.events_file()).unwrap();
        let said = try_to_append(&dir, &[event(1, "a")], LIMIT).unwrap_err();
        assert!(matches!(said, Error::Untrusted { .. }), "{said}");
        assert_eq!(fs::read(&other).unwrap(), b"theirs");
        assert!(matches!(read(&dir).unwrap_err(), Error::Untrusted { .. }));
    }
}
