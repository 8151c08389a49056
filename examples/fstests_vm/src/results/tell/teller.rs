//! Tells a run to whoever watches.

use std::fmt;
use std::io::{self, Write};
use std::time::Duration;

use indicatif::ProgressDrawTarget;

use super::bar::Bar;
use super::lines::Colours;
use super::told::Told;
use super::{json, lines};

/// How a run is told.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Form {
    /// A line for each step, and for the beginning and the end of each test.
    Lines(Colours),
    /// The same without beginnings, and a progress bar below them on standard error, if that is a terminal.
    Bar(Colours),
    /// A JSON object a line.
    Json,
}

/// Tells what happens into a writer.
///
/// Nothing that it cannot write stops a run: the results are in their files. After the first error, a closed pipe
/// above all, it is silent; [`error`](Self::error) has it.
pub(crate) struct Teller<W> {
    out: W,
    way: Way,
    error: Option<io::Error>,
}

enum Way {
    Lines(Colours),
    Bar(Colours, Box<Bar>),
    Json,
}

impl<W: Write> Teller<W> {
    /// Makes a teller that writes lines to `out`.
    pub(crate) fn new(form: Form, out: W) -> Self {
        let way = match form {
            Form::Lines(colours) => Way::Lines(colours),
            Form::Bar(colours) => Way::Bar(colours, Box::new(Bar::new(ProgressDrawTarget::stderr()))),
            Form::Json => Way::Json,
        };
        Self {
            out,
            way,
            error: None,
        }
    }

    /// Tells what happened.
    pub(crate) fn tell(&mut self, told: &Told<'_>) {
        let (out, error) = (&mut self.out, &mut self.error);
        match &mut self.way {
            Way::Lines(colours) => write(out, lines::text(told, *colours).as_deref(), error),
            Way::Bar(colours, bar) => {
                let text = match told {
                    // The bar shows what runs.
                    Told::TestStarted { .. } => None,
                    _ => lines::text(told, *colours),
                };
                bar.tell(told, || write(out, text.as_deref(), error));
            }
            Way::Json => match json::line(told) {
                Ok(line) => write(out, Some(&line), error),
                Err(err) => *error = Some(err.into()),
            },
        }
    }

    /// Brings running times up to date, where they are shown; returns how soon to call it again.
    pub(crate) fn tick(&self) -> Option<Duration> {
        match &self.way {
            Way::Bar(_, bar) => {
                bar.tick();
                Some(Bar::EVERY)
            }
            Way::Lines(_) | Way::Json => None,
        }
    }

    /// Returns why it is silent.
    pub(crate) fn error(&self) -> Option<&io::Error> {
        self.error.as_ref()
    }
}

fn write(out: &mut impl Write, text: Option<&str>, error: &mut Option<io::Error>) {
    if let (Some(text), None) = (text, &error) {
        *error = writeln!(out, "{text}").and_then(|()| out.flush()).err();
    }
}

impl<W> fmt::Debug for Teller<W> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Teller")
            .field("error", &self.error)
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
#[path = "teller_tests.rs"]
mod tests;
