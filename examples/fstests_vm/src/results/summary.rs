//! The closing text of a run.

use std::fmt::Write;
use std::time::Duration;

use super::compare::Comparison;
use super::outcome::{Outcome, TestResult};
use super::run::{MachineKind, RunEnd, RunResults};
use super::trouble::Trouble;

/// How many of the slowest tests are told.
const SLOWEST: usize = 5;

/// Returns the closing text: what was tested, what did not pass and where to look, and how it compares.
///
/// Ends without a newline. Paths are relative to the run's directory.
pub(crate) fn summary(run: &RunResults, comparison: Option<&Comparison>) -> String {
    let mut parts = vec![head(run)];
    parts.extend(bad(run));
    parts.extend(kernel(run));
    parts.extend(flaky(run));
    parts.extend(slowest(run));
    parts.extend(comparison.map(Comparison::to_string));
    parts.push(verdict(run));
    parts.join("\n\n")
}

/// A time in whole seconds, as `2m 5s`.
pub(crate) fn time(seconds: f64) -> String {
    let whole = Duration::try_from_secs_f64(seconds.round()).unwrap_or_default();
    humantime::format_duration(whole).to_string()
}

/// `8 tests: 5 passed, 2 failed, 1 not run`.
fn head(run: &RunResults) -> String {
    let machine = match (&run.machine.kind, &run.machine.accelerator) {
        (MachineKind::Uml, _) => "User-Mode Linux".to_owned(),
        (MachineKind::Qemu, Some(accelerator)) => format!("QEMU, {accelerator}"),
        (MachineKind::Qemu, None) => "QEMU".to_owned(),
    };
    let kernel = run
        .kernel
        .release
        .as_deref()
        .unwrap_or("a kernel that did not come up");
    let share = run
        .share
        .map_or(String::new(), |share| format!(", share {share}"));
    let disks = if run.volumes.iter().any(|disk| disk.offset.is_some()) {
        ", disks are slices of a volume"
    } else {
        ""
    };
    let counts: Vec<String> = run
        .counts()
        .iter()
        .map(|(outcome, count)| format!("{count} {}", past(*outcome)))
        .collect();
    let counts = if counts.is_empty() {
        "nothing to run".to_owned()
    } else {
        counts.join(", ")
    };
    let noun = if run.tests.len() == 1 { "test" } else { "tests" };
    format!(
        "{} on {kernel} ({machine}{share}{disks}), {} {noun} in {}\n{counts}",
        run.filesystem.kind,
        run.tests.len(),
        time(run.seconds)
    )
}

fn past(outcome: Outcome) -> String {
    match outcome {
        Outcome::Pass => "passed".into(),
        Outcome::Fail => "failed".into(),
        other => other.to_string(),
    }
}

/// What did not pass, worst first, with where to look.
fn bad(run: &RunResults) -> Option<String> {
    let mut tests: Vec<&TestResult> = run.tests.iter().filter(|test| !test.outcome.is_good()).collect();
    if tests.is_empty() {
        return None;
    }
    tests.sort_by(|a, b| b.outcome.cmp(&a.outcome).then_with(|| a.name.cmp(&b.name)));
    let width = tests
        .iter()
        .map(|test| test.name.as_str().len())
        .max()
        .unwrap_or(0);
    let mut text = "did not pass:".to_owned();
    let mut untold: Vec<&TestResult> = Vec::new();
    for test in tests {
        // A machine that never came up leaves hundreds of them, all with one reason.
        if test.outcome == Outcome::NeverStarted {
            untold.push(test);
            continue;
        }
        add(
            &mut text,
            format_args!("\n  {:width$}  {}", test.name, test.outcome),
        );
        if let Some(reason) = &test.reason {
            add(&mut text, format_args!(": {reason}"));
        }
        for file in &test.files {
            add(&mut text, format_args!("\n  {:width$}  see {file}", ""));
        }
    }
    never_started(&untold, &mut text);
    Some(text)
}

/// Tells those that never started by their reasons.
fn never_started(tests: &[&TestResult], text: &mut String) {
    let mut reasons: Vec<(&str, Vec<&str>)> = Vec::new();
    for test in tests {
        let reason = test.reason.as_deref().unwrap_or("for an unknown reason");
        match reasons.iter_mut().find(|(known, _)| *known == reason) {
            Some((_, names)) => names.push(test.name.as_str()),
            None => reasons.push((reason, vec![test.name.as_str()])),
        }
    }
    for (reason, names) in reasons {
        let some = names.iter().take(4).copied().collect::<Vec<_>>().join(" ");
        let more = if names.len() > 4 {
            format!(" and {} more", names.len() - 4)
        } else {
            String::new()
        };
        add(
            text,
            format_args!("\n  never started ({}): {some}{more}: {reason}", names.len()),
        );
    }
}

/// What the kernel said that no test asked for, and how much more there is.
fn kernel(run: &RunResults) -> Option<String> {
    let of_tests = run
        .tests
        .iter()
        .flat_map(|test| test.troubles.iter().map(|it| (Some(&test.name), it)));
    let all: Vec<_> = run.troubles.iter().map(|it| (None, it)).chain(of_tests).collect();
    let told: Vec<_> = all.iter().filter(|(_, it)| it.counts()).collect();
    let quiet: Vec<&Trouble> = all.iter().map(|(_, it)| *it).filter(|it| !it.counts()).collect();
    if all.is_empty() {
        return None;
    }
    let mut text = "the kernel said:".to_owned();
    for (test, trouble) in told {
        let place = test.map_or("outside of tests".to_owned(), ToString::to_string);
        add(
            &mut text,
            format_args!("\n  {place}  {}: {}", trouble.kind, trouble.line),
        );
    }
    if !quiet.is_empty() {
        add(
            &mut text,
            format_args!("\n  and {} that tests ask for or that are harmless", quiet.len()),
        );
    }
    Some(text)
}

fn flaky(run: &RunResults) -> Option<String> {
    let lines: Vec<String> = run
        .tests
        .iter()
        .filter_map(|test| Some(format!("\n  {}  {}", test.name, test.flakiness()?)))
        .collect();
    (!lines.is_empty()).then(|| format!("flaky:{}", lines.concat()))
}

fn slowest(run: &RunResults) -> Option<String> {
    let mut timed: Vec<(f64, &TestResult)> = run
        .tests
        .iter()
        .filter_map(|test| Some((test.seconds.filter(|s| *s >= 1.0)?, test)))
        .collect();
    timed.sort_by(|a, b| b.0.total_cmp(&a.0).then_with(|| a.1.name.cmp(&b.1.name)));
    let told: Vec<String> = timed
        .iter()
        .take(SLOWEST)
        .map(|(seconds, test)| format!("{} {}", test.name, time(*seconds)))
        .collect();
    // Of a handful everybody has seen the times.
    (timed.len() > SLOWEST).then(|| format!("slowest: {}", told.join(", ")))
}

fn verdict(run: &RunResults) -> String {
    match (&run.end, run.exit_code()) {
        (RunEnd::Interrupted, _) => "INTERRUPTED".to_owned(),
        (RunEnd::Crashed { why }, _) => format!("CRASHED: {why}"),
        (RunEnd::Failed { why }, _) => format!("FAILED, the run could not go on: {why}"),
        (RunEnd::OutOfTime, _) => "FAILED, the run's time was over".to_owned(),
        (RunEnd::Complete, 0) => "PASSED".to_owned(),
        (RunEnd::Complete, _) if run.is_empty() => {
            "FAILED, no test ran (see what was selected and expunged)".to_owned()
        }
        (RunEnd::Complete, 3) => "FAILED, with trouble in the kernel".to_owned(),
        (RunEnd::Complete, _) => "FAILED".to_owned(),
    }
}

fn add(text: &mut String, more: std::fmt::Arguments<'_>) {
    // Writing into a string cannot fail.
    let _ = text.write_fmt(more);
}

#[cfg(test)]
#[path = "summary_tests.rs"]
mod tests;
