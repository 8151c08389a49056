//! The queue between real processes, which are really killed.

use std::env;
use std::fs;
use std::io::{Read, Write};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use super::{Line, Place, Ticket, Watch};
use crate::state_dir::StateDir;

const POOL: &str = "fast";

/// Long enough for a busy machine: it ends a test that hangs.
const PATIENCE: Duration = Duration::from_secs(120);

fn ticket(test: &str) -> Ticket {
    Ticket {
        pools: vec![POOL.to_owned()],
        want_bytes: 4 << 20,
        pid: std::process::id(),
        test: Some(test.to_owned()),
        attempt: None,
        since: "2025-11-15T10:30:45".to_owned(),
    }
}

/// Waits for its turn, says that it has come, and leaves when its input ends.
#[test]
#[ignore = "started by other tests"]
fn waits_in_line() {
    let dir = StateDir::from_env().unwrap();
    let name = env::var("QUEUE_NAME").unwrap();
    let place = Place::take(&dir, &ticket(&name)).unwrap();
    let watch = Watch::new(&dir);
    while place
        .line()
        .unwrap()
        .unwrap()
        .waiting_for(POOL, Some(place.number()))
        > 0
    {
        // Nobody looks at the clock here: who is not woken waits for good.
        watch.wait(PATIENCE * 2);
    }
    let mut served = fs::OpenOptions::new()
        .create(true)
        .append(true)
        .open(dir.root().join("served"))
        .unwrap();
    writeln!(served, "{name}").unwrap();
    std::io::stdin().read_to_end(&mut Vec::new()).unwrap();
}

/// A process in the queue, which is killed if it is still there when the test ends.
struct Waiting(Child);

impl Waiting {
    fn start(dir: &StateDir, name: &str, environment: &[(&str, &str)]) -> Self {
        let mut command = Command::new(env::current_exe().unwrap());
        command
            .args(["--exact", "queue::processes::waits_in_line", "--ignored"])
            .env("KDEV_STATE_DIR", dir.root())
            .env("QUEUE_NAME", name)
            .envs(environment.iter().copied())
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .stderr(Stdio::null());
        Self(command.spawn().unwrap())
    }

    /// Starts one, and waits until it has its place.
    fn behind_the_others(dir: &StateDir, name: &str) -> Self {
        let started = Self::start(dir, name, &[]);
        until("it has its place", || {
            let line = Line::look(dir).unwrap();
            let mut tests = line.tickets(POOL).map(|ticket| ticket.test.as_deref());
            tests.any(|test| test == Some(name))
        });
        started
    }

    fn leave(mut self) {
        drop(self.0.stdin.take());
        assert!(self.0.wait().unwrap().success());
    }

    fn kill(mut self) {
        self.0.kill().unwrap();
        self.0.wait().unwrap();
    }
}

impl Drop for Waiting {
    fn drop(&mut self) {
        // It may have ended.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

fn until(what: &str, mut is_so: impl FnMut() -> bool) {
    let deadline = Instant::now() + PATIENCE;
    while !is_so() {
        assert!(
            Instant::now() < deadline,
            "waited for {PATIENCE:?}, and still not: {what}"
        );
        thread::sleep(Duration::from_millis(5));
    }
}

fn served(dir: &Path) -> Vec<String> {
    let text = fs::read_to_string(dir.join("served")).unwrap_or_default();
    text.lines().map(str::to_owned).collect()
}

/// What is in the queue's directory, tickets or not.
fn files(dir: &StateDir) -> usize {
    fs::read_dir(dir.queue()).map_or(0, Iterator::count)
}

#[test]
fn each_has_its_turn_in_order_of_arrival_and_the_dead_keep_nobody_waiting() {
    let root = tempfile::tempdir().unwrap();
    let dir = StateDir::at(root.path());
    let names = ["first", "second", "third", "fourth", "fifth"];
    let waiting = names.map(|name| Waiting::behind_the_others(&dir, name));
    let line = Line::look(&dir).unwrap();
    let order: Vec<&str> = line
        .tickets(POOL)
        .map(|ticket| ticket.test.as_deref().unwrap())
        .collect();
    assert_eq!(order, names);
    let [first, second, third, fourth, fifth] = waiting;
    until("the first is served", || served(root.path()) == ["first"]);

    fourth.kill();
    first.kill();
    until("the second is served", || {
        served(root.path()) == ["first", "second"]
    });
    second.leave();
    until("the third is served", || served(root.path()).len() == 3);
    third.leave();
    until("the fifth is served", || served(root.path()).len() == 4);
    fifth.leave();
    assert_eq!(served(root.path()), ["first", "second", "third", "fifth"]);
    assert_eq!(files(&dir), 0, "not even the tickets of the dead are left");
}

#[test]
fn a_place_that_somebody_has_removed_is_seen_to_be_gone_and_harms_nobody() {
    let root = tempfile::tempdir().unwrap();
    let dir = StateDir::at(root.path());
    let place = Place::take(&dir, &ticket("first")).unwrap();
    assert!(place.line().unwrap().is_some());
    fs::remove_dir_all(dir.queue()).unwrap();
    assert_eq!(place.line().unwrap(), None);
    let other = Place::take(&dir, &ticket("other")).unwrap();
    assert_eq!(place.number(), other.number(), "the number is free again");
    assert_eq!(place.line().unwrap(), None, "but the place is another's");
    drop(place);
    assert!(other.line().unwrap().is_some());
}

#[cfg(feature = "fault-points")]
#[test]
fn who_dies_anywhere_in_the_queue_keeps_nobody_waiting() {
    let root = tempfile::tempdir().unwrap();
    let dir = StateDir::at(root.path());
    let log = root.path().join("places");
    Waiting::start(&dir, "alone", &[("KDEV_FAULT_LOG", log.to_str().unwrap())]).leave();
    let places = fs::read_to_string(&log).unwrap();
    assert_eq!(
        places.lines().collect::<Vec<_>>(),
        ["ticket written aside", "ticket taken", "ticket removed"]
    );
    for (number, place) in places.lines().enumerate() {
        let mut dying = Waiting::start(&dir, "dying", &[("KDEV_FAULT_AT", &number.to_string())]);
        drop(dying.0.stdin.take());
        assert!(!dying.0.wait().unwrap().success(), "at `{place}`");
        Waiting::start(&dir, "next", &[]).leave();
        assert_eq!(files(&dir), 0, "after dying at `{place}`");
    }
}
