//! How one machine is started: its directory, its first files, and its program.

use std::ffi::OsString;
use std::fs::{self, File};
use std::io;
use std::os::fd::{AsRawFd, OwnedFd};
use std::os::unix::fs::FileTypeExt;
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::{Child, Stdio};

use crate::course::not_up::{CONSOLE, Cause, NotUp, OUTPUT};
use crate::course::setup::Setup;
use crate::course::shares::Shared;
use crate::error::chain;
use crate::guest::{self, Purpose};
use crate::machine::accel::Accel;
use crate::machine::disk::{Backing, Disk};
use crate::machine::emulator::Emulator;
use crate::machine::fds;
use crate::machine::qemu::{QemuShare, QemuSpec, ShareBy};
use crate::machine::share::Sharing;
use crate::machine::uml::{UmlSpec, memory_directory, xstate};
use crate::machine::virtiofsd::Cache;
use crate::vm::{Keeper, Launch, Lines, Processors, Vm, Wake};
use crate::volumes::Placed;

/// A machine that runs.
#[derive(Debug)]
pub(crate) struct Up {
    pub(crate) vm: Vm,
    /// What brings it the host's directories, and ends with it.
    daemons: Vec<Child>,
}

/// The directory of a machine that the guest shares.
pub(super) const SHARED: &str = "guest";

impl Up {
    /// Ends the machine, whatever it is doing, and waits until nothing of it is left. Returns how it ended.
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

impl Setup {
    /// Starts a machine with these disks, which is not ready yet.
    ///
    /// `dir` is its own: what it says goes there, and what the guest writes goes to `guest` in it.
    pub(super) fn start(
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
        let vm = start().map_err(|err| NotUp::new(Cause::Host, chain(&err), dir))?;
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
        let mut envs = vec![("TMPDIR".into(), memory.into())];
        let library = xstate::library().map_err(io::Error::other)?;
        envs.extend(library.iter().map(xstate::preload));
        Ok(Launch {
            program: self.kernel.image.clone(),
            args: spec.arguments().map_err(io::Error::other)?,
            fds: library.into_iter().collect(),
            output,
            envs,
            processors: Processors::One,
            wake: Wake::EverySecond,
            keeper: Keeper::this(),
        })
    }

    /// Returns the disks as the machine's arguments have them.
    fn disks(&self, placed: &[Placed]) -> Vec<Disk> {
        let of_volume = |placed: &Placed| Disk {
            serial: placed.role.clone(),
            path: placed.path.clone(),
            backing: match placed.offset {
                Some(offset) => Backing::Slice {
                    offset,
                    len: placed.size,
                },
                None => Backing::Whole,
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
                    // A Ctrl-C is ours to answer: a guest without its root would only seem to crash.
                    serving
                        .command
                        .process_group(0)
                        .stdin(Stdio::null())
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
            append: setup.words(),
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
            processors: Processors::Any,
            wake: Wake::Never,
            keeper: Keeper::this(),
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
