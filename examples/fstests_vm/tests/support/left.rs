//! What is there of a scene's runs: processes, loop devices, records, files.

use std::collections::BTreeSet;
use std::ffi::OsStr;
use std::fs;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Mutex;
use std::time::Instant;

use nix::sys::signal::{Signal, kill};
use nix::unistd::{Pid, getsid};
use serde_json::Value;

use super::wait_until;

/// What is left of the runs of one scene.
#[derive(Debug)]
pub(crate) struct Left {
    tmp: PathBuf,
    state: PathBuf,
    /// All sessions of processes in which one was seen that has our environment. A process of a
    /// User-Mode Linux kernel has no environment to be known by, but the session of its keeper.
    sessions: Mutex<BTreeSet<i32>>,
}

/// A process that lives.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Process {
    pub(crate) pid: Pid,
    session: i32,
    pub(crate) command: String,
}

impl Left {
    pub(super) fn of(scene: &Path) -> Self {
        Self {
            tmp: scene.join("tmp"),
            state: scene.join("state"),
            sessions: Mutex::default(),
        }
    }

    /// Returns all processes that came of the scene's runs: by the environment, which is handed down, and by the
    /// sessions of those. Dead ones that nobody has waited for are none.
    pub(crate) fn processes(&self) -> Vec<Process> {
        let marker = [b"KDEV_STATE_DIR=", self.state.as_os_str().as_bytes()].concat();
        let all: Vec<Process> = fs::read_dir("/proc")
            .unwrap()
            .filter_map(|entry| living(&entry.ok()?.path()))
            .collect();
        let own = getsid(None).unwrap().as_raw();
        let mut sessions = self.sessions.lock().unwrap();
        for process in &all {
            let environment = fs::read(format!("/proc/{}/environ", process.pid)).unwrap_or_default();
            if environment
                .split(|byte| *byte == 0)
                .any(|variable| variable == marker)
            {
                assert_ne!(process.session, own, "{process:?} is in the session of the tests");
                sessions.insert(process.session);
            }
        }
        all.into_iter()
            .filter(|process| sessions.contains(&process.session))
            .collect()
    }

    /// Returns the loop devices over files in the scene's directory for temporary files.
    pub(crate) fn loops(&self) -> Vec<PathBuf> {
        let is_ours = |block: &Path| {
            let backing = fs::read(block.join("loop/backing_file")).unwrap_or_default();
            Path::new(OsStr::from_bytes(&backing)).starts_with(&self.tmp)
        };
        let blocks = fs::read_dir("/sys/block")
            .unwrap()
            .map(|entry| entry.unwrap().path());
        let ours = blocks.filter(|block| is_ours(block));
        ours.map(|block| Path::new("/dev").join(block.file_name().unwrap()))
            .collect()
    }

    /// Returns the records of volumes.
    pub(crate) fn records(&self) -> Vec<Value> {
        // Before the first volume there is no such file.
        let Ok(state) = fs::read(self.state.join("lv-state.json")) else {
            return Vec::new();
        };
        let state: Value = serde_json::from_slice(&state).unwrap();
        state["allocations"].as_array().unwrap().clone()
    }

    /// Returns the files that somebody has to remove: all temporary ones and leases. An empty directory for
    /// images is where the next ones go.
    pub(crate) fn files(&self) -> Vec<PathBuf> {
        let mut files = Vec::new();
        for dir in [self.tmp.clone(), self.state.join("leases")] {
            for entry in fs::read_dir(dir).into_iter().flatten() {
                let path = entry.unwrap().path();
                match path.file_name().unwrap().as_bytes().starts_with(b"kdev-images-") {
                    true => files.extend(fs::read_dir(path).unwrap().map(|entry| entry.unwrap().path())),
                    false => files.push(path),
                }
            }
        }
        files
    }

    /// Says what is left, nothing being nothing.
    pub(crate) fn list(&self) -> String {
        let mut lines = Vec::new();
        lines.extend(
            self.processes()
                .iter()
                .map(|process| format!("process {} {}", process.pid, process.command)),
        );
        lines.extend(
            self.loops()
                .iter()
                .map(|device| format!("loop device {}", device.display())),
        );
        lines.extend(
            self.records()
                .iter()
                .map(|record| format!("record of {}", record["lv_name"])),
        );
        lines.extend(self.files().iter().map(|file| format!("file {}", file.display())));
        lines.join("\n")
    }

    /// Fails if a run that has ended left anything. Its watchdog sees that it is not needed when the run is gone.
    pub(crate) fn is_nothing(&self) {
        let left = [self.loops(), self.files()].concat();
        assert!(
            left.is_empty() && self.records().is_empty(),
            "this is left:\n{}",
            self.list()
        );
        self.becomes_nothing(Instant::now());
    }

    /// Fails if there is more of a run that has ended than the volumes that it kept.
    pub(crate) fn are_only_volumes(&self) {
        wait_until("no process is left", || match self.processes().is_empty() {
            true => Ok(()),
            false => Err(self.list()),
        });
        let others = self.files().into_iter().filter(|file| {
            // Beside the image of a volume that is kept is a mark.
            let is_image = ["img", "kept"]
                .iter()
                .any(|kind| file.extension() == Some(kind.as_ref()));
            !is_image && !file.starts_with(self.state.join("leases"))
        });
        assert_eq!(others.collect::<Vec<_>>(), Vec::<PathBuf>::new());
    }

    /// Waits until nothing is left, and says how long after that moment it was so.
    pub(crate) fn becomes_nothing(&self, after: Instant) {
        wait_until("nothing is left", || {
            let left = self.list();
            if left.is_empty() { Ok(()) } else { Err(left) }
        });
        println!("nothing was left after {:.2} s", after.elapsed().as_secs_f64());
    }

    /// Ends and removes it all, for a test that failed or that had volumes kept.
    pub(super) fn remove(&self) {
        // What is gone meanwhile is what is wanted.
        for process in self.processes() {
            let _ = kill(process.pid, Signal::SIGKILL);
        }
        for device in self.loops() {
            let _ = Command::new("losetup").arg("--detach").arg(device).status();
        }
    }
}

fn living(proc: &Path) -> Option<Process> {
    let pid: i32 = proc.file_name()?.to_str()?.parse().ok()?;
    let stat = fs::read_to_string(proc.join("stat")).ok()?;
    // `PID (NAME) STATE PPID PGRP SESSION`, and a name may have anything in it.
    let mut fields = stat.rsplit_once(") ")?.1.split(' ');
    let is_dead = matches!(fields.next()?, "Z" | "X");
    let session = fields.nth(2)?.parse().ok()?;
    let command = fs::read(proc.join("cmdline")).unwrap_or_default();
    let command = String::from_utf8_lossy(&command).replace('\0', " ");
    (!is_dead).then_some(Process {
        pid: Pid::from_raw(pid),
        session,
        command,
    })
}
