//! What happens in a run.

use std::time::Duration;

use serde::Serialize;

use crate::results::compare::Comparison;
use crate::results::outcome::TestResult;
use crate::results::run::RunResults;
use crate::results::test_name::TestName;
use crate::results::trouble::Trouble;

/// Something that happened, for whoever watches; knows nothing of how it is shown.
///
/// As JSON, the name of the variant is the field `event`, and the fields are those below.
#[derive(Clone, Copy, Debug, Serialize)]
#[serde(tag = "event", rename_all = "kebab-case")]
pub(crate) enum Told<'a> {
    /// The run begins.
    RunStarted {
        /// The kernel's release, or its image.
        kernel: &'a str,
        /// The machine, in words.
        machine: &'a str,
        /// How many tests are planned, without the expunged.
        tests: usize,
    },
    /// A test would be run: the answer to `--list`.
    Listed {
        /// Which test.
        name: &'a TestName,
    },
    /// A machine has come to a step.
    Step {
        /// Which shard's; `None` if there is one machine only, here and below.
        shard: Option<u32>,
        /// The step, in words.
        text: &'a str,
    },
    /// A test begins.
    TestStarted {
        /// Whose.
        shard: Option<u32>,
        /// Which test.
        name: &'a TestName,
        /// How long the run will still take, if the last run's times tell; in seconds as JSON.
        #[serde(serialize_with = "seconds")]
        remaining: Option<Duration>,
    },
    /// A test has a verdict.
    TestEnded {
        /// Whose.
        shard: Option<u32>,
        /// The verdict, in the form of `results.json`.
        result: &'a TestResult,
    },
    /// The kernel complains.
    Trouble {
        /// Whose.
        shard: Option<u32>,
        /// During which test.
        test: Option<&'a TestName>,
        /// What it says, in the form of `results.json`. Lines leave out what is asked for or only noted.
        trouble: &'a Trouble,
    },
    /// A machine ended before its time.
    MachineEnded {
        /// Whose.
        shard: Option<u32>,
        /// How.
        why: &'a str,
    },
    /// Something worth a line.
    Note {
        /// The line.
        text: &'a str,
    },
    /// The run is over. As JSON: `exit_code`, `end`, `seconds`, `counts` and `comparison`.
    Summary {
        /// All of it.
        #[serde(skip)]
        run: &'a RunResults,
        /// What changed.
        #[serde(skip)]
        comparison: Option<&'a Comparison>,
    },
}

fn seconds<S: serde::Serializer>(time: &Option<Duration>, serializer: S) -> Result<S::Ok, S::Error> {
    time.map(|time| time.as_secs()).serialize(serializer)
}
