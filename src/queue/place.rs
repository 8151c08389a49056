//! A place in the queue: a file that its owner holds locked for life.

use std::fs;
use std::io::ErrorKind;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use crate::error::{Error, Result};
use crate::fault;
use crate::lock::FileLock;
use crate::queue::line::{Line, find, numbers};
use crate::queue::ticket::Ticket;
use crate::state_dir::StateDir;
use crate::trust;

/// This process's place, given up when it is dropped; by the kernel, if the process dies.
///
/// It is all that one who waits holds: no volume, no record, no lease, and no lock that others wait for. So
/// nobody waits for one who waits for him.
#[derive(Debug)]
pub(crate) struct Place {
    dir: StateDir,
    number: u64,
    lock: FileLock,
}

impl Place {
    /// Takes the place behind all others.
    pub(crate) fn take(dir: &StateDir, ticket: &Ticket) -> Result<Self> {
        dir.create()?;
        let queue = dir.queue();
        trust::make_directory(&queue).map_err(|err| trust::error("make the directory", &queue, err))?;
        let _alone = alone(dir)?;
        remove_the_dead(dir)?;
        let failed = |err| Error::io("make a place in the queue in", dir.queue(), err);
        let last = numbers(dir).map_err(failed)?.pop();
        let number = last.map_or(1, |last| last + 1);
        // Locked before it has its name: nobody can meet a ticket that looks like that of a dead.
        let aside = aside(dir, number);
        let lock = FileLock::create_new(&aside, &ticket.text())
            .map_err(|err| trust::error("make the file", &aside, err))?;
        fault::point("ticket written aside");
        if let Err(err) = fs::rename(&aside, dir.ticket(number)) {
            // Without its name it is nobody's ticket, and the reason is reported.
            let _ = fs::remove_file(&aside);
            return Err(failed(err));
        }
        fault::point("ticket taken");
        Ok(Self {
            dir: dir.clone(),
            number,
            lock,
        })
    }

    pub(crate) fn number(&self) -> u64 {
        self.number
    }

    /// Looks who waits, this process among them; `None` if its place is gone, since somebody has removed
    /// the file.
    pub(crate) fn line(&self) -> Result<Option<Line>> {
        let line = Line::look(&self.dir)?;
        Ok(self.is_there().then_some(line))
    }

    fn is_there(&self) -> bool {
        let at_path = fs::symlink_metadata(self.dir.ticket(self.number));
        let ours = self.lock.file().metadata();
        let is_ours = |at_path: fs::Metadata, ours: fs::Metadata| {
            (at_path.dev(), at_path.ino()) == (ours.dev(), ours.ino())
        };
        at_path.is_ok_and(|at_path| ours.is_ok_and(|ours| is_ours(at_path, ours)))
    }

    fn give_up(&self) -> Result<()> {
        let _alone = alone(&self.dir)?;
        // Another's may stand there, if somebody removed ours.
        if self.is_there() {
            remove(&self.dir.ticket(self.number))?;
        }
        fault::point("ticket removed");
        remove_the_dead(&self.dir)
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        if let Err(err) = self.give_up() {
            // Its lock is given up all the same, so that nobody waits for it.
            eprintln!("kdev: could not leave the queue: {}", err.chain());
        }
    }
}

/// Removes what the dead have left in the queue.
pub(crate) fn tidy(dir: &StateDir) -> Result<()> {
    if !Line::is_there(dir)? {
        return Ok(());
    }
    let _alone = alone(dir)?;
    remove_the_dead(dir)
}

/// Tickets are made and removed by one process at a time, so that numbers are in order of arrival.
fn alone(dir: &StateDir) -> Result<FileLock> {
    let lock = dir.queue_lock();
    FileLock::wait(&lock).map_err(|err| trust::error("lock", lock, err))
}

fn aside(dir: &StateDir, number: u64) -> PathBuf {
    dir.queue().join(format!(".{number}.new"))
}

/// Removes the tickets of the dead, and what they had only begun.
fn remove_the_dead(dir: &StateDir) -> Result<()> {
    for number in find(dir)?.free {
        remove(&dir.ticket(number))?;
    }
    let failed = |err| Error::io("tidy", dir.queue(), err);
    for entry in fs::read_dir(dir.queue()).map_err(failed)? {
        let entry = entry.map_err(failed)?;
        if entry.file_name().as_encoded_bytes().starts_with(b".") {
            remove(&entry.path())?;
        }
    }
    Ok(())
}

fn remove(file: &Path) -> Result<()> {
    match fs::remove_file(file) {
        Err(err) if err.kind() != ErrorKind::NotFound => Err(Error::io("remove", file, err)),
        _ => Ok(()),
    }
}
