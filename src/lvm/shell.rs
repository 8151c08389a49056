use serde::de::IgnoredAny;

use crate::command::{Finished, Invocation, Told};
use crate::error::Result;
use crate::lease::{Blank, Lease};
use crate::lvm::report::{self, LV_FIELDS, LvRow, READABLE, VG_FIELDS, VgRow};

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
        vg(&mut self.told, name)
    }

    /// Lists all LVs of a VG; `None` if LVM gives no such answer.
    pub(super) fn lvs(&mut self, vg_name: &str) -> Option<Vec<LvRow>> {
        lvs(&mut self.told, vg_name)
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

/// Looks a VG up, and what is in it; `None` if LVM gives no such answer.
pub(super) fn look(vg_name: &str) -> Option<(VgRow, Vec<LvRow>)> {
    let mut told = Invocation::new("lvm", "lvm2").ok()?.told().ok()?;
    // For each question it looks at all disks anew, so it is asked for both at once. An empty VG has no row.
    let line = lvs_line(&format!("{LV_FIELDS},{VG_FIELDS}"), vg_name);
    let answer = ask(&mut told, &line)?;
    let lvs = report::lvs(&line, &answer).ok()?;
    let vg = match report::vg_of_lvs(&line, &answer).ok()? {
        Some(row) => row,
        None => vg(&mut told, vg_name)?,
    };
    Some((vg, lvs))
}

fn vg(told: &mut Told, name: &str) -> Option<VgRow> {
    let line = format!("vgs {} -o {VG_FIELDS} {name}", READABLE.join(" "));
    let answer = ask(told, &line)?;
    report::vgs(&line, &answer).ok()?.into_iter().next()
}

fn lvs(told: &mut Told, vg_name: &str) -> Option<Vec<LvRow>> {
    let line = lvs_line(LV_FIELDS, vg_name);
    let answer = ask(told, &line)?;
    report::lvs(&line, &answer).ok()
}

fn lvs_line(fields: &str, vg_name: &str) -> String {
    format!("lvs {} --all -o {fields} {vg_name}", READABLE.join(" "))
}

/// The end of a line that is too long would be another command, and what is left of it may name another VG.
fn ask(told: &mut Told, line: &str) -> Option<Vec<u8>> {
    let is_read = line.len() <= LONGEST_LINE;
    is_read.then(|| told.ask(line, is_whole).ok()).flatten()
}

fn is_whole(json: &[u8]) -> bool {
    // It is asked as often as something comes.
    json.ends_with(b"}\n") && serde_json::from_slice::<IgnoredAny>(json).is_ok()
}

/// Has commands run by a process that is started for them, and holds the lease.
pub(super) fn run(lines: &[String], lease: &Lease) -> Result<Finished> {
    let told = Invocation::new("lvm", "lvm2")?.holding(lease.shared()?).told()?;
    told.finish(lines)
}

/// Splits commands into scripts; `None` if LVM would not read one of them. Their words are names, tags and
/// numbers, in which there is nothing to quote.
pub(super) fn scripts(lines: &[String]) -> Option<Vec<&[String]>> {
    let mut scripts = Vec::new();
    let (mut from, mut length) = (0, 0);
    for (at, line) in lines.iter().enumerate() {
        if line.len() > LONGEST_LINE {
            return None;
        }
        if length + line.len() >= LONGEST_SCRIPT {
            scripts.push(&lines[from..at]);
            (from, length) = (at, 0);
        }
        length += line.len() + 1;
    }
    scripts.push(&lines[from..]);
    Some(scripts)
}

#[cfg(test)]
mod tests {
    use rstest::rstest;

    use super::*;

    #[rstest]
    #[case::one(&[200], Some(vec![1]))]
    #[case::seven(&[200; 7], Some(vec![7]))]
    #[case::more_than_fits_into_a_pipe(&[200; 50], Some(vec![19, 19, 12]))]
    #[case::as_long_as_may_be(&[250], Some(vec![1]))]
    #[case::too_long(&[200, 251], None)]
    fn scripts_are_as_long_as_lvm_and_a_pipe_take(
        #[case] lengths: &[usize],
        #[case] expected: Option<Vec<usize>>,
    ) {
        let lines: Vec<String> = lengths.iter().map(|&length| "x".repeat(length)).collect();
        let scripts = scripts(&lines).map(|scripts| scripts.iter().map(|script| script.len()).collect());
        assert_eq!(scripts, expected);
    }
}
