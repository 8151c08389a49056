//! What does not depend on how fast a machine is: system calls, by strace, and instructions, by callgrind.

use std::ffi::OsStr;
use std::fs;
use std::path::Path;
use std::process::Command;

use crate::children::run;

/// The system calls that tell of children and locks, and of files by their names.
const TRACED: &str = "clone,clone3,fork,vfork,flock,execve,fcntl,openat,open,rename,renameat,renameat2";

/// The same program, arguments and environment, started by another.
fn started_by(tracer: &mut Command, traced: &Command) {
    // A tracer would take the name for its own.
    let program = fs::canonicalize(traced.get_program()).unwrap_or_else(|_| traced.get_program().into());
    tracer.arg(program).args(traced.get_args());
    for (name, value) in traced.get_envs() {
        if let Some(value) = value {
            tracer.env(name, value);
        }
    }
    run(tracer);
}

pub(crate) struct Calls(Vec<String>);

/// Has a command run, and all of its children, and tells which of these calls they have made.
pub(crate) fn calls(command: &mut Command) -> Calls {
    let file = tempfile::NamedTempFile::new().expect("a file");
    let mut strace = Command::new("strace");
    strace.args(["-f", "-qq", "-e", "signal=none", "-e"]);
    strace.arg(format!("trace={TRACED}")).arg("-o").arg(file.path());
    started_by(&mut strace, command);
    let told = fs::read_to_string(file.path()).expect("what strace has told");
    let calls: Vec<String> = told
        .lines()
        // A call that another process comes in between of is told twice.
        .filter(|line| !line.contains("resumed>"))
        .map(str::to_owned)
        .collect();
    assert!(!calls.is_empty(), "strace tells nothing of {command:?}");
    Calls(calls)
}

impl Calls {
    fn of(&self, names: &[&str]) -> impl Iterator<Item = &String> {
        self.0.iter().filter(move |line| {
            // `PID  NAME(ARGUMENTS...`
            let call = line.split_once(' ').map_or("", |(_, call)| call.trim_start());
            names
                .iter()
                .any(|name| call.strip_prefix(name).is_some_and(|rest| rest.starts_with('(')))
        })
    }

    /// How many processes or threads were started.
    pub(crate) fn children(&self) -> usize {
        self.of(&["clone", "clone3", "fork", "vfork"]).count()
    }

    /// How many locks were asked for in a way that may wait.
    pub(crate) fn waiting_locks(&self) -> usize {
        let flocks = self
            .of(&["flock"])
            .filter(|call| !call.contains("LOCK_NB") && !call.contains("LOCK_UN"));
        flocks.count() + self.of(&["fcntl"]).filter(|call| call.contains("SETLKW")).count()
    }

    /// How many calls name a file in a directory.
    pub(crate) fn in_directory(&self, directory: &Path) -> usize {
        let directory = directory.to_str().expect("a name that can be printed");
        self.0.iter().filter(|call| call.contains(directory)).count()
    }

    /// How many times a file of this name was put in the place of the one before.
    pub(crate) fn renamed_to(&self, name: &str) -> usize {
        let name = format!("/{name}\"");
        self.of(&["rename", "renameat", "renameat2"])
            .filter(|call| call.contains(&name))
            .count()
    }

    /// The calls that have started a program of which the file has one of these names.
    pub(crate) fn started(&self, programs: &[&str]) -> Vec<&String> {
        let names = |call: &&String| {
            let path = call.split('"').nth(1).map(Path::new).and_then(Path::file_name);
            path.and_then(OsStr::to_str)
                .is_some_and(|name| programs.contains(&name))
        };
        // Who looks for a program along PATH fails where it is not.
        self.of(&["execve"])
            .filter(|call| !call.contains("ENOENT"))
            .filter(names)
            .collect()
    }
}

/// How many instructions a command runs, without those of its children.
pub(crate) fn instructions(command: &Command) -> f64 {
    let file = tempfile::NamedTempFile::new().expect("a file");
    let mut valgrind = Command::new("valgrind");
    valgrind.args(["--quiet", "--tool=callgrind"]);
    let mut out = std::ffi::OsString::from("--callgrind-out-file=");
    out.push(file.path());
    valgrind.arg(out);
    started_by(&mut valgrind, command);
    let told = fs::read_to_string(file.path()).expect("what callgrind has told");
    let total = told.lines().find_map(|line| line.strip_prefix("totals: "));
    total
        .and_then(|total| total.trim().parse().ok())
        .unwrap_or_else(|| panic!("callgrind tells no total of {command:?}"))
}
