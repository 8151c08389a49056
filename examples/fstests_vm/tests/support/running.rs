//! A run that goes on, and what it says meanwhile.

use std::fs::File;
use std::io::{BufRead, BufReader};
use std::os::unix::fs::FileExt;
use std::os::unix::process::ExitStatusExt;
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::{self, Receiver, RecvTimeoutError};
use std::thread;
use std::time::{Duration, Instant};

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use serde_json::Value;

use super::left::Left;
use super::{Ran, Scene};

/// Long enough for a busy machine: nothing is measured by it, it ends a test that hangs.
const PATIENCE: Duration = Duration::from_secs(240);

const PAUSE: Duration = Duration::from_millis(20);

/// A place in a run.
#[derive(Clone, Copy, Debug)]
pub(crate) enum At {
    /// Volumes are being taken: the first is on record.
    Record,
    /// There is a process with this in its command.
    Process(&'static str),
    /// It says that it does so.
    Step(&'static str),
    /// That test has begun.
    Test(&'static str),
    /// It has told the first event of this kind.
    Event(&'static str),
}

/// A run that goes on.
#[derive(Debug)]
pub(crate) struct Running<'a> {
    scene: &'a Scene,
    child: Child,
    errors: File,
    lines: Receiver<String>,
    said: Vec<String>,
    until: Instant,
}

impl<'a> Running<'a> {
    pub(super) fn start(scene: &'a Scene, mut command: Command) -> Self {
        let errors = tempfile::tempfile_in(scene.path("")).unwrap();
        command.stdout(Stdio::piped()).stderr(errors.try_clone().unwrap());
        let mut child = command.spawn().unwrap();
        let stdout = BufReader::new(child.stdout.take().unwrap());
        let (to, lines) = mpsc::channel();
        // It ends with the run, which is the last to have the other end.
        thread::spawn(move || {
            for line in stdout.lines().map_while(Result::ok) {
                if to.send(line).is_err() {
                    break;
                }
            }
        });
        Self {
            scene,
            child,
            errors,
            lines,
            said: Vec::new(),
            until: Instant::now() + PATIENCE,
        }
    }

    pub(crate) fn pid(&self) -> Pid {
        Pid::from_raw(self.child.id().try_into().unwrap())
    }

    /// Waits until the run is there.
    pub(crate) fn until(&mut self, at: At) {
        let left = self.scene.left();
        match at {
            At::Record => wait_until("there is a record", || some(&left.records(), left)),
            At::Process(command) => wait_until("there is that process", || {
                let mut processes = left.processes();
                processes.retain(|process| process.command.contains(command));
                some(&processes, left)
            }),
            At::Step(text) => self.until_said("step", "text", |step| step.starts_with(text)),
            At::Test(name) => self.until_said("test-started", "name", |test| test == name),
            At::Event(kind) => self.until_said(kind, "event", |_| true),
        }
    }

    fn until_said(&mut self, kind: &str, key: &str, is_it: impl Fn(&str) -> bool) {
        loop {
            let Some(line) = self.next() else {
                panic!("the run ended before such a `{kind}`:\n{}", self.told());
            };
            let event: Value = serde_json::from_str(&line).unwrap();
            if event["event"] == kind && is_it(event[key].as_str().unwrap()) {
                return;
            }
        }
    }

    /// Sends the program itself a signal, having looked what came of it by now.
    pub(crate) fn signal(&self, signal: Signal) {
        self.scene.left().processes();
        kill(self.pid(), signal).unwrap();
    }

    /// Waits for its end.
    pub(crate) fn wait(mut self) -> Ran {
        while self.next().is_some() {}
        let mut ended = None;
        wait_until("the run has ended", || {
            ended = self.child.try_wait().unwrap();
            ended.ok_or_else(String::new)
        });
        let status = ended.unwrap();
        Ran {
            code: status.code(),
            signal: status.signal(),
            said: std::mem::take(&mut self.said),
            errors: self.errors(),
        }
    }

    fn next(&mut self) -> Option<String> {
        let line = self
            .lines
            .recv_timeout(self.until.saturating_duration_since(Instant::now()));
        match line {
            Ok(line) => {
                self.said.push(line.clone());
                Some(line)
            }
            Err(RecvTimeoutError::Disconnected) => None,
            Err(RecvTimeoutError::Timeout) => panic!("the run does not end:\n{}", self.told()),
        }
    }

    fn told(&self) -> String {
        format!("{}\n{}", self.said.join("\n"), self.errors())
    }

    fn errors(&self) -> String {
        let mut bytes = vec![0; self.errors.metadata().unwrap().len() as usize];
        self.errors.read_exact_at(&mut bytes, 0).unwrap();
        String::from_utf8_lossy(&bytes).into_owned()
    }
}

impl Drop for Running<'_> {
    fn drop(&mut self) {
        // A test that failed; one that did not has waited for it.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn some<T>(found: &[T], left: &Left) -> Result<(), String> {
    if found.is_empty() {
        Err(left.list())
    } else {
        Ok(())
    }
}

/// Waits until it is so, and returns what it then is.
pub(crate) fn wait_until<T>(what: &str, mut is_so: impl FnMut() -> Result<T, String>) -> T {
    let until = Instant::now() + PATIENCE;
    loop {
        match is_so() {
            Ok(it) => return it,
            Err(instead) if Instant::now() > until => panic!("waited in vain until {what}:\n{instead}"),
            Err(_) => thread::sleep(PAUSE),
        }
    }
}
