//! This program, started again by itself: processes that take sessions, hold them, or do nothing at all.

use std::io::{self, BufRead, BufReader, Write};
use std::path::PathBuf;
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};

use kdev_volumes::{Pool, Session};

use crate::measure::timed;
use crate::volumes::{released, spec};

/// Does what such a process is there for, if `verb` is one.
pub(crate) fn serve(verb: &str, more: &[&str]) -> bool {
    let number = |index: usize| more[index].parse().expect("a number");
    match verb {
        "nothing" => {}
        // So many sessions of so many volumes, one after another.
        "sessions" => (0..number(0)).for_each(|_| released(&pool(), &spec(number(1)))),
        // The same, all at once, until its standard input ends.
        "holds" => hold(number(0), number(1)),
        // A session for each line that it is told; it tells the seconds.
        "rounds" => {
            let pool = pool();
            for line in io::stdin().lock().lines() {
                line.expect("a line");
                println!("{}", timed(|| released(&pool, &spec(1))));
            }
        }
        _ => return false,
    }
    true
}

fn pool() -> Pool {
    Pool::from_env().expect("a pool")
}

fn hold(sessions: usize, volumes: usize) {
    let pool = pool();
    let spec = spec(volumes);
    let held: Vec<Session> = (0..sessions)
        .map(|_| pool.allocate(&spec).expect("a session"))
        .collect();
    for volume in held.iter().flat_map(Session::volumes) {
        println!("{}", volume.path().display());
    }
    io::copy(&mut io::stdin(), &mut io::sink()).expect("the end of the input");
    for session in held {
        session.close().expect("volumes that can be given back");
    }
}

/// A command that starts this program. What it looks for at its start would disturb what is measured of others.
pub(crate) fn myself(words: &[&str]) -> Command {
    let mut command = Command::new("/proc/self/exe");
    command.args(words).env("KDEV_REAPER", "off");
    command.stdin(Stdio::null()).stdout(Stdio::null());
    command
}

/// Has a command run to its end, which must be a good one.
pub(crate) fn run(command: &mut Command) {
    let output = command.output().expect("a command that can be started");
    assert!(
        output.status.success(),
        "{command:?}: {}, {}",
        output.status,
        String::from_utf8_lossy(&output.stderr)
    );
}

/// A process that is talked to. It ends when nobody does any more, so that it is gone if this one fails.
pub(crate) struct Talking {
    child: Child,
    input: ChildStdin,
    output: BufReader<ChildStdout>,
}

impl Talking {
    pub(crate) fn start(command: &mut Command) -> Self {
        let mut child = command
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .expect("this program");
        let input = child.stdin.take().expect("it is piped");
        let output = BufReader::new(child.stdout.take().expect("it is piped"));
        Self { child, input, output }
    }

    pub(crate) fn tell(&mut self) {
        writeln!(self.input, "go").expect("a process that listens");
    }

    pub(crate) fn hear(&mut self) -> String {
        let mut line = String::new();
        self.output.read_line(&mut line).expect("a line");
        assert!(
            line.ends_with('\n'),
            "the process has ended: {:?}",
            self.child.wait()
        );
        line.trim().to_owned()
    }

    /// Lets it end by itself.
    pub(crate) fn end(self) {
        let Self { mut child, input, .. } = self;
        drop(input);
        assert!(child.wait().expect("a process that ends").success());
    }

    /// Has it die at once.
    pub(crate) fn kill(mut self) {
        self.child
            .kill()
            .and_then(|()| self.child.wait())
            .expect("a process to kill");
    }
}

/// A process that holds so many sessions of so many volumes each, and the devices of those.
pub(crate) struct Holder {
    process: Talking,
    pub(crate) devices: Vec<PathBuf>,
}

impl Holder {
    pub(crate) fn start(sessions: usize, volumes: usize, variables: &[(&str, &str)]) -> Self {
        let words = ["holds", &sessions.to_string(), &volumes.to_string()];
        let mut process = Talking::start(myself(&words).envs(variables.iter().copied()));
        let devices = (0..sessions * volumes).map(|_| PathBuf::from(process.hear()));
        Self {
            devices: devices.collect(),
            process,
        }
    }

    pub(crate) fn release(self) {
        self.process.end();
    }

    pub(crate) fn kill(self) {
        self.process.kill();
    }
}
