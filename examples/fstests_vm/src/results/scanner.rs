//! The console of a machine, read as it comes.

use super::console_line;
use super::forms::kind_of;
use super::test_name::TestName;
use super::trouble::{Trouble, TroubleKind};

/// What a console tells.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Event {
    /// `check` begins with a test (it writes so to /dev/kmsg).
    ///
    /// The console shows it only at a loglevel above the default message's, 4: not with `quiet`.
    TestStarted(TestName),
    /// The kernel complains.
    Trouble(Trouble),
}

/// Reads a console, in pieces of any size, and remembers what a piece leaves open.
///
/// The lines of one report are one trouble, told when its most telling line is there: an oops waits for the place
/// (`RIP:`, `pc :`) where it happened. Call [`finish`](Self::finish) when the console ends.
#[derive(Debug, Default)]
pub(crate) struct Scanner {
    /// Bytes since the last newline.
    partial: Vec<u8>,
    /// The report whose further lines are no reports of their own.
    open: Option<Open>,
}

#[derive(Debug)]
struct Open {
    kind: TroubleKind,
    /// Not told yet, for its place is still to come.
    untold: Option<Trouble>,
    lines: usize,
}

/// What follows in a line that is longer is not looked at: nothing that the kernel says is.
const LONGEST_LINE: usize = 8 << 10;

/// How much of a line is kept in a report.
const LONGEST_REPORT: usize = 300;

/// A report's place comes within so many lines (registers of arm64 come first).
const PLACE_WITHIN: usize = 40;

/// What a first line causes comes within so many lines.
const NEXT_WITHIN: usize = 5;

/// A report that has not ended after so many lines has lost its end.
const REPORT_WITHIN: usize = 400;

impl Scanner {
    /// Takes the next bytes and returns what they complete.
    pub(crate) fn feed(&mut self, bytes: &[u8]) -> Vec<Event> {
        let mut events = Vec::new();
        let mut pieces = bytes.split(|byte| *byte == b'\n');
        let last = pieces.next_back().unwrap_or_default();
        for piece in pieces {
            self.keep(piece);
            self.end_of_line(&mut events);
        }
        self.keep(last);
        events
    }

    /// Takes what is left as complete: the console will say no more.
    pub(crate) fn finish(&mut self) -> Vec<Event> {
        let mut events = Vec::new();
        self.end_of_line(&mut events);
        self.close(&mut events);
        events
    }

    fn keep(&mut self, piece: &[u8]) {
        let room = LONGEST_LINE.saturating_sub(self.partial.len());
        self.partial.extend_from_slice(&piece[..piece.len().min(room)]);
    }

    fn end_of_line(&mut self, events: &mut Vec<Event>) {
        let message = console_line::message(&String::from_utf8_lossy(&self.partial));
        self.partial.clear();
        if let Some(name) = marker(&message) {
            self.close(events);
            events.push(Event::TestStarted(name));
        } else if message.starts_with("---[ end trace") {
            self.close(events);
        } else if let Some(kind) = kind_of(&message) {
            self.report(kind, &message, events);
        } else {
            self.further(&message, events);
        }
    }

    /// A line that is a report's first, or one more of the open report.
    fn report(&mut self, kind: TroubleKind, message: &str, events: &mut Vec<Event>) {
        if let Some(open) = &mut self.open {
            if belongs_to(open, kind) {
                // What comes after an assertion or a BUG is what is made of it.
                return self.further(message, events);
            }
        }
        self.close(events);
        let trouble = Trouble::new(kind, message.chars().take(LONGEST_REPORT).collect::<String>());
        let has_a_place_to_come = kind == TroubleKind::Oops;
        let untold = if has_a_place_to_come {
            Some(trouble)
        } else {
            events.push(Event::Trouble(trouble));
            None
        };
        self.open = Some(Open {
            kind,
            untold,
            lines: 0,
        });
    }

    fn further(&mut self, message: &str, events: &mut Vec<Event>) {
        let Some(open) = &mut self.open else { return };
        open.lines += 1;
        let found = place(message);
        if found.is_some() || open.lines >= PLACE_WITHIN {
            if let Some(mut trouble) = open.untold.take() {
                if let Some(function) = found {
                    trouble.line = format!("{} in {function}", trouble.line);
                }
                events.push(Event::Trouble(trouble));
            }
        }
        if open.lines >= REPORT_WITHIN {
            self.open = None;
        }
    }

    fn close(&mut self, events: &mut Vec<Event>) {
        let untold = self.open.take().and_then(|open| open.untold);
        events.extend(untold.map(Event::Trouble));
    }
}

/// Whether a line of the kind `next` is more of an open report, and not one of its own.
fn belongs_to(open: &Open, next: TroubleKind) -> bool {
    use TroubleKind::{Assertion, Bug, Oops, OutOfMemory, Warning};
    match open.kind {
        // What a file system makes of its assertion, and what `BUG()` does, comes at once.
        Assertion => open.lines <= NEXT_WITHIN && matches!(next, Bug | Oops | Warning),
        Bug => open.lines <= NEXT_WITHIN && next == Oops,
        // `Unable to handle` and `Oops:`, with the state of the memory management between them.
        Oops => open.lines <= PLACE_WITHIN && next == Oops,
        OutOfMemory => next == OutOfMemory,
        _ => false,
    }
}

/// `run fstests generic/001 at 2026-01-01 10:00:00`.
pub(crate) fn marker(message: &str) -> Option<TestName> {
    let (name, _) = message.strip_prefix("run fstests ")?.split_once(" at ")?;
    name.parse().ok()
}

/// Returns the function of a line of registers that names where the kernel was.
fn place(message: &str) -> Option<&str> {
    let starts = [
        "RIP: 0010:",
        "EIP: ",
        "RIP: 0033:",
        "pc : ",
        "epc : ",
        "PC is at ",
        "NIP ",
    ];
    let rest = starts.iter().find_map(|start| message.strip_prefix(start))?;
    // `NIP [c0000000001] f+0x1/0x2` and, without symbols, `0x123`.
    rest.split_whitespace().find(|word| word.contains("+0x"))
}

#[cfg(test)]
#[path = "scanner_tests.rs"]
mod tests;
