use std::io;
use std::os::fd::AsFd;
use std::process::{Child, ChildStderr, ChildStdout};
use std::time::{Duration, Instant};

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

use crate::command::Finished;
use crate::pipes::{read_some, ready};

/// A program that runs, and what it has written so far.
#[derive(Debug)]
pub(super) struct Running {
    child: Child,
    command: String,
    stdout: Option<ChildStdout>,
    stderr: Option<ChildStderr>,
    out: Vec<u8>,
    err: Vec<u8>,
}

impl Running {
    pub(super) fn new(mut child: Child, command: String) -> Self {
        Self {
            stdout: child.stdout.take(),
            stderr: child.stderr.take(),
            child,
            command,
            out: Vec::new(),
            err: Vec::new(),
        }
    }

    /// Reads both pipes to their ends, as they fill: a program that waits for one of them never ends.
    pub(super) fn read_to_the_end(&mut self, patience: Option<Duration>) -> io::Result<()> {
        self.read_until(|_| false, patience)
    }

    /// Reads both pipes until what is on standard output is enough, or to their ends. Who takes longer than that
    /// is asked to stop, and waited for.
    pub(super) fn read_until(
        &mut self,
        is_enough: impl Fn(&[u8]) -> bool,
        patience: Option<Duration>,
    ) -> io::Result<()> {
        let mut deadline = patience.map(|patience| Instant::now() + patience);
        while (self.stdout.is_some() || self.stderr.is_some()) && !is_enough(&self.out) {
            let pipes = [
                self.stdout.as_ref().map(AsFd::as_fd),
                self.stderr.as_ref().map(AsFd::as_fd),
            ];
            let [out_ready, err_ready] = ready(pipes, deadline)?;
            if out_ready {
                self.out.extend(read_some(&mut self.stdout)?);
            }
            if err_ready {
                self.err.extend(read_some(&mut self.stderr)?);
            }
            if let Some(patience) =
                patience.filter(|_| deadline.is_some_and(|deadline| Instant::now() >= deadline))
            {
                deadline = None;
                self.ask_to_stop(patience);
            }
        }
        Ok(())
    }

    /// Takes what is on standard output so far; what comes now is another answer. Nothing once it has ended.
    pub(super) fn take_output(&mut self) -> Vec<u8> {
        std::mem::take(&mut self.out)
    }

    /// Waits for the end of a program that has closed its pipes.
    pub(super) fn finished(mut self) -> io::Result<Finished> {
        Ok(Finished {
            command: self.command,
            status: self.child.wait()?,
            stdout: self.out,
            stderr: String::from_utf8_lossy(&self.err).into_owned(),
        })
    }

    fn ask_to_stop(&self, patience: Duration) {
        let pid = self.child.id();
        let command = &self.command;
        eprintln!(
            "kdev: `{command}` (pid {pid}) has taken {patience:?}; asked it to stop, and waiting for it"
        );
        let pid = i32::try_from(pid).expect("a pid is a positive i32");
        // It may have ended just now; it is waited for in any case.
        let _ = kill(Pid::from_raw(pid), Signal::SIGTERM);
    }
}
