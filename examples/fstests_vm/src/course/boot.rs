//! How one machine comes up.

use std::ffi::OsString;
use std::fs::{self, File};
use std::io;
use std::os::fd::{AsRawFd, OwnedFd};
use std::os::unix::fs::FileTypeExt;
use std::path::Path;
use std::process::{Child, Stdio};
use std::time::{Duration, Instant};

use kdev_volumes::Bytes;

use crate::course::allowed::Allowed;
use crate::course::report::Reporter;
use crate::course::setup::{Setup, Shared};
use crate::guest::{self, Purpose};
use crate::machine::accel::Accel;
use crate::machine::disk::{Backing, Disk};
use crate::machine::emulator::Emulator;
use crate::machine::fds;
use crate::machine::qemu::{QemuShare, QemuSpec, ShareBy};
use crate::machine::share::Sharing;
use crate::machine::uml::{UmlSpec, memory_directory};
use crate::machine::virtiofsd::Cache;
use crate::results::run::RunEnd;
use crate::results::scanner::{Event, Scanner};
use crate::vm::{Heard, Launch, Lines, Said, Vm};
use crate::volumes::Placed;

/// A machine that is ready for what it is to run.
#[derive(Debug)]
pub(crate) struct Up {
    pub(crate) vm: Vm,
    /// What brings it the host's directories, and ends with it.
    daemons: Vec<Child>,
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
                Heard::Said(Said::Hello(release)) => reporter.booted(release),
                Heard::Said(Said::Step(step)) => reporter.step(&step),
                Heard::Said(Said::Fail(why)) => break NotUp::of(Cause::Host, why),
                Heard::Console(bytes) => note_panic(&mut panic, scanner.feed(&bytes)),
                Heard::Gone => {
                    note_panic(&mut panic, scanner.finish());
                    let why = panic.take();
                    break match why {
                        Some(panic) => NotUp::of(Cause::Kernel, panic),
                        None => NotUp::of(Cause::Host, format!("it ended at once, {}", last_words(dir))),
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
        let mut daemons = Vec::new();
        let mut start = || -> io::Result<Vm> {
            let shared = dir.join(SHARED);
            fs::create_dir_all(&shared)?;
            fs::write(shared.join("environment"), guest::environment(&self.environment))?;
            let output = File::create(dir.join(OUTPUT))?;
            let initramfs = self
                .initramfs(&shared, disks, purpose)
                .map_err(io::Error::other)?;
            let initramfs = fds::sealed(&initramfs).map_err(io::Error::other)?;
            Vm::start(&dir.join(CONSOLE), |lines| {
                let mut launch = match (&self.emulator, accel) {
                    (Some(emulator), Some(accel)) => {
                        let machine = QemuMachine {
                            setup: self,
                            accel,
                            dir: &shared,
                            disks,
                        };
                        machine.launch(emulator, lines, &initramfs, output, &mut daemons)?
                    }
                    _ => self.uml(lines, &initramfs, disks, output)?,
                };
                launch.fds.push(initramfs);
                Ok(launch)
            })
        };
        let vm = start().map_err(|err| NotUp::of(Cause::Host, err.to_string()))?;
        Ok(Up { vm, daemons })
    }

    fn uml(&self, lines: Lines, initramfs: &OwnedFd, disks: &[Placed], output: File) -> io::Result<Launch> {
        let spec = UmlSpec {
            memory: self.memory,
            append: words(&self.append, &self.machine_args),
            initramfs: initramfs.as_raw_fd(),
            console: lines.console,
            events: lines.events,
            disks: self.disks(disks),
        };
        let memory = memory_directory(self.memory).map_err(io::Error::other)?;
        Ok(Launch {
            program: self.kernel.image.clone(),
            args: spec.arguments().map_err(io::Error::other)?,
            fds: Vec::new(),
            output,
            envs: vec![("TMPDIR".into(), memory.into())],
        })
    }

    /// Returns the disks as the machine's arguments have them.
    fn disks(&self, placed: &[Placed]) -> Vec<Disk> {
        let of_volume = |placed: &Placed| Disk {
            serial: placed.role.clone(),
            path: placed.path.clone(),
            backing: match placed.is_slice {
                true => Backing::Slice {
                    offset: Bytes::new(placed.offset),
                    len: placed.size,
                },
                false => Backing::Whole,
            },
            is_block_device: is_block_device(&placed.path),
            read_only: false,
        };
        let root = self.rootfs.iter().map(|image| Disk {
            serial: "root".to_owned(),
            path: image.clone(),
            backing: Backing::Whole,
            is_block_device: is_block_device(image),
            read_only: true,
        });
        placed.iter().map(of_volume).chain(root).collect()
    }
}

/// One machine of QEMU.
struct QemuMachine<'a> {
    setup: &'a Setup,
    accel: Accel,
    /// What the guest shares with us.
    dir: &'a Path,
    disks: &'a [Placed],
}

impl QemuMachine<'_> {
    fn launch(
        &self,
        emulator: &Emulator,
        lines: Lines,
        initramfs: &OwnedFd,
        output: File,
        daemons: &mut Vec<Child>,
    ) -> io::Result<Launch> {
        let setup = self.setup;
        let mut fds = Vec::new();
        let mut shares = Vec::new();
        let root = Shared {
            name: "root",
            path: "/".into(),
        };
        let results = Shared {
            name: "results",
            path: self.dir.to_owned(),
        };
        let wanted = setup.rootfs.is_none().then_some(root).into_iter();
        for Shared { name, path } in wanted.chain([results]).chain(setup.shares()) {
            let is_written = name == "results";
            let by = match &setup.sharing {
                Sharing::Virtiofs(daemon) => {
                    let cache = if is_written { Cache::None } else { Cache::Always };
                    let mut serving = daemon.serve(&path, cache).map_err(io::Error::other)?;
                    serving.command.stdin(Stdio::null());
                    serving
                        .command
                        .stdout(output.try_clone()?)
                        .stderr(output.try_clone()?);
                    daemons.push(serving.command.spawn()?);
                    let number = serving.machine.as_raw_fd();
                    fds.push(serving.machine);
                    ShareBy::Virtiofs(number)
                }
                _ => ShareBy::NineP {
                    path,
                    read_only: !is_written,
                },
            };
            shares.push(QemuShare {
                tag: name.to_owned(),
                by,
            });
        }
        let spec = QemuSpec {
            accel: self.accel,
            machine: setup.board.clone(),
            memory: setup.memory,
            cpus: setup.cpus(),
            kernel: setup.kernel.image.clone(),
            append: setup.append.clone(),
            initramfs: initramfs.as_raw_fd(),
            console: lines.console,
            events: lines.events,
            qmp: lines.qmp,
            disks: setup.disks(self.disks),
            shares,
            extra: setup.machine_args.clone(),
        };
        Ok(Launch {
            program: emulator.program.clone(),
            args: spec.arguments().map_err(io::Error::other)?,
            fds,
            output,
            envs: Vec::new(),
        })
    }
}

fn is_block_device(path: &Path) -> bool {
    path.metadata()
        .is_ok_and(|metadata| metadata.file_type().is_block_device())
}

/// A kernel that is a program takes the user's arguments as words like any others.
fn words(append: &str, machine_args: &[OsString]) -> String {
    let more = machine_args
        .iter()
        .map(|argument| argument.to_string_lossy().into_owned());
    [append.to_owned()]
        .into_iter()
        .chain(more)
        .collect::<Vec<_>>()
        .join(" ")
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
        for mut daemon in self.daemons {
            // It ends when its machine does; one that does not is of no use to anybody.
            let _ = daemon.kill();
            let _ = daemon.wait();
        }
        match ended {
            Ok(ended) => ended.to_string(),
            Err(err) => format!("how it ended cannot be known: {err}"),
        }
    }
}

impl NotUp {
    /// Returns what it means for a run.
    pub(crate) fn as_end(&self) -> RunEnd {
        let why = self.to_string();
        match self.cause {
            Cause::Kernel => RunEnd::Crashed { why },
            Cause::Host => RunEnd::Failed { why },
            Cause::Interrupted => RunEnd::Interrupted,
        }
    }

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
