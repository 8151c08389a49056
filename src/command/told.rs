use std::ffi::OsString;
use std::fs::File;
use std::io::{self, Write};
use std::os::fd::{AsRawFd, OwnedFd};
use std::process;
use std::time::Duration;

use nix::fcntl::OFlag;
use nix::unistd::pipe2;

use crate::command::running::Running;
use crate::command::{Finished, Invocation, typed};
use crate::error::{Error, Result};
use crate::fault;

/// A program that takes a script as its last argument, and is told through a pipe in the place of that file what
/// to do, one line after another, as its answers come.
///
/// It ends when it is told so, when we are gone, or when a line fails.
#[derive(Debug)]
pub(crate) struct Told {
    /// `None` when it has ended.
    running: Option<Running>,
    script: File,
    /// It is opened by the program, by its path below `/proc`; and as long as it is open here, writing to a
    /// program that has ended is no error, and no signal.
    _read_end: OwnedFd,
    patience: Option<Duration>,
    /// What the program is called.
    name: String,
}

impl Invocation {
    /// Starts the program as one that is told what to do.
    pub(crate) fn told(self) -> Result<Told> {
        let failed = |source| Error::io("run", &self.program, source);
        let (read_end, script) = pipe2(OFlag::O_CLOEXEC).map_err(|err| failed(err.into()))?;
        let path = format!("/proc/{}/fd/{}", process::id(), read_end.as_raw_fd());
        let mut script = File::from(script);
        script.write_all(b"#!\n").map_err(failed)?;
        let running = self.start(Some(&OsString::from(path))).map_err(failed)?;
        Ok(Told {
            running: Some(running),
            script,
            _read_end: read_end,
            patience: self.patience,
            name: typed(self.program.as_os_str(), std::iter::empty()),
        })
    }
}

impl Told {
    /// Asks by one line, and reads until the answer is whole; what there is of it if the program ends.
    pub(crate) fn ask(&mut self, line: &str, is_whole: impl Fn(&[u8]) -> bool) -> io::Result<Vec<u8>> {
        let Some(running) = &mut self.running else {
            return Ok(Vec::new());
        };
        writeln!(self.script, "{line}")?;
        running.read_until(is_whole, self.patience)?;
        Ok(running.take_output())
    }

    /// Tells what changes something, and waits for the end, so that tests may die or fail around it.
    pub(crate) fn finish(mut self, lines: &[String]) -> Result<Finished> {
        let typed = format!("{} {}", self.name, lines.join("; "));
        let failed = |source| Error::io("run", &typed, source);
        let text: String = lines.iter().flat_map(|line| [line, "\n"]).collect();
        fault::step(&format!("about to run: {typed}")).map_err(failed)?;
        self.script.write_all(text.as_bytes()).map_err(failed)?;
        fault::point(&format!("begun: {typed}"));
        let finished = self.end().map_err(failed)?;
        fault::step(&format!("done: {typed}")).map_err(failed)?;
        Ok(Finished {
            command: typed,
            ..finished
        })
    }

    /// Ends it by a word, not by the end of the pipe: a child that the test has forked off has that open too.
    fn end(&mut self) -> io::Result<Finished> {
        self.script.write_all(b"exit\n")?;
        let mut running = self.running.take().ok_or(io::ErrorKind::NotFound)?;
        running.read_to_the_end(self.patience)?;
        running.finished()
    }
}

impl Drop for Told {
    fn drop(&mut self) {
        if self.running.is_some() {
            // It was asked, and is told to do nothing.
            let _ = self.end();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn told() -> Told {
        Invocation::new("sh", "dash").unwrap().arg("-e").told().unwrap()
    }

    fn is_line(answer: &[u8]) -> bool {
        answer.ends_with(b"\n")
    }

    #[test]
    fn it_answers_and_is_told_more() {
        let mut told = told();
        assert_eq!(told.ask("x=1; echo first", is_line).unwrap(), b"first\n");
        assert_eq!(told.ask("echo second >&2; echo $x", is_line).unwrap(), b"1\n");
        let finished = told.finish(&["echo more".into(), "echo $x".into()]).unwrap();
        assert!(finished.status.success());
        assert_eq!(
            (finished.stdout.as_slice(), finished.stderr.as_str()),
            (&b"more\n1\n"[..], "second\n")
        );
        assert_eq!(finished.command, "sh echo more; echo $x");
    }

    #[test]
    fn it_ends_with_the_line_that_fails() {
        let mut told = told();
        assert_eq!(told.ask("printf half; exit 5", is_line).unwrap(), b"half");
        assert_eq!(told.ask("echo whole", is_line).unwrap(), b"", "it has ended");
        let finished = told.finish(&["echo never".into()]).unwrap();
        assert_eq!(
            (finished.status.code(), finished.stdout.as_slice()),
            (Some(5), &b""[..])
        );
    }

    #[test]
    fn it_does_nothing_more_when_it_is_dropped() {
        let file = tempfile::NamedTempFile::new().unwrap();
        let mut told = told();
        let line = format!("trap 'echo ended >{}' EXIT; echo", file.path().display());
        told.ask(&line, is_line).unwrap();
        drop(told);
        assert_eq!(std::fs::read(file.path()).unwrap(), b"ended\n");
    }
}
