//! `kdev pool status --watch`: the status, again and again.

use std::io::{self, ErrorKind, Write};
use std::process::ExitCode;
use std::thread;
use std::time::{Duration, SystemTime};

use console::Term;
use kdev_volumes::Error;
use kdev_volumes::pools::PoolStatus;

use crate::look::Look;
use crate::paint::{Line, Paint};
use crate::pool::json;
use crate::pool::status::lines;

/// Shows what `status` finds, every so often, until somebody ends this process, or nobody reads any more.
pub(super) fn run(
    status: impl Fn() -> Result<Vec<PoolStatus>, Error>,
    every: Duration,
    as_json: bool,
    look: Look,
) -> Result<ExitCode, Error> {
    for round in 0u64.. {
        let found = status()?;
        let text = match (as_json, look.is_screen) {
            (true, _) => json::status_line(&found),
            (false, true) => screen(headed(every, &found), size(), look.colours),
            (false, false) => {
                let between = if round > 0 { "\n" } else { "" };
                let lines = lines(&found);
                let text: Vec<String> = lines.iter().map(|line| line.text(look.colours)).collect();
                format!("{between}{}", text.concat())
            }
        };
        let mut out = io::stdout().lock();
        match out.write_all(text.as_bytes()).and_then(|()| out.flush()) {
            Ok(()) => {}
            Err(err) if err.kind() == ErrorKind::BrokenPipe => break,
            Err(source) => {
                return Err(Error::Io {
                    doing: "write to",
                    path: "/dev/stdout".into(),
                    source,
                });
            }
        }
        drop(out);
        thread::sleep(every);
    }
    Ok(ExitCode::SUCCESS)
}

fn headed(every: Duration, pools: &[PoolStatus]) -> Vec<Line> {
    let now = humantime::format_rfc3339_seconds(SystemTime::now()).to_string();
    let head = format!(
        "{}UTC, every {}, until Ctrl-C",
        now.replace(['T', 'Z'], " "),
        humantime::format_duration(every)
    );
    let head = [Line::painted(&head, Paint::Dim), Line::plain("")];
    head.into_iter().chain(lines(pools)).collect()
}

/// Rows and columns, which may change while this is shown.
fn size() -> (usize, usize) {
    let (rows, columns) = Term::stdout().size();
    (rows.into(), columns.into())
}

/// Writes over what is there, line by line, and clears what is left of it: nothing flickers.
///
/// No more than fits: a screen that scrolls has moved away what was to be written over.
fn screen(lines: Vec<Line>, (rows, columns): (usize, usize), colours: bool) -> String {
    const HOME: &str = "\x1b[H";
    const CLEAR_REST_OF_LINE: &str = "\x1b[K";
    const CLEAR_BELOW: &str = "\x1b[J";

    // The last row stays empty, so that no line's end scrolls it.
    let fit = rows.saturating_sub(1).max(1);
    let mut lines = lines;
    if lines.len() > fit {
        let hidden = lines.len() - fit + 1;
        lines.truncate(fit - 1);
        lines.push(Line::painted(&format!("... and {hidden} lines more"), Paint::Dim));
    }
    let mut text = String::from(HOME);
    for line in lines {
        text.push_str(&line.parts(columns, colours));
        text.push_str(CLEAR_REST_OF_LINE);
        text.push('\n');
    }
    text + CLEAR_BELOW
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lines(count: usize) -> Vec<Line> {
        (1..=count)
            .map(|number| Line::plain(&format!("line {number}")))
            .collect()
    }

    #[test]
    fn a_screen_is_written_over_and_never_scrolls() {
        let fits = screen(lines(2), (3, 80), false);
        assert_eq!(fits, "\x1b[Hline 1\x1b[K\nline 2\x1b[K\n\x1b[J");
        let does_not = screen(lines(9), (4, 80), false);
        assert_eq!(
            does_not,
            "\x1b[Hline 1\x1b[K\nline 2\x1b[K\n... and 7 lines more\x1b[K\n\x1b[J"
        );
        assert_eq!(screen(lines(1), (24, 3), false), "\x1b[Hlin\x1b[K\n\x1b[J");
        assert_eq!(
            screen(lines(2), (0, 80), false),
            "\x1b[H... and 2 lines more\x1b[K\n\x1b[J"
        );
    }
}
