//! How one machine comes up.

use std::fs::{self, File};
use std::io;
use std::os::fd::{AsRawFd, OwnedFd};
use std::path::Path;
use std::time::{Duration, Instant};

use crate::course::allowed::Allowed;
use crate::course::report::Reporter;
use crate::course::setup::Setup;
use crate::guest::{self, GuestConfig, Purpose};
use crate::machine::accel::Accel;
use crate::machine::disk::{Backing, Disk};
use crate::machine::fds;
use crate::machine::initramfs;
use crate::machine::kernel::Flavour;
use crate::machine::qemu::{QemuShare, QemuSpec, ShareBy};
use crate::machine::share::{Daemon, Sharing};
use crate::machine::uml::{UmlSpec, memory_directory};
use crate::results::scanner::{Event, Scanner};
use crate::vm::{Heard, Launch, Lines, Said, Vm};
use crate::volumes::Placed;

/// A machine that is ready for what it is to run.
#[derive(Debug)]
pub(crate) struct Up {
    pub(crate) vm: Vm,
    /// What brings it the host's directories, and ends with it.
    daemons: Vec<Daemon>,
}

/// Why a machine did not come up.
#[derive(Clone, Debug, thiserror::Error)]
#[error("the machine did not come up: {why}")]
pub(crate) struct NotUp {
    why: String,
    pub(crate) cause: Cause,
}

/// What kept a machine from coming up.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Cause {
    /// Its kernel.
    Kernel,
    /// This host, or what it was given.
    Host,
    /// Somebody wants the run to end.
    Interrupted,
}

/// How often the clock is looked at while nothing is heard.
const PULSE: Duration = Duration::from_millis(200);

/// The directory of a machine that the guest shares.
pub(super) const SHARED: &str = "guest";

impl Setup {
    /// Boots a machine with these disks, and returns when it waits for what it is to run.
    ///
    /// `dir` is its own: what it says goes there, and what the guest writes goes to `guest` in it.
    pub(crate) fn boot(
        &self,
        dir: &Path,
        disks: &[Placed],
        allowed: &Allowed,
        reporter: &Reporter,
    ) -> Result<Up, NotUp> {
        let mut up = self.start(self.accel(), dir, disks, Purpose::Tests)?;
        let mut scanner = Scanner::default();
        let mut panic = None;
        let until = Instant::now() + allowed.boot;
        let not_up = loop {
            match up.vm.hear(PULSE) {
                Heard::Said(Said::Ready) => return Ok(up),
                Heard::Said(Said::Hello(release)) => reporter.step(&format!("booted {release}")),
                Heard::Said(Said::Step(step)) => reporter.step(&step),
                Heard::Said(Said::Fail(why)) => break NotUp::of(Cause::Host, why),
                Heard::Console(bytes) => note_panic(&mut panic, scanner.feed(&bytes)),
                Heard::Gone => {
                    note_panic(&mut panic, scanner.finish());
                    let why = panic.take();
                    break match why {
                        Some(panic) => NotUp::of(Cause::Kernel, panic),
                        None => NotUp::of(
                            Cause::Host,
                            format!("it ended at once, {}", last_words(dir)),
                        ),
                    };
                }
                _ if allowed.stop.is_asked_for() => {
                    break NotUp::of(Cause::Interrupted, "interrupted".to_owned());
                }
                _ if Instant::now() > until => {
                    let limit = humantime::format_duration(Duration::from_secs(allowed.boot.as_secs()));
                    break NotUp::of(
                        Cause::Kernel,
                        format!(
                            "it was not ready after {limit}{} (see {}; --boot-limit allows more)",
                            panic.map_or(String::new(), |panic| format!(", and said: {panic}")),
                            dir.join(CONSOLE).display()
                        ),
                    );
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

    fn start(
        &self,
        accel: Option<Accel>,
        dir: &Path,
        disks: &[Placed],
        purpose: Purpose,
    ) -> Result<Up, NotUp> {
        let failed = |err: &dyn std::fmt::Display| NotUp::of(Cause::Host, err.to_string());
        let shared = dir.join(SHARED);
        fs::create_dir_all(&shared).map_err(|err| failed(&err))?;
        let environment = guest::environment(&self.environment);
        fs::write(shared.join("environment"), environment).map_err(|err| failed(&err))?;
        let output = File::create(dir.join(OUTPUT)).map_err(|err| failed(&err))?;
        let initramfs = self.initramfs(&shared, disks, purpose).map_err(|err| failed(&err))?;
        let mut daemons = Vec::new();
        let vm = Vm::start(&dir.join(CONSOLE), |lines| {
            let launch = match self.kernel.flavour {
                Flavour::Bzimage => {
                    self.qemu(accel.unwrap_or(Accel::Tcg), lines, initramfs, &shared, disks, &mut daemons)
                }
                Flavour::Uml => self.uml(lines, initramfs, disks),
            };
            let (program, args, fds, envs) = launch.map_err(io::Error::other)?;
            Ok(Launch {
                program,
                args,
                fds,
                output,
                envs,
            })
        });
        let vm = vm.map_err(|err| failed(&err))?;
        Ok(Up { vm, daemons })
    }
}

/// What a machine is started as: a program, its arguments, the descriptors that these name, its environment.
pub(super) struct Started {
    pub(super) program: PathBuf,
    pub(super) args: Vec<OsString>,
    pub(super) fds: Vec<OwnedFd>,
    pub(super) envs: Vec<(OsString, OsString)>,
}

/// What the machine's kernel says.
const CONSOLE: &str = "console.log";

/// What the program that is the machine says itself.
const OUTPUT: &str = "machine.log";

impl Up {
    /// Ends the machine, whatever it is doing, and waits until nothing of it is left.
    pub(crate) fn end(mut self) -> String {
        self.vm.stop();
        let ended = self.vm.wait();
        drop(self.daemons);
        match ended {
            Ok(ended) => ended.to_string(),
            Err(err) => format!("how it ended cannot be known: {err}"),
        }
    }
}

impl NotUp {
    fn of(cause: Cause, why: String) -> Self {
        Self { why, cause }
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

/// What the program said that is the machine, for one that never got as far as a kernel.
fn last_words(dir: &Path) -> String {
    let said = fs::read(dir.join(OUTPUT)).unwrap_or_default();
    let said = String::from_utf8_lossy(&said);
    match said.lines().rfind(|line| !line.trim().is_empty()) {
        Some(line) => format!("and said: {line}"),
        None => format!("without a word (see {})", dir.display()),
    }
}
