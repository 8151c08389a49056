//! What a whole run came to: `results.json`.

use std::collections::BTreeMap;
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use serde::{Deserialize, Serialize};

use super::outcome::{Outcome, TestResult};
use super::split::Share;
use super::trouble::Trouble;

/// The version of the file that this program writes, and the newest that it reads.
pub(crate) const VERSION: u32 = 1;

/// The file's name in the directory of a run.
pub(crate) const FILE: &str = "results.json";

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
    /// The volumes.
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

/// A volume that a machine had.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct VolumeUsed {
    /// Its role: `test`, `scratch`, ...
    pub(crate) name: String,
    /// Its device or file on the host.
    pub(crate) path: PathBuf,
    /// Its size in bytes.
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

/// Why `results.json` cannot be read or written.
#[derive(Debug, thiserror::Error)]
pub(crate) enum RunError {
    /// It is not there, or not ours to read.
    #[error("cannot read the results `{}` (is this the directory of a run?)", path.display())]
    Read { path: PathBuf, source: io::Error },
    /// It is no results of ours.
    #[error("`{}` is not the results of a run (was it edited, or cut off?)", path.display())]
    Garbage {
        path: PathBuf,
        source: serde_json::Error,
    },
    /// A newer program wrote it.
    #[error("`{}` has version {found}, and this program knows {VERSION} (use the program that wrote it)", path.display())]
    Newer { path: PathBuf, found: u32 },
    /// The directory is not ours to write, or its disk is full.
    #[error("cannot write the results `{}`", path.display())]
    Write { path: PathBuf, source: io::Error },
}

impl RunResults {
    /// Reads the results in a run's directory, or the file itself.
    ///
    /// # Errors
    ///
    /// [`RunError`], never for a field that is missing where this version may leave it out.
    pub(crate) fn read(path: &Path) -> Result<Self, RunError> {
        let path = if path.is_dir() {
            path.join(FILE)
        } else {
            path.to_owned()
        };
        let bytes = std::fs::read(&path).map_err(|source| RunError::Read {
            path: path.clone(),
            source,
        })?;
        // The version first: a newer file may have anything else in it.
        let garbage = |source| RunError::Garbage {
            path: path.clone(),
            source,
        };
        let head: Head = serde_json::from_slice(&bytes).map_err(garbage)?;
        if head.version > VERSION {
            return Err(RunError::Newer {
                path,
                found: head.version,
            });
        }
        serde_json::from_slice(&bytes).map_err(garbage)
    }

    /// Writes the results into a run's directory: there are the old ones or the new, never a part.
    ///
    /// # Errors
    ///
    /// [`RunError::Write`].
    pub(crate) fn write(&self, directory: &Path) -> Result<(), RunError> {
        let path = directory.join(FILE);
        let write = || -> io::Result<()> {
            // The tests in any order would do for this program, but not for a diff.
            let mut sorted = self.clone();
            sorted.tests.sort_by(|a, b| a.name.cmp(&b.name));
            let mut file = tempfile::NamedTempFile::new_in(directory)?;
            serde_json::to_writer_pretty(&mut file, &sorted)?;
            file.write_all(b"\n")?;
            file.as_file().sync_all()?;
            file.persist(&path).map_err(|err| err.error)?;
            Ok(())
        };
        write().map_err(|source| RunError::Write {
            path: path.clone(),
            source,
        })
    }

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

#[derive(Deserialize)]
struct Head {
    version: u32,
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
