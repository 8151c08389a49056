//! One JSON object a line.

use std::collections::BTreeMap;

use serde::Serialize;

use super::told::Told;
use crate::results::compare::Comparison;
use crate::results::outcome::Outcome;
use crate::results::run::RunEnd;

/// The end of a run; its results are in `results.json`.
#[derive(Serialize)]
struct Summary<'a> {
    event: &'static str,
    exit_code: u8,
    end: &'a RunEnd,
    seconds: f64,
    counts: BTreeMap<Outcome, usize>,
    comparison: Option<&'a Comparison>,
}

/// Returns the line, without its newline.
pub(super) fn line(told: &Told<'_>) -> serde_json::Result<String> {
    match told {
        Told::Summary { run, comparison } => serde_json::to_string(&Summary {
            event: "summary",
            exit_code: run.exit_code(),
            end: &run.end,
            seconds: run.seconds,
            counts: run.counts(),
            comparison: *comparison,
        }),
        other => serde_json::to_string(other),
    }
}
