//! Plain lines.

use super::told::Told;
use crate::results::outcome::{Outcome, TestResult};
use crate::results::summary::summary;

/// Whether outcomes are coloured.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Colours {
    /// As they are.
    Plain,
    /// With the escape sequences of a terminal.
    Ansi,
}

impl Colours {
    /// Decides by where lines go, and by `NO_COLOR` (no-color.org: any value but the empty one).
    pub(crate) fn of(is_terminal: bool, no_color: Option<&std::ffi::OsStr>) -> Self {
        let is_unwanted = no_color.is_some_and(|value| !value.is_empty());
        if is_terminal && !is_unwanted {
            Self::Ansi
        } else {
            Self::Plain
        }
    }
}

/// Columns of a name and of an outcome; longer ones push the rest.
const NAME: usize = 12;
const OUTCOME: usize = 8;

/// Returns the text that tells this, without its last newline; `None` where a line would say nothing new.
pub(super) fn text(told: &Told<'_>, colours: Colours) -> Option<String> {
    Some(match told {
        Told::RunStarted {
            kernel,
            machine,
            tests,
        } => {
            let noun = if *tests == 1 { "test" } else { "tests" };
            format!("{tests} {noun} on {kernel}, {machine}")
        }
        Told::Listed { name } => name.to_string(),
        Told::Step { shard, text } => format!("{}{text}", of(*shard)),
        // Of a test that takes an hour, or the machine with it, this is for long the only word.
        Told::TestStarted { shard, name, .. } => format!("{}{name:NAME$}  started", of(*shard)),
        Told::TestEnded { shard, result } => format!("{}{}", of(*shard), ended(result, colours)),
        // Thousands of lines, of tests that ask for them.
        Told::Trouble { trouble, .. } if !trouble.counts() => return None,
        Told::Trouble { shard, test, trouble } => {
            let place = test.map_or("", |name| name.as_str());
            format!("{}{place:NAME$}  kernel: {}", of(*shard), trouble.line)
        }
        Told::MachineEnded { shard, why } => format!("{}the machine ended: {why}", of(*shard)),
        Told::Note { text } => (*text).to_owned(),
        Told::Summary { run, comparison } => format!("\n{}", summary(run, *comparison)),
    })
}

fn of(shard: Option<u32>) -> String {
    shard.map_or(String::new(), |shard| format!("[{shard}] "))
}

/// `generic/001   pass         3.2 s`, and why if it did not pass.
fn ended(result: &TestResult, colours: Colours) -> String {
    let seconds = result
        .seconds
        .map_or(String::new(), |seconds| format!("{seconds:.1} s"));
    // Padded before it is coloured: a terminal's sequences have no width.
    let outcome = coloured(&format!("{:OUTCOME$}", result.outcome), result.outcome, colours);
    let line = format!("{:NAME$}  {outcome}  {seconds:>8}", result.name);
    let flaky = result
        .flakiness()
        .map_or(String::new(), |flakiness| format!("  {flakiness}"));
    let reason = result
        .reason
        .as_ref()
        .map_or(String::new(), |reason| format!("  {reason}"));
    format!("{line}{flaky}{reason}").trim_end().to_owned()
}

fn coloured(text: &str, outcome: Outcome, colours: Colours) -> String {
    let code = match outcome {
        Outcome::Pass => "32",
        Outcome::Expunged | Outcome::NotRun => "33",
        _ => "31",
    };
    match colours {
        Colours::Plain => text.to_owned(),
        Colours::Ansi => format!("\u{1b}[{code}m{text}\u{1b}[0m"),
    }
}
