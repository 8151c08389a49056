//! How far something is that takes long: a bar on a terminal, else a line now and then.

use std::time::{Duration, Instant};

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use kdev_volumes::pools::Progress;

use crate::look::Look;

/// Fewer volumes are removed before anybody asks.
const WORTH_IT: usize = 6;

/// How often a line is written where there is no bar.
const EVERY: Duration = Duration::from_secs(10);

/// Tells on standard error how far something is. The bar goes with this value: what was done is told on
/// standard output.
pub(crate) struct Teller {
    bar: Option<ProgressBar>,
    lines: Lines,
}

/// A part of a whole, and in words.
struct Part {
    done: u64,
    of: u64,
    words: String,
    /// Whether its first and last word are told in any case.
    takes_long: bool,
}

impl Part {
    /// Returns `None` for what is not worth a word.
    fn of(progress: &Progress) -> Option<Self> {
        match progress {
            Progress::Volumes { done, of } => (*of >= WORTH_IT).then(|| Self {
                done: *done as u64,
                of: *of as u64,
                words: format!("removed {done} of {of} volumes"),
                takes_long: false,
            }),
            Progress::Zeroed { done, of } => Some(Self {
                done: done.get(),
                of: of.get(),
                words: format!("{done} of {of} overwritten"),
                takes_long: true,
            }),
            _ => None,
        }
    }
}

impl Part {
    fn percent(&self) -> u128 {
        u128::from(self.done) * 100 / u128::from(self.of.max(1))
    }
}

impl Teller {
    pub(crate) fn new() -> Self {
        let look = Look::of_stderr();
        Self {
            bar: look.is_screen.then(|| bar(look.colours)),
            lines: Lines { told: Instant::now() },
        }
    }

    pub(crate) fn tell(&mut self, progress: &Progress) {
        let Some(part) = Part::of(progress) else { return };
        match &self.bar {
            Some(bar) => {
                bar.set_message(part.words);
                bar.set_length(part.of);
                bar.set_position(part.done);
            }
            None => {
                let is_end = part.done == 0 || part.done == part.of;
                let is_due = match is_end {
                    true => part.takes_long,
                    false => self.lines.is_due(Instant::now()),
                };
                if is_due {
                    eprintln!("kdev: {} ({}%)", part.words, part.percent());
                }
            }
        }
    }
}

impl Drop for Teller {
    fn drop(&mut self) {
        if let Some(bar) = &self.bar {
            bar.finish_and_clear();
        }
    }
}

fn bar(colours: bool) -> ProgressBar {
    let bar = ProgressBar::with_draw_target(None, ProgressDrawTarget::stderr());
    // The templates are constants; without one the bar has indicatif's own style.
    if let Ok(style) = ProgressStyle::with_template(template(colours)) {
        bar.set_style(style.progress_chars("##."));
    }
    bar
}

fn template(colours: bool) -> &'static str {
    match colours {
        true => "kdev: {msg} {bar:30.green} {percent:>3}%, {eta} left",
        false => "kdev: {msg} {bar:30} {percent:>3}%, {eta} left",
    }
}

struct Lines {
    told: Instant,
}

impl Lines {
    /// Tells whether the last line, or the beginning, was long enough ago.
    fn is_due(&mut self, now: Instant) -> bool {
        let is_due = now.duration_since(self.told) >= EVERY;
        if is_due {
            self.told = now;
        }
        is_due
    }
}

#[cfg(test)]
mod tests {
    use kdev_volumes::Bytes;

    use super::*;

    #[test]
    fn lines_come_every_ten_seconds_at_most() {
        let begun = Instant::now();
        let mut lines = Lines { told: begun };
        let due = [9, 11, 20, 21, 60].map(|seconds| lines.is_due(begun + Duration::from_secs(seconds)));
        assert_eq!(due, [false, true, false, true, true]);
    }

    #[test]
    fn what_is_told_has_figures() {
        let words = |progress| Part::of(&progress).map(|part| part.words);
        let zeroed = Progress::Zeroed {
            done: Bytes::new(1 << 30),
            of: Bytes::new(4 << 30),
        };
        assert_eq!(words(zeroed).unwrap(), "1G of 4G overwritten");
        let volumes = Progress::Volumes { done: 5, of: 50 };
        assert_eq!(words(volumes).unwrap(), "removed 5 of 50 volumes");
        assert_eq!(
            words(Progress::Volumes { done: 1, of: 5 }),
            None,
            "that is done soon"
        );
    }

    #[test]
    fn a_plain_bar_has_no_colour_and_both_templates_are_good() {
        assert!(!template(false).contains("green") && template(true).contains("green"));
        for colours in [true, false] {
            assert!(ProgressStyle::with_template(template(colours)).is_ok());
        }
    }
}
