//! How one machine comes up.

use std::io;
use std::path::Path;
use std::time::{Duration, Instant};

use crate::course::allowed::{Allowed, PULSE};
use crate::course::not_up::{Cause, Greeting, NotUp};
use crate::course::report::Reporter;
use crate::course::setup::Setup;
use crate::course::start::Up;
use crate::guest::Purpose;
use crate::machine::accel::Accel;
use crate::results::scanner::{Event, Scanner};
use crate::vm::{Heard, Said};
use crate::volumes::Placed;

impl Setup {
    /// Boots a machine with these disks, and returns when it waits for what it is to run.
    ///
    /// `dir` is its own: what it says goes there, and what the guest writes goes to `guest` in it.
    pub(super) fn boot(
        &self,
        dir: &Path,
        disks: &[Placed],
        allowed: &Allowed,
        reporter: &Reporter,
    ) -> Result<Up, NotUp> {
        let mut up = self.start(self.accel(), dir, disks, Purpose::Tests)?;
        let mut scanner = Scanner::default();
        let mut panic = None;
        let mut greeting = Greeting::Awaited;
        let until = Instant::now() + allowed.boot;
        let not_up = loop {
            match up.vm.hear(PULSE) {
                Heard::Said(Said::Ready) => return Ok(up),
                Heard::Said(Said::Hello(release)) => {
                    greeting = Greeting::Heard;
                    reporter.booted(release);
                }
                Heard::Said(Said::Step(step)) => reporter.step(&step),
                Heard::Said(Said::Fail(why)) => break NotUp::new(Cause::Host, why, dir),
                Heard::Console(bytes) => note_panic(&mut panic, scanner.feed(&bytes)),
                Heard::Gone => {
                    note_panic(&mut panic, scanner.finish());
                    break NotUp::gone(panic, greeting, dir);
                }
                _ if allowed.stop.is_asked_for() => {
                    break NotUp::new(Cause::Interrupted, "interrupted".to_owned(), dir);
                }
                _ if Instant::now() > until => {
                    break NotUp::new(Cause::Kernel, out_of_time(allowed.boot, panic), dir);
                }
                _ => {}
            }
        };
        up.end();
        Err(not_up)
    }

    /// Tells whether this kernel comes up with that accelerator, in no more than that time.
    pub(super) fn comes_up(&self, accel: Accel, patience: Duration) -> io::Result<bool> {
        let dir = tempfile::tempdir()?;
        let started = self.start(Some(accel), dir.path(), &[], Purpose::Probe);
        let mut up = started.map_err(io::Error::other)?;
        let until = Instant::now() + patience;
        let comes_up = loop {
            match up.vm.hear(PULSE) {
                Heard::Said(Said::Hello(_)) => break true,
                Heard::Gone => break false,
                _ if Instant::now() > until => break false,
                _ => {}
            }
        };
        up.end();
        Ok(comes_up)
    }
}

/// The kernel's last panic, which is why it is gone.
fn note_panic(panic: &mut Option<String>, events: Vec<Event>) {
    for event in events {
        if let Event::Trouble(trouble) = event {
            if trouble.kind.ends_the_machine() {
                *panic = Some(trouble.line);
            }
        }
    }
}

fn out_of_time(limit: Duration, panic: Option<String>) -> String {
    let limit = humantime::format_duration(Duration::from_secs(limit.as_secs()));
    let said = panic.map_or(String::new(), |panic| format!(", and said: {panic}"));
    format!("it was not ready after {limit}{said}; --boot-limit allows more")
}
