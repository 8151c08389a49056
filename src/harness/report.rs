use std::fs::{File, OpenOptions};
use std::io::{self, Read, Seek, Write};
use std::os::fd::AsRawFd;
use std::process;

use nix::sys::memfd::{MFdFlags, memfd_create};
use serde::{Deserialize, Serialize};

/// What the process of one test tells the process that started it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) enum Told {
    /// The runner has found the test and called it.
    Began,
    /// Its body returned, and that was no failure.
    Returned,
    /// Its body returned a failure, which the runner there reports.
    Failed,
    /// Its body panicked, with this message if it was a text.
    Panicked(Option<String>),
    /// It got no volumes, or could not give them back, and has said so.
    Refused,
}

/// Where the process that started a test reads what it is told.
///
/// A file in memory, not a pipe: nothing that the test leaves behind can hold it open, and the last word
/// of a process that was killed is there.
#[derive(Debug)]
pub(super) struct Report {
    file: File,
}

impl Report {
    pub(super) fn new() -> io::Result<Self> {
        let file = memfd_create(c"kdev-test", MFdFlags::MFD_CLOEXEC)?;
        Ok(Self { file: file.into() })
    }

    /// Returns the number of its descriptor, by which [`Reporter::to`] finds it.
    pub(super) fn number(&self) -> i32 {
        self.file.as_raw_fd()
    }

    pub(super) fn read(mut self) -> io::Result<Vec<Told>> {
        let mut text = String::new();
        self.file.rewind()?;
        self.file.read_to_string(&mut text)?;
        // Whoever died over a line has not said it.
        Ok(text
            .lines()
            .filter_map(|line| serde_json::from_str(line).ok())
            .collect())
    }
}

/// The other end.
#[derive(Debug)]
pub(super) struct Reporter {
    file: File,
    /// A child that was forked off has a copy of this value, and nothing to tell.
    pid: u32,
}

impl Reporter {
    /// Opens the report of another process of ours.
    pub(super) fn to(pid: u32, number: i32) -> io::Result<Self> {
        let file = OpenOptions::new()
            .append(true)
            .open(format!("/proc/{pid}/fd/{number}"))?;
        Ok(Self {
            file,
            pid: process::id(),
        })
    }

    pub(super) fn tell(&mut self, told: &Told) -> io::Result<()> {
        if process::id() != self.pid {
            return Ok(());
        }
        let mut line = serde_json::to_vec(told)?;
        line.push(b'\n');
        self.file.write_all(&line)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_told_is_heard_but_for_a_line_that_was_not_finished() {
        let report = Report::new().unwrap();
        let mut reporter = Reporter::to(process::id(), report.number()).unwrap();
        let told = [Told::Began, Told::Panicked(Some("two\nlines".into()))];
        told.iter().for_each(|told| reporter.tell(told).unwrap());
        reporter.file.write_all(b"\"Retu").unwrap();
        assert_eq!(report.read().unwrap(), told);
    }
}
