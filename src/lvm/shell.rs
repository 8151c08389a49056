use serde::de::IgnoredAny;

use crate::command::{Finished, Invocation, Told};
use crate::error::Result;
use crate::lease::Blank;
use crate::lvm::report::{self, READABLE, VG_FIELDS, VgRow};

/// What LVM reads of a line; the last is its end.
const LONGEST_LINE: usize = 250;

/// What fits into any pipe: who writes more than a program that has ended will read waits for good.
const LONGEST_SCRIPT: usize = 4000;

/// LVM, started and waiting for what to make: it takes longer to start, and to look at all disks, than to answer.
///
/// It has the file open from its first moment on that is going to be the session's lease.
#[derive(Debug)]
pub(crate) struct Shell {
    told: Told,
    lease: Blank,
}

impl Shell {
    pub(super) fn start(lease: Blank) -> Result<Self> {
        let told = Invocation::new("lvm", "lvm2")?.holding(lease.shared()?).told()?;
        Ok(Self { told, lease })
    }

    /// Looks a VG up; `None` if LVM gives no such answer, for whatever reason.
    pub(super) fn vg(&mut self, name: &str) -> Option<VgRow> {
        let line = format!("vgs {} -o {VG_FIELDS} {name}", READABLE.join(" "));
        let is_whole = |json: &[u8]| serde_json::from_slice::<IgnoredAny>(json).is_ok();
        let answer = self.told.ask(&line, is_whole).ok()?;
        report::vgs(&line, &answer).ok()?.into_iter().next()
    }

    /// Returns what the lease is to be made of.
    pub(crate) fn lease(&self) -> &Blank {
        &self.lease
    }

    /// Has commands run until one fails.
    pub(super) fn run(self, lines: &[String]) -> Result<Finished> {
        self.told.finish(lines)
    }
}

/// Whether a shell takes these commands. Their words are names, tags and numbers, which it would not split.
pub(super) fn takes(lines: &[String]) -> bool {
    let script: usize = lines.iter().map(|line| line.len() + 1).sum();
    script <= LONGEST_SCRIPT && lines.iter().all(|line| line.len() <= LONGEST_LINE)
}
