//! What the command shows on a terminal, and elsewhere.

use std::io::{BufRead, BufReader, Read};
use std::process::{Child, Command, Stdio};
use std::sync::mpsc;
use std::thread;
use std::time::Duration;

use serde_json::Value;

use crate::scene::{Say, Scene};

/// Long enough for a busy machine: it ends a test that hangs.
const PATIENCE: Duration = Duration::from_secs(120);

/// Ends what it has started, however the test ends.
struct Shown(Child);

impl Drop for Shown {
    fn drop(&mut self) {
        // It may have ended already.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

impl Shown {
    /// Starts a command that never ends by itself.
    fn start(command: &mut Command) -> Self {
        Self(command.stdout(Stdio::piped()).spawn().unwrap())
    }

    /// Reads until it has said something so often.
    fn until(&mut self, what: &str, times: usize) -> String {
        let mut out = self.0.stdout.take().unwrap();
        let (send, pieces) = mpsc::channel();
        thread::spawn(move || {
            let mut piece = [0; 4096];
            while let Ok(count @ 1..) = out.read(&mut piece) {
                if send.send(piece[..count].to_vec()).is_err() {
                    break;
                }
            }
        });
        let mut said = Vec::new();
        while String::from_utf8_lossy(&said).matches(what).count() < times {
            let piece = pieces.recv_timeout(PATIENCE);
            said.extend(piece.unwrap_or_else(|err| panic!("{err}: {}", String::from_utf8_lossy(&said))));
        }
        String::from_utf8_lossy(&said).into_owned()
    }
}

/// The command on a terminal of its own, by script(1).
fn on_a_terminal(scene: &Scene, args: &str) -> Command {
    let mut command = scene.program("script");
    let typed = format!(
        "stty rows 24 cols 120; exec {} {args}",
        env!("CARGO_BIN_EXE_kdev")
    );
    command.args(["--quiet", "--return", "--command", &typed, "/dev/null"]);
    command
        .env("TERM", "xterm")
        .env("SHELL", "/bin/sh")
        .env_remove("NO_COLOR");
    command
}

#[test]
fn a_watched_status_is_written_over_on_a_terminal_in_colours_if_they_are_wanted() {
    let scene = Scene::embedded();
    let child = scene.start("waits");
    let mut command = on_a_terminal(&scene, "pool status --watch=1");
    let said = Shown::start(&mut command).until("\x1b[J", 2);
    assert_eq!(said.matches("\x1b[H").count(), 2, "{said}");
    assert!(said.contains("every 1s, until Ctrl-C"), "{said}");
    assert!(
        said.contains("\x1b[32mkdev-") && said.contains(" alive "),
        "{said}"
    );
    assert!(!said.contains("\x1b[2J"), "nothing flickers: {said}");

    let said = Shown::start(command.env("NO_COLOR", "1")).until("\x1b[J", 1);
    assert!(said.contains("\x1b[H") && !said.contains("\x1b[32m"), "{said}");

    let said = Shown::start(command.env("TERM", "dumb")).until("VERDICT", 2);
    assert!(!said.contains('\x1b'), "{said}");
    child.kill();
    scene.kdev(&["pool", "cleanup"]).good();
}

#[test]
fn a_watched_status_is_one_after_the_other_where_there_is_no_terminal() {
    let scene = Scene::embedded();
    scene.child("keeps_its_scratch").good();
    let said = Shown::start(&mut scene.kdev(&["pool", "status", "--watch=1"])).until("pool `embedded`\n", 2);
    assert!(said.contains("\n\npool `embedded`\n"), "{said}");
    assert!(!said.contains('\x1b'), "{said}");

    let mut watch = Shown::start(&mut scene.kdev(&["pool", "status", "--watch=1", "--json"]));
    let out = BufReader::new(watch.0.stdout.take().unwrap());
    for line in out.lines().take(2) {
        let document: Value = serde_json::from_str(&line.unwrap()).unwrap();
        assert_eq!(document["pools"][0]["volumes"][0]["verdict"], "kept");
    }
    // Nobody reads any more, which is no failure.
    assert_eq!(watch.0.wait().unwrap().code(), Some(0));
    scene.kdev(&["pool", "cleanup", "--kept"]).good();
}

#[test]
fn a_watch_of_a_pool_that_is_not_there_fails_and_one_of_no_time_is_misuse() {
    let scene = Scene::embedded();
    let said = scene.kdev(&["pool", "status", "--watch", "--pool=nowhere"]).say();
    assert_eq!(said.code, Some(1), "{}", said.err);
    for time in ["--watch=0", "--watch=soon", "--watch=86401"] {
        assert_eq!(
            scene.kdev(&["pool", "status", time]).say().code,
            Some(2),
            "{time}"
        );
    }
}

#[test]
fn a_large_cleanup_has_a_bar_on_a_terminal_and_no_bar_elsewhere() {
    let scene = Scene::images();
    let leave = || {
        for _ in 0..4 {
            scene.child("passes_with_two").env("KDEV_KEEP", "always").good();
        }
    };
    leave();
    let said = on_a_terminal(&scene, "pool cleanup --kept").good();
    assert!(said.contains("of 8 volumes"), "{said}");
    assert_eq!(said.matches("removed kdev-").count(), 8, "{said}");
    leave();
    let said = scene.kdev(&["pool", "cleanup", "--kept"]).say();
    assert_eq!((said.code, said.err.as_str()), (Some(0), ""));
    assert_eq!(said.out.matches("removed kdev-").count(), 8, "{}", said.out);
    scene.assert_no_trace();
}
