//! What changed since another run.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use serde::Serialize;

use super::outcome::{Outcome, TestResult};
use super::run::RunResults;
use super::test_name::TestName;

/// A test whose outcome is another now.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub(crate) struct Change {
    /// Which test.
    pub(crate) name: TestName,
    /// Its outcome then; `None` if it was not there.
    pub(crate) then: Option<Outcome>,
    /// Its outcome now.
    pub(crate) now: Outcome,
    /// Why now.
    pub(crate) reason: Option<String>,
}

/// A test that passes, but takes much longer.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub(crate) struct Slower {
    /// Which test.
    pub(crate) name: TestName,
    /// Seconds then.
    pub(crate) then: f64,
    /// Seconds now.
    pub(crate) now: f64,
}

/// What changed from one run to another. A test is in one list at most, but for [`slower`](Self::slower) and a
/// failure that is [`added`](Self::added).
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub(crate) struct Comparison {
    /// The run it is compared with.
    pub(crate) with: String,
    /// Failed now and not then; also took the machine now and not then.
    pub(crate) new_failures: Vec<Change>,
    /// Failed then and pass now.
    pub(crate) fixed: Vec<TestName>,
    /// Failed then and now.
    pub(crate) still_failing: Vec<TestName>,
    /// Failed at one time and passed at another, within one of the runs.
    pub(crate) flaky: Vec<TestName>,
    /// Had a result then, and came to none now: not run, expunged, never started or stopped.
    pub(crate) lost: Vec<Change>,
    /// Were planned then, and not now.
    pub(crate) gone: Vec<TestName>,
    /// Are planned now, and were not then.
    pub(crate) added: Vec<TestName>,
    /// Take much longer.
    pub(crate) slower: Vec<Slower>,
}

/// Times vary by a factor of two on a machine with other loads.
const SLOWER_TIMES: f64 = 3.0;

/// Less than this is nothing that anybody waits for, in seconds.
const SLOWER_BY: f64 = 30.0;

/// Compares a run with an older one.
pub(crate) fn compare(old: &RunResults, new: &RunResults) -> Comparison {
    let then: BTreeMap<&TestName, &TestResult> = old.tests.iter().map(|test| (&test.name, test)).collect();
    let now: BTreeMap<&TestName, &TestResult> = new.tests.iter().map(|test| (&test.name, test)).collect();
    let mut found = Comparison {
        with: old.id.clone(),
        ..Comparison::default()
    };
    let names: BTreeSet<&TestName> = then.keys().chain(now.keys()).copied().collect();
    for name in names {
        match (then.get(name), now.get(name)) {
            (Some(then), Some(now)) => both(then, now, &mut found),
            (None, Some(now)) => {
                found.added.push(name.clone());
                if now.outcome.is_failure() {
                    found.new_failures.push(change(None, now));
                }
            }
            (_, None) => found.gone.push(name.clone()),
        }
    }
    found
}

fn both(then: &TestResult, now: &TestResult, found: &mut Comparison) {
    let name = || now.name.clone();
    let takes_the_machine = now.outcome.took_the_machine() && !then.outcome.took_the_machine();
    if takes_the_machine {
        // Whatever else is known of it: no flakiness excuses a machine.
        return found.new_failures.push(change(Some(then), now));
    }
    if then.is_flaky() || now.is_flaky() {
        return found.flaky.push(name());
    }
    let had_a_result = then.outcome == Outcome::Pass || then.outcome.is_failure();
    match (then.outcome, now.outcome) {
        (Outcome::Pass, Outcome::Pass) => found.slower.extend(slower(then, now)),
        (before, Outcome::Pass) if before.is_failure() => found.fixed.push(name()),
        (before, after) if after.is_failure() && before.is_failure() => found.still_failing.push(name()),
        (_, after) if after.is_failure() => found.new_failures.push(change(Some(then), now)),
        (_, after) if had_a_result && after != Outcome::Pass => found.lost.push(change(Some(then), now)),
        _ => {}
    }
}

fn change(then: Option<&TestResult>, now: &TestResult) -> Change {
    let then = then.map(|test| test.outcome);
    Change {
        name: now.name.clone(),
        then,
        now: now.outcome,
        reason: now.reason.clone(),
    }
}

fn slower(then: &TestResult, now: &TestResult) -> Option<Slower> {
    let (before, after) = (then.seconds?, now.seconds?);
    let is_slower = after > before * SLOWER_TIMES && after - before >= SLOWER_BY;
    is_slower.then(|| Slower {
        name: now.name.clone(),
        then: before,
        now: after,
    })
}

/// How many names of a list are told; the rest is a number.
const TOLD: usize = 12;

impl fmt::Display for Comparison {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "compared with {}:", self.with)?;
        let width = self
            .new_failures
            .iter()
            .chain(&self.lost)
            .map(|it| it.name.as_str().len())
            .max()
            .unwrap_or(0);
        for (title, changes) in [
            ("new failures", &self.new_failures),
            ("had a result, and have none", &self.lost),
        ] {
            if !changes.is_empty() {
                write!(f, "\n  {title} ({})", changes.len())?;
            }
            for it in changes {
                let then = it.then.map_or("absent".to_owned(), |outcome| outcome.to_string());
                write!(f, "\n    {:width$}  {then} -> {}", it.name, it.now)?;
                if let Some(reason) = &it.reason {
                    write!(f, ": {reason}")?;
                }
            }
        }
        let lists = [
            ("fixed", &self.fixed),
            ("still failing", &self.still_failing),
            ("flaky", &self.flaky),
            ("gone", &self.gone),
            ("added", &self.added),
        ];
        for (title, names) in lists {
            if !names.is_empty() {
                let told: Vec<&str> = names.iter().take(TOLD).map(TestName::as_str).collect();
                write!(f, "\n  {title} ({}): {}", names.len(), told.join(" "))?;
            }
            if names.len() > TOLD {
                write!(f, " and {} more", names.len() - TOLD)?;
            }
        }
        if !self.slower.is_empty() {
            write!(f, "\n  slower ({})", self.slower.len())?;
        }
        for it in &self.slower {
            write!(f, "\n    {}  {:.0} s -> {:.0} s", it.name, it.then, it.now)?;
        }
        if *self
            == (Self {
                with: self.with.clone(),
                ..Self::default()
            })
        {
            write!(f, " nothing changed")?;
        }
        Ok(())
    }
}

#[cfg(test)]
#[path = "compare_tests.rs"]
mod tests;
