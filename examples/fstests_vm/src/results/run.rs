//! What a whole run came to.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::time::SystemTime;

use serde::{Deserialize, Serialize};

use super::outcome::{Outcome, TestResult};
use super::split::Share;
use super::trouble::Trouble;

/// The version of the file that this program writes, and the newest that it reads.
pub(crate) const VERSION: u32 = 1;

/// A run and its results, as `results.json` has them.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct RunResults {
    /// [`VERSION`].
    pub(crate) version: u32,
    /// The name of the run.
    pub(crate) id: String,
    /// When it began, to the second.
    #[serde(with = "rfc3339")]
    pub(crate) started: SystemTime,
    /// How long it took.
    pub(crate) seconds: f64,
    /// What was tested.
    pub(crate) kernel: Kernel,
    /// On which file system.
    pub(crate) filesystem: Filesystem,
    /// With which tests.
    pub(crate) fstests: Fstests,
    /// In which machine.
    pub(crate) machine: Machine,
    /// Where the volumes came from.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) pool: Option<String>,
    /// The disks of all machines.
    #[serde(default)]
    pub(crate) volumes: Vec<VolumeUsed>,
    /// How many machines at a time.
    pub(crate) shards: u32,
    /// Which part of the plan this was, if it was not the whole.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) share: Option<Share>,
    /// What `check` was asked for.
    #[serde(default)]
    pub(crate) check_args: Vec<String>,
    /// How the run ended.
    pub(crate) end: RunEnd,
    /// What the kernels said when no test was running.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(crate) troubles: Vec<Trouble>,
    /// The verdicts, sorted by name.
    pub(crate) tests: Vec<TestResult>,
}

/// A kernel.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Kernel {
    /// `uname -r`; `None` if no machine got so far.
    pub(crate) release: Option<String>,
    /// The file that was booted.
    pub(crate) image: PathBuf,
}

/// A kind of file system and its options.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Filesystem {
    /// `FSTYP`.
    pub(crate) kind: String,
    /// `MKFS_OPTIONS`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) mkfs_options: Option<String>,
    /// `MOUNT_OPTIONS`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) mount_options: Option<String>,
}

/// An fstests tree.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Fstests {
    /// Where it is on the host.
    pub(crate) directory: PathBuf,
    /// Its version, if it can be known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) version: Option<String>,
}

/// A machine.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Machine {
    /// What runs it.
    pub(crate) kind: MachineKind,
    /// The accelerator, `kvm` or `tcg`; none for UML.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) accelerator: Option<String>,
    /// How it has its root: `virtiofs`, `9p`, `hostfs`, an image.
    pub(crate) root: String,
    /// Its memory.
    pub(crate) memory_mib: u64,
    /// Its processors.
    pub(crate) cpus: u32,
}

/// What runs a machine.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum MachineKind {
    /// QEMU.
    Qemu,
    /// User-Mode Linux.
    Uml,
}

/// A disk that a machine had: a volume, or a slice of one.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct VolumeUsed {
    /// Its role: `test`, `scratch`, ...
    pub(crate) name: String,
    /// The volume's device or file on the host.
    pub(crate) path: PathBuf,
    /// Where in the volume the slice begins, in bytes; none of a disk that is all of it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) offset: Option<u64>,
    /// The disk's size in bytes.
    pub(crate) size: u64,
}

/// How a run ended. A machine that crashed and was followed by another is no end.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "how", rename_all = "kebab-case")]
pub(crate) enum RunEnd {
    /// All that was planned had its turn.
    Complete,
    /// A machine was lost, and the run was not to go on.
    Crashed {
        /// What shows it.
        why: String,
    },
    /// It could not go on.
    Failed {
        /// Why.
        why: String,
    },
    /// It exceeded its limit.
    OutOfTime,
    /// A signal came.
    Interrupted,
}

impl RunResults {
    /// Returns how many tests have each outcome; those of none are left out.
    pub(crate) fn counts(&self) -> BTreeMap<Outcome, usize> {
        let mut counts = BTreeMap::new();
        for test in &self.tests {
            *counts.entry(test.outcome).or_default() += 1;
        }
        counts
    }

    /// Whether no test ran at all, which is no success: not run is a test's own word, expunged is not.
    pub(crate) fn is_empty(&self) -> bool {
        self.tests.iter().all(|test| test.outcome == Outcome::Expunged)
    }

    /// Returns the exit status: 0 success, 1 failures, 3 the kernel's, 130 interrupted.
    ///
    /// Failures also are what never started, a run that did not come to its end, and a run of nothing. The kernel's
    /// are crashes, hangs and what it said that no test asked for.
    pub(crate) fn exit_code(&self) -> u8 {
        let kernel = self.tests.iter().any(TestResult::has_kernel_trouble)
            || self.troubles.iter().any(Trouble::counts);
        let failed = self.is_empty() || self.tests.iter().any(|test| !test.outcome.is_good());
        match &self.end {
            RunEnd::Interrupted => 130,
            RunEnd::Crashed { .. } => 3,
            _ if kernel => 3,
            RunEnd::Failed { .. } | RunEnd::OutOfTime => 1,
            RunEnd::Complete if failed => 1,
            RunEnd::Complete => 0,
        }
    }
}

/// A time as `2026-01-01T10:00:00Z`.
mod rfc3339 {
    use std::time::SystemTime;

    use serde::{Deserialize, Deserializer, Serializer, de::Error};

    pub(super) fn serialize<S: Serializer>(time: &SystemTime, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(&humantime::format_rfc3339_seconds(*time))
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<SystemTime, D::Error> {
        let text = String::deserialize(deserializer)?;
        humantime::parse_rfc3339(&text).map_err(D::Error::custom)
    }
}

#[cfg(test)]
#[path = "run_tests.rs"]
pub(crate) mod tests;
