//! The machines of one part of the tests, one at a time, on the same disks.

use std::path::PathBuf;
use std::time::Instant;

use crate::course::allowed::PULSE;
use crate::course::common::Common;
use crate::course::not_up::{NotUp, starts_again};
use crate::course::report::Reporter;
use crate::course::start::{SHARED, Up};
use crate::results::verdict::RoundEnd;
use crate::vm::Heard;
use crate::volumes::Placed;

/// The machines of one part of the tests, one at a time, on the same disks.
pub(super) struct Machines<'a> {
    common: &'a Common<'a>,
    disks: &'a [Placed],
    reporter: Reporter,
    machine: Option<Machine>,
    /// Why there will be no more of them.
    not_up: Option<NotUp>,
    /// How many were started.
    started: u32,
}

/// A machine that waits for what it is to run, or runs it.
pub(super) struct Machine {
    pub(super) up: Up,
    /// What the guest and we both see.
    pub(super) shared: PathBuf,
}

impl<'a> Machines<'a> {
    pub(super) fn new(common: &'a Common<'a>, disks: &'a [Placed], reporter: Reporter) -> Self {
        Self {
            common,
            disks,
            reporter,
            machine: None,
            not_up: None,
            started: 0,
        }
    }

    /// Returns the machine that is there, or boots one. After one that did not come up there is no other.
    pub(super) fn ready(&mut self) -> Result<&mut Machine, NotUp> {
        let machine = match (self.machine.take(), &self.not_up) {
            (Some(machine), _) => machine,
            (None, Some(not_up)) => return Err(not_up.clone()),
            (None, None) => self
                .boot()
                .inspect_err(|not_up| self.not_up = Some(not_up.clone()))?,
        };
        Ok(self.machine.insert(machine))
    }

    /// Boots until one comes up, where it makes sense to try another one.
    fn boot(&mut self) -> Result<Machine, NotUp> {
        let mut failed = 0;
        loop {
            let not_up = match self.boot_one() {
                Ok(machine) => return Ok(machine),
                Err(not_up) => not_up,
            };
            failed += 1;
            if !starts_again(self.common.setup.kernel.flavour, not_up.cause, failed) {
                let lines = not_up.last_lines();
                lines
                    .iter()
                    .for_each(|line| self.reporter.note(&format!("console: {line}")));
                return Err(not_up);
            }
            self.reporter.note(&format!("{not_up}: starting another one"));
        }
    }

    fn boot_one(&mut self) -> Result<Machine, NotUp> {
        self.started += 1;
        let (common, number) = (self.common, self.reporter.shard);
        let dir = common.dir.join(match self.started {
            1 => format!("vm{number}"),
            started => format!("vm{number}.{started}"),
        });
        self.reporter.step("booting");
        let up = common
            .setup
            .boot(&dir, self.disks, common.allowed, &self.reporter)?;
        let shared = dir.join(SHARED);
        Ok(Machine { up, shared })
    }

    /// Ends the machine, and says why and how.
    pub(super) fn end(&mut self, why: &RoundEnd) {
        let Some(machine) = self.machine.take() else {
            return;
        };
        let why = match why {
            RoundEnd::Finished { .. } => "it was not needed any more",
            RoundEnd::Crashed { why } | RoundEnd::Died { why } => why,
            RoundEnd::Hung { .. } => "a test exceeded its limit",
            RoundEnd::OutOfTime { .. } => "the run exceeded its limit",
            RoundEnd::Interrupted => "interrupted",
        };
        let how = machine.up.end();
        self.reporter.machine_ended(&format!("{why} ({how})"));
    }

    /// Lets the guest end by itself, for a while.
    pub(super) fn power_off(&mut self) {
        let Some(mut machine) = self.machine.take() else {
            return;
        };
        let allowed = self.common.allowed;
        let until = Instant::now() + allowed.boot;
        let mut ends = machine.up.vm.tell("end").is_ok();
        while ends && Instant::now() < until && !allowed.stop.is_asked_for() {
            ends = !matches!(machine.up.vm.hear(PULSE), Heard::Gone);
        }
        machine.up.end();
    }
}
