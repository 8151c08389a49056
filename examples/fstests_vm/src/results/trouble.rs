//! What the kernel complains about.

use std::collections::BTreeMap;
use std::fmt;

use serde::{Deserialize, Serialize};

/// One report of the kernel, whatever the number of its lines.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Trouble {
    /// What it is.
    pub(crate) kind: TroubleKind,
    /// Its most telling line, without the time; for an oops with the place where it happened.
    pub(crate) line: String,
    /// Whether the test that was running asks for it; judged by [`verdicts`](super::verdict::verdicts).
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub(crate) asked_for: bool,
}

impl Trouble {
    /// Makes a report that nobody asked for.
    pub(crate) fn new(kind: TroubleKind, line: impl Into<String>) -> Self {
        Self {
            kind,
            line: line.into(),
            asked_for: false,
        }
    }

    /// Whether this is the kernel's fault as far as can be told: serious, and not asked for.
    pub(crate) fn counts(&self) -> bool {
        !self.asked_for && self.kind.severity() > Severity::Noted
    }
}

/// How many reports of one kind are kept.
const KEPT: usize = 10;

/// Keeps the first few of each kind, and says with the last of them how many more there were.
///
/// A test on a failing device makes thousands of lines (generic/475), and a lockup is told every few seconds.
pub(crate) fn few(troubles: Vec<Trouble>) -> Vec<Trouble> {
    let mut counts: BTreeMap<TroubleKind, usize> = BTreeMap::new();
    let mut kept = Vec::new();
    for trouble in troubles {
        let count = counts.entry(trouble.kind).or_default();
        *count += 1;
        if *count <= KEPT {
            kept.push(trouble);
        }
    }
    for (kind, count) in counts.into_iter().filter(|(_, count)| *count > KEPT) {
        if let Some(last) = kept.iter_mut().rev().find(|trouble| trouble.kind == kind) {
            last.line.push_str(&format!(" (and {} more)", count - KEPT));
        }
    }
    kept
}

/// How bad a kind of trouble is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Severity {
    /// To be told, but not a failure.
    Noted,
    /// A failure of the test that did not ask for it.
    Serious,
    /// Nothing runs after it.
    Fatal,
}

/// A kind of report.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum TroubleKind {
    /// `Kernel panic - not syncing`.
    Panic,
    /// A fault in the kernel: paging, general protection, division, an invalid opcode.
    Oops,
    /// `kernel BUG at`, `BUG: sleeping function ...`, slab and page reports, busy inodes after unmount.
    Bug,
    /// An assertion of a file system that did not hold (XFS, btrfs).
    Assertion,
    /// `WARNING:`.
    Warning,
    /// KASAN: memory that was not to be touched.
    Kasan,
    /// KFENCE: the sampling one.
    Kfence,
    /// KCSAN: a data race.
    Kcsan,
    /// KMSAN: memory that nobody has written.
    Kmsan,
    /// UBSAN: undefined behaviour.
    Ubsan,
    /// Locks taken in an order that may deadlock, and RCU used without its lock.
    Lockdep,
    /// A task blocked for minutes.
    HungTask,
    /// A CPU that does not schedule, and a work queue that does not move.
    SoftLockup,
    /// A CPU that does not take interrupts.
    HardLockup,
    /// A CPU that RCU waits for.
    RcuStall,
    /// The OOM killer.
    OutOfMemory,
    /// kmemleak.
    MemoryLeak,
    /// A failed request of a device that the tests stack or fake themselves (loop, dm, ram, scsi_debug).
    IoError,
    /// A failed request of one of the machine's own disks: either injected, or the host's volume is full or gone.
    DiskError,
}

impl TroubleKind {
    /// Returns how bad it is.
    ///
    /// An [`IoError`](Self::IoError) is noted only: udev reading a loop device that is being taken away makes
    /// one without anybody's fault. A [`DiskError`](Self::DiskError) is serious where no test injects it.
    pub(crate) fn severity(self) -> Severity {
        match self {
            Self::Panic => Severity::Fatal,
            Self::IoError => Severity::Noted,
            _ => Severity::Serious,
        }
    }

    /// Whether the machine is over with it.
    pub(crate) fn ends_the_machine(self) -> bool {
        self.severity() == Severity::Fatal
    }
}

impl fmt::Display for TroubleKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::Panic => "panic",
            Self::Oops => "oops",
            Self::Bug => "bug",
            Self::Assertion => "assertion",
            Self::Warning => "warning",
            Self::Kasan => "KASAN report",
            Self::Kfence => "KFENCE report",
            Self::Kcsan => "KCSAN report",
            Self::Kmsan => "KMSAN report",
            Self::Ubsan => "UBSAN report",
            Self::Lockdep => "lockdep report",
            Self::HungTask => "hung task",
            Self::SoftLockup => "soft lockup",
            Self::HardLockup => "hard lockup",
            Self::RcuStall => "RCU stall",
            Self::OutOfMemory => "out of memory",
            Self::MemoryLeak => "memory leak",
            Self::IoError => "I/O error",
            Self::DiskError => "disk error",
        })
    }
}

#[cfg(test)]
mod tests {
    use super::TroubleKind::{DiskError, IoError, Oops, Panic, Warning};
    use super::{Severity, Trouble, few};

    #[test]
    fn thousands_of_one_kind_are_a_few_and_a_number() {
        let mut many: Vec<Trouble> = (0..1000)
            .map(|n| Trouble::new(IoError, format!("error {n}")))
            .collect();
        many.push(Trouble::new(Warning, "one"));
        let kept = few(many);
        assert_eq!(
            (kept.len(), &kept[9].line[..], &kept[10].line[..]),
            (11, "error 9 (and 990 more)", "one")
        );
    }

    #[test]
    fn only_a_panic_ends_the_machine_and_only_a_stacked_devices_error_is_harmless() {
        assert!(Panic.ends_the_machine());
        assert!(!Oops.ends_the_machine());
        assert_eq!(IoError.severity(), Severity::Noted);
        assert!(!Trouble::new(IoError, "x").counts());
        assert!(Trouble::new(DiskError, "x").counts());
        assert!(
            !Trouble {
                asked_for: true,
                ..Trouble::new(Warning, "x")
            }
            .counts()
        );
    }
}
