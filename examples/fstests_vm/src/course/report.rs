//! What the machines' threads have to say, on its way to the one place that tells it.

use std::sync::mpsc::Sender;

use crate::results::listing::Planned;
use crate::results::outcome::TestResult;
use crate::results::test_name::TestName;
use crate::results::trouble::Trouble;

/// Something that happened in a machine.
#[derive(Debug)]
pub(crate) enum Report {
    /// The kernel's release, as it says itself.
    Booted(String),
    /// What `check -n` says that it would run.
    Planned(Vec<Planned>),
    /// There will be no list of tests.
    NoPlan,
    Step(String),
    Started(TestName),
    Ended(TestResult),
    Trouble(Option<TestName>, Trouble),
    MachineEnded(String),
    Note(String),
}

/// One machine's way to report.
#[derive(Clone, Debug)]
pub(crate) struct Reporter {
    pub(crate) shard: u32,
    to: Sender<(u32, Report)>,
}

impl Reporter {
    pub(crate) fn new(shard: u32, to: Sender<(u32, Report)>) -> Self {
        Self { shard, to }
    }

    pub(crate) fn step(&self, step: &str) {
        self.report(Report::Step(step.to_owned()));
    }

    pub(crate) fn started(&self, name: &TestName) {
        self.report(Report::Started(name.clone()));
    }

    pub(crate) fn ended(&self, result: TestResult) {
        self.report(Report::Ended(result));
    }

    pub(crate) fn trouble(&self, during: Option<&TestName>, trouble: &Trouble) {
        self.report(Report::Trouble(during.cloned(), trouble.clone()));
    }

    pub(crate) fn note(&self, note: &str) {
        self.report(Report::Note(note.to_owned()));
    }

    pub(crate) fn booted(&self, release: String) {
        self.report(Report::Booted(release));
    }

    pub(crate) fn planned(&self, planned: Vec<Planned>) {
        self.report(Report::Planned(planned));
    }

    pub(crate) fn no_plan(&self) {
        self.report(Report::NoPlan);
    }

    pub(crate) fn machine_ended(&self, how: &str) {
        self.report(Report::MachineEnded(how.to_owned()));
    }

    fn report(&self, report: Report) {
        // Who listens is there as long as there are machines.
        let _ = self.to.send((self.shard, report));
    }
}
