//! How far something is that takes long: a bar on a terminal, else a line now and then.

use std::time::{Duration, Instant};

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use kdev_volumes::pools::Progress;

use crate::look::Look;

/// Fewer are done before anybody asks.
const WORTH_IT: usize = 6;

/// How often a line is written where there is no bar.
const EVERY: Duration = Duration::from_secs(10);

/// Tells on standard error how far a cleanup is.
pub(crate) struct Teller {
    bar: Option<ProgressBar>,
    lines: Lines,
}

impl Teller {
    pub(crate) fn new() -> Self {
        let look = Look::of_stderr();
        Self {
            bar: look.is_screen.then(|| bar(look.colours)),
            lines: Lines { told: Instant::now() },
        }
    }

    pub(crate) fn tell(&mut self, Progress { done, all, .. }: Progress) {
        if all < WORTH_IT {
            return;
        }
        match &self.bar {
            Some(bar) => {
                bar.set_length(all as u64);
                bar.set_position(done as u64);
            }
            None => {
                if let Some(line) = self.lines.line(done, all, Instant::now()) {
                    eprintln!("{line}");
                }
            }
        }
    }

    /// Takes the bar away: what was done is told on standard output.
    pub(crate) fn end(self) {
        if let Some(bar) = self.bar {
            bar.finish_and_clear();
        }
    }
}

fn bar(colours: bool) -> ProgressBar {
    let bar = ProgressBar::with_draw_target(None, ProgressDrawTarget::stderr());
    let template = match colours {
        true => "kdev: removing volumes {bar:30.green} {pos}/{len}, {eta} left",
        false => "kdev: removing volumes {bar:30} {pos}/{len}, {eta} left",
    };
    // The templates are constants; without one the bar has indicatif's own style.
    if let Ok(style) = ProgressStyle::with_template(template) {
        bar.set_style(style.progress_chars("##."));
    }
    bar
}

struct Lines {
    told: Instant,
}

impl Lines {
    /// Returns a line if the last one, or the beginning, was long enough ago. What is done needs none.
    fn line(&mut self, done: usize, all: usize, now: Instant) -> Option<String> {
        let is_due = now.duration_since(self.told) >= EVERY && done < all;
        is_due.then(|| {
            self.told = now;
            format!("kdev: removed {done} of {all} volumes")
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_come_seldom_and_none_when_all_is_done() {
        let begun = Instant::now();
        let mut lines = Lines { told: begun };
        let mut at = |seconds, done| lines.line(done, 50, begun + Duration::from_secs(seconds));
        assert_eq!(at(9, 4), None);
        assert_eq!(at(11, 5).unwrap(), "kdev: removed 5 of 50 volumes");
        assert_eq!(at(20, 9), None);
        assert_eq!(at(21, 10).unwrap(), "kdev: removed 10 of 50 volumes");
        assert_eq!(at(60, 50), None);
    }
}
