//! Tells what the machines report, with what only the whole run knows: how many there are, and what is left.

use std::collections::BTreeMap;
use std::io::{self, Write};
use std::time::Duration;

use crate::course::report::Report;
use crate::results::compare::Comparison;
use crate::results::limits::remaining;
use crate::results::run::RunResults;
use crate::results::tell::teller::Teller;
use crate::results::tell::told::Told;
use crate::results::test_name::TestName;

/// Tells a run to whoever watches.
pub(crate) struct Telling {
    teller: Teller<Box<dyn Write>>,
    machines: usize,
    /// What the kernel and the machine are called.
    kernel: String,
    machine: String,
    left: Vec<TestName>,
    last: BTreeMap<TestName, f64>,
}

impl Telling {
    pub(crate) fn new(teller: Teller<Box<dyn Write>>) -> Self {
        Self {
            teller,
            machines: 1,
            kernel: String::new(),
            machine: String::new(),
            left: Vec::new(),
            last: BTreeMap::new(),
        }
    }

    pub(crate) fn note(&mut self, text: &str) {
        self.teller.tell(&Told::Note { text });
    }

    /// Says what tests will run on.
    pub(super) fn of_machines(&mut self, kernel: &str, machine: &str, machines: usize) {
        self.kernel = kernel.to_owned();
        self.machine = machine.to_owned();
        self.machines = machines;
    }

    /// Says which tests there are.
    pub(super) fn planned(&mut self, tests: &[TestName], last: &BTreeMap<TestName, f64>) {
        self.left = tests.to_vec();
        self.last.clone_from(last);
        let (kernel, machine) = (self.kernel.clone(), self.machine.clone());
        self.teller.tell(&Told::RunStarted {
            kernel: &kernel,
            machine: &machine,
            tests: tests.len(),
        });
    }

    /// Tells what a machine has reported.
    pub(super) fn report(&mut self, number: u32, report: &Report) {
        let shard = (self.machines > 1).then_some(number);
        match report {
            Report::Step(text) => self.teller.tell(&Told::Step { shard, text }),
            Report::Started(name) => {
                let remaining = self.remaining();
                self.teller.tell(&Told::TestStarted {
                    shard,
                    name,
                    remaining,
                });
            }
            Report::Ended(result) => {
                self.left.retain(|name| *name != result.name);
                self.teller.tell(&Told::TestEnded { shard, result });
            }
            Report::Trouble(test, trouble) => self.teller.tell(&Told::Trouble {
                shard,
                test: test.as_ref(),
                trouble,
            }),
            Report::MachineEnded(why) => self.teller.tell(&Told::MachineEnded { shard, why }),
            Report::Note(text) => self.teller.tell(&Told::Note { text }),
            Report::Booted(_) | Report::Planned(_) | Report::NoPlan => {}
        }
    }

    /// Estimates what is left by the last run, as if the machines shared it evenly.
    fn remaining(&self) -> Option<Duration> {
        let all = remaining(&self.left, &|name| self.last.get(name).copied())?;
        Some(all / u32::try_from(self.machines).unwrap_or(1).max(1))
    }

    /// Brings running times up to date; returns how soon to do it again, if ever.
    pub(super) fn tick(&self) -> Option<Duration> {
        self.teller.tick()
    }

    /// Returns why nothing more is told, if so.
    pub(crate) fn error(&self) -> Option<&io::Error> {
        self.teller.error()
    }

    /// Says which tests would be run.
    pub(crate) fn list(&mut self, tests: &[TestName]) {
        tests
            .iter()
            .for_each(|name| self.teller.tell(&Told::Listed { name }));
    }

    pub(crate) fn summary(&mut self, run: &RunResults, comparison: Option<&Comparison>) {
        self.teller.tell(&Told::Summary { run, comparison });
    }
}
