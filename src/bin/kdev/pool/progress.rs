//! How far something is, for people, on standard error: a bar on a terminal, else a line now and then.

use std::env;
use std::io::{self, IsTerminal};
use std::time::{Duration, Instant};

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use kdev_volumes::Bytes;
use kdev_volumes::pools::Progress;

/// How often there is a line where there is no bar.
const EVERY: Duration = Duration::from_secs(10);

/// What was told of something that takes long. The bar goes with this value.
pub(super) struct Told {
    bar: Option<ProgressBar>,
    lines: Lines,
}

/// When there is to be a line.
#[derive(Debug, Default)]
struct Lines {
    last: Option<Instant>,
}

impl Told {
    pub(super) fn new() -> Self {
        let is_drawn = io::stderr().is_terminal() && env::var_os("TERM").is_some_and(|term| term != "dumb");
        Self {
            bar: is_drawn.then(bar),
            lines: Lines::default(),
        }
    }

    pub(super) fn tell(&mut self, progress: &Progress) {
        let Progress::Zeroed { done, of } = progress else {
            return;
        };
        match &self.bar {
            Some(bar) => {
                bar.set_message(format!("{done} of {of} overwritten"));
                bar.set_length(of.get());
                bar.set_position(done.get());
            }
            None if self.lines.is_due(done == of, Instant::now()) => eprintln!("kdev: {}", line(*done, *of)),
            None => {}
        }
    }
}

impl Drop for Told {
    fn drop(&mut self) {
        if let Some(bar) = &self.bar {
            bar.finish_and_clear();
        }
    }
}

impl Lines {
    /// The first and the last always; else one every ten seconds at most.
    fn is_due(&mut self, is_last: bool, now: Instant) -> bool {
        let is_due = is_last || self.last.is_none_or(|last| now.duration_since(last) >= EVERY);
        if is_due {
            self.last = Some(now);
        }
        is_due
    }
}

fn bar() -> ProgressBar {
    let bar = ProgressBar::with_draw_target(Some(0), ProgressDrawTarget::stderr());
    if let Ok(style) = ProgressStyle::with_template(template(
        env::var_os("NO_COLOR").is_some_and(|set| !set.is_empty()),
    )) {
        bar.set_style(style.progress_chars("=> "));
    }
    bar
}

/// See <https://no-color.org>.
fn template(is_plain: bool) -> &'static str {
    match is_plain {
        true => "{bar:30} {percent:>3}%  {msg}  {eta} left",
        false => "{bar:30.cyan} {percent:>3}%  {msg}  {eta} left",
    }
}

fn line(done: Bytes, of: Bytes) -> String {
    let percent = u128::from(done.get()) * 100 / u128::from(of.get().max(1));
    format!("{done} of {of} overwritten ({percent}%)")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_comes_at_once_then_every_ten_seconds_and_at_the_end() {
        let mut lines = Lines::default();
        let start = Instant::now();
        let due: Vec<bool> = [(0, false), (9, false), (10, false), (19, false), (19, true)]
            .map(|(seconds, is_last)| lines.is_due(is_last, start + Duration::from_secs(seconds)))
            .into();
        assert_eq!(due, [true, false, true, false, true]);
    }

    #[test]
    fn a_plain_bar_has_no_colour_and_both_templates_are_good() {
        assert!(!template(true).contains("cyan") && template(false).contains("cyan"));
        for is_plain in [true, false] {
            assert!(ProgressStyle::with_template(template(is_plain)).is_ok());
        }
    }

    #[test]
    fn a_line_has_figures() {
        assert_eq!(
            line(Bytes::new(1 << 30), Bytes::new(4 << 30)),
            "1G of 4G overwritten (25%)"
        );
    }
}
