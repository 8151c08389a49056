//! What came of a test.

use std::fmt;

use serde::{Deserialize, Serialize};

use super::test_name::TestName;
use super::trouble::Trouble;

/// What came of a test, from best to worst.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Outcome {
    /// It ran, and all was as it should be.
    Pass,
    /// It was left out by a list of exclusions.
    Expunged,
    /// It found that it cannot run here.
    NotRun,
    /// It was to run, and nothing shows that it did.
    NeverStarted,
    /// It was stopped from outside while it ran, without being at fault: out of time, or a signal.
    Interrupted,
    /// It, a check after it or the kernel found something wrong.
    Fail,
    /// It exceeded its time limit.
    Hung,
    /// The machine ended while it ran.
    Crashed,
}

impl Outcome {
    /// Whether a run of nothing else is a success.
    pub(crate) fn is_good(self) -> bool {
        matches!(self, Self::Pass | Self::Expunged | Self::NotRun)
    }

    /// Whether the test itself was found wanting, unlike one that nobody let finish.
    pub(crate) fn is_failure(self) -> bool {
        matches!(self, Self::Fail | Self::Hung | Self::Crashed)
    }

    /// Whether it ended the machine.
    pub(crate) fn took_the_machine(self) -> bool {
        matches!(self, Self::Hung | Self::Crashed)
    }
}

impl fmt::Display for Outcome {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::Pass => "pass",
            Self::Expunged => "expunged",
            Self::NotRun => "not run",
            Self::NeverStarted => "never started",
            Self::Interrupted => "interrupted",
            Self::Fail => "fail",
            Self::Hung => "hung",
            Self::Crashed => "crashed",
        })
    }
}

/// One time that a test ran, of several.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct Attempt {
    /// What came of it.
    pub(crate) outcome: Outcome,
    /// How long it took, if it is known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) seconds: Option<f64>,
    /// Why it did not pass.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) reason: Option<String>,
}

/// The one verdict on one test.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct TestResult {
    /// Which test.
    pub(crate) name: TestName,
    /// What came of it, over all attempts.
    pub(crate) outcome: Outcome,
    /// How long it took; the longest of all attempts.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) seconds: Option<f64>,
    /// Why it did not pass, or a remark.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) reason: Option<String>,
    /// What the kernel said while it ran.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(crate) troubles: Vec<Trouble>,
    /// Each time that it ran, in order; empty if it ran once.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(crate) attempts: Vec<Attempt>,
    /// The shard that ran it, from 1; `None` if there was one machine only.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) shard: Option<u32>,
    /// Where to look, relative to the run's directory.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(crate) files: Vec<String>,
}

impl TestResult {
    /// Makes a verdict of which nothing more is known.
    pub(crate) fn new(name: TestName, outcome: Outcome) -> Self {
        Self {
            name,
            outcome,
            seconds: None,
            reason: None,
            troubles: Vec::new(),
            attempts: Vec::new(),
            shard: None,
            files: Vec::new(),
        }
    }

    /// The same with a reason.
    pub(crate) fn because(self, reason: impl Into<String>) -> Self {
        Self {
            reason: Some(reason.into()),
            ..self
        }
    }

    /// Whether it passed at one time and failed at another.
    pub(crate) fn is_flaky(&self) -> bool {
        self.flakiness().is_some()
    }

    /// Returns how often it failed, if it also passed.
    pub(crate) fn flakiness(&self) -> Option<Flakiness> {
        let failed = self
            .attempts
            .iter()
            .filter(|attempt| attempt.outcome.is_failure())
            .count();
        let passed = self
            .attempts
            .iter()
            .filter(|attempt| attempt.outcome == Outcome::Pass)
            .count();
        (failed > 0 && passed > 0).then_some(Flakiness {
            failed,
            of: failed + passed,
        })
    }

    /// Whether the kernel is at fault: the machine was lost, or it said what the test did not ask for.
    pub(crate) fn has_kernel_trouble(&self) -> bool {
        self.outcome.took_the_machine()
            || self
                .attempts
                .iter()
                .any(|attempt| attempt.outcome.took_the_machine())
            || self.troubles.iter().any(Trouble::counts)
    }
}

/// How often a test failed of the times that it ran.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Flakiness {
    /// Times that it failed.
    pub(crate) failed: usize,
    /// Times that it ran.
    pub(crate) of: usize,
}

impl fmt::Display for Flakiness {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let percent = (self.failed as f64 * 100.0 / self.of.max(1) as f64).round();
        f.pad(&format!("flaky {percent} % ({}/{})", self.failed, self.of))
    }
}
