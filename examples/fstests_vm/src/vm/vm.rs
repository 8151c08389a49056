use std::fmt;
use std::fs::File;
use std::io::{self, BufRead, BufReader, Read, Write};
use std::os::fd::{AsRawFd, OwnedFd, RawFd};
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::process::ExitStatus;
use std::sync::mpsc::{self, Receiver, RecvTimeoutError, Sender};
use std::thread;
use std::time::{Duration, Instant};

use crate::vm::keeper::{Kept, Launch};
use crate::vm::qmp;
use crate::vm::said::Said;

/// A virtual machine that runs, and the lines to it: its kernel's console, our program's event line,
/// and QEMU's own.
///
/// All of them are sockets without a name, so nothing of them can be left behind.
#[derive(Debug)]
pub(crate) struct Vm {
    kept: Kept,
    console: UnixStream,
    events: UnixStream,
    qmp: UnixStream,
    heard: Receiver<FromLine>,
    /// What was told and not yet heard, and when it was said last.
    untaken: Option<(String, Instant)>,
    shutdown: Option<String>,
    is_gone: bool,
}

/// The machine's ends of its lines, by the numbers under which it finds them.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Lines {
    pub(crate) console: RawFd,
    pub(crate) events: RawFd,
    /// Not for User-Mode Linux, which has nothing to say on it.
    pub(crate) qmp: RawFd,
}

/// What is heard of a machine while it runs.
#[derive(Debug)]
pub(crate) enum Heard {
    /// From our program in it.
    Said(Said),
    /// From its kernel, as bytes that begin and end anywhere.
    Console(Vec<u8>),
    /// Nothing, in the time that was given.
    Silence,
    /// Nothing, and there will be no more: it is gone.
    Gone,
}

/// How a machine ended.
#[derive(Debug)]
pub(crate) struct Ended {
    /// The program's: of little use, since QEMU's is 0 after a panic too.
    pub(crate) status: ExitStatus,
    /// QEMU's reason; `None` of a User-Mode Linux kernel, or if QEMU itself was killed.
    pub(crate) shutdown: Option<String>,
}

impl fmt::Display for Ended {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.shutdown {
            Some(reason) => write!(f, "QEMU says: {reason}"),
            None => write!(f, "its program: {}", self.status),
        }
    }
}

#[derive(Debug)]
enum FromLine {
    Said(Said),
    Console(Vec<u8>),
    Told(qmp::Told),
}

/// How long a kernel gets to write what one letter asks for, before the next one.
const BETWEEN_LETTERS: Duration = Duration::from_millis(1500);

/// How long the guest may take to say that it has understood.
const BEFORE_AGAIN: Duration = Duration::from_secs(1);

/// How long a serial line is held in its break.
const AFTER_BREAK: Duration = Duration::from_millis(300);

impl Vm {
    /// Starts a machine. What its kernel says is written to `console_log` as well.
    pub(crate) fn start(
        console_log: &Path,
        launch: impl FnOnce(Lines) -> io::Result<Launch>,
    ) -> io::Result<Self> {
        let (console, its_console) = UnixStream::pair()?;
        let (events, its_events) = UnixStream::pair()?;
        let (mut qmp, its_qmp) = UnixStream::pair()?;
        let mut launch = launch(Lines {
            console: its_console.as_raw_fd(),
            events: its_events.as_raw_fd(),
            qmp: its_qmp.as_raw_fd(),
        })?;
        let its = [its_console, its_events, its_qmp].map(OwnedFd::from);
        launch.fds.extend(its);
        let log = File::create(console_log)?;
        let kept = launch.start()?;
        match qmp::greet(&mut qmp) {
            // One that has ended already is heard to be gone, with what it said.
            Err(err) if err.kind() == io::ErrorKind::BrokenPipe => {}
            greeted => greeted?,
        }
        let (to, heard) = mpsc::channel();
        read_console(console.try_clone()?, log, to.clone());
        read_lines(events.try_clone()?, to.clone(), |line| {
            Said::parse(line).map(FromLine::Said)
        });
        read_lines(qmp.try_clone()?, to, |line| qmp::read(line).map(FromLine::Told));
        Ok(Self {
            kept,
            console,
            events,
            qmp,
            heard,
            untaken: None,
            shutdown: None,
            is_gone: false,
        })
    }

    /// Waits for what is heard next, no longer than that.
    pub(crate) fn hear(&mut self, patience: Duration) -> Heard {
        let until = Instant::now() + patience;
        loop {
            if self.is_gone {
                return Heard::Gone;
            }
            self.say_again();
            let left = until.saturating_duration_since(Instant::now());
            match self.heard.recv_timeout(left.min(BEFORE_AGAIN)) {
                Ok(FromLine::Said(Said::Took(command))) => {
                    if self.untaken.as_ref().is_some_and(|(told, _)| *told == command) {
                        self.untaken = None;
                    }
                }
                Ok(FromLine::Said(said)) => return Heard::Said(said),
                Ok(FromLine::Console(bytes)) => return Heard::Console(bytes),
                Ok(FromLine::Told(qmp::Told::Shutdown(reason))) => self.shutdown = Some(reason),
                Ok(FromLine::Told(qmp::Told::Panicked)) => self.shutdown = Some("guest-panic".to_owned()),
                Err(RecvTimeoutError::Timeout) if Instant::now() >= until => return Heard::Silence,
                // It may be time to say something again.
                Err(RecvTimeoutError::Timeout) => {}
                // Each line closes when all processes of the machine are gone.
                Err(RecvTimeoutError::Disconnected) => self.is_gone = true,
            }
        }
    }

    /// Tells our program in the machine what to do; again and again while it is [heard](Self::hear), until it
    /// says that it has understood.
    pub(crate) fn tell(&mut self, command: &str) -> io::Result<()> {
        self.untaken = Some((command.to_owned(), Instant::now()));
        self.say(command)
    }

    /// Whether the guest has said that it has understood what it was told last.
    pub(crate) fn has_been_understood(&self) -> bool {
        self.untaken.is_none()
    }

    fn say_again(&mut self) {
        let Some((command, said)) = &mut self.untaken else {
            return;
        };
        if said.elapsed() > BEFORE_AGAIN {
            *said = Instant::now();
            let command = command.clone();
            // A machine that cannot be told is one of which it will be heard that it is gone.
            let _ = self.say(&command);
        }
    }

    fn say(&mut self, command: &str) -> io::Result<()> {
        // In one piece: of a line in two, a serial line may keep the end back.
        self.events.write_all(format!("{command}\n").as_bytes())
    }

    /// Asks the kernel itself, past all of its programs, to say what it is doing: its blocked tasks, its
    /// processors, its memory. QEMU's serial line can do that.
    pub(crate) fn interrupt_kernel(&mut self) -> io::Result<()> {
        // `9` first: the rest would stay below the console's level.
        for letter in [b"9", b"w", b"l", b"m"] {
            qmp::send_break(&mut self.qmp)?;
            thread::sleep(AFTER_BREAK);
            self.console.write_all(letter)?;
            thread::sleep(BETWEEN_LETTERS);
        }
        Ok(())
    }

    /// Ends the machine, whatever it is doing.
    pub(crate) fn stop(&mut self) {
        // If it can be told, its reason says that it was us.
        let _ = qmp::quit(&mut self.qmp);
        self.kept.end();
    }

    /// Waits until nothing of it is left.
    pub(crate) fn wait(self) -> io::Result<Ended> {
        let status = self.kept.wait()?;
        Ok(Ended {
            status,
            shutdown: self.shutdown,
        })
    }
}

fn read_console(mut from: UnixStream, mut log: File, to: Sender<FromLine>) {
    thread::spawn(move || {
        let mut bytes = [0; 8192];
        loop {
            match from.read(&mut bytes) {
                Ok(0) | Err(_) => break,
                Ok(count) => {
                    // A full disk must not keep the machine from being heard.
                    let _ = log.write_all(&bytes[..count]);
                    if to.send(FromLine::Console(bytes[..count].to_vec())).is_err() {
                        break;
                    }
                }
            }
        }
    });
}

fn read_lines(
    from: UnixStream,
    to: Sender<FromLine>,
    read: impl Fn(&str) -> Option<FromLine> + Send + 'static,
) {
    thread::spawn(move || {
        let mut from = BufReader::new(from);
        let mut line = Vec::new();
        // An end, or an error, which is one too.
        while matches!(from.read_until(b'\n', &mut line), Ok(1..)) {
            if let Some(heard) = read(&String::from_utf8_lossy(&line)) {
                if to.send(heard).is_err() {
                    break;
                }
            }
            line.clear();
        }
    });
}

#[cfg(test)]
#[path = "vm_tests.rs"]
mod tests;
