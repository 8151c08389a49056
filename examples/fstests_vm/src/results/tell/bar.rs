//! A progress bar on a terminal.

use std::time::{Duration, Instant};

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};

use super::progress::Progress;
use super::told::Told;

/// A bar at the bottom of the terminal, on standard error, with the lines above it.
#[derive(Debug)]
pub(super) struct Bar {
    bar: ProgressBar,
    progress: Progress,
}

impl Bar {
    /// Draws a bar there; nothing where `target` is no terminal.
    pub(super) fn new(target: ProgressDrawTarget) -> Self {
        let bar = ProgressBar::with_draw_target(Some(0), target);
        // The template is a constant; without one the bar has indicatif's own style.
        if let Ok(style) = ProgressStyle::with_template("{bar:20} {pos}/{len}  {msg}") {
            bar.set_style(style.progress_chars("=> "));
        }
        Self {
            bar,
            progress: Progress::default(),
        }
    }

    /// Shows what happened, with `line` above the bar written by `write`.
    pub(super) fn tell(&mut self, told: &Told<'_>, write: impl FnOnce()) {
        if let Told::Summary { .. } = told {
            // What comes now is the last word; the bar has none.
            self.bar.finish_and_clear();
            return write();
        }
        self.progress.take(told, Instant::now());
        self.bar.suspend(write);
        self.tick();
    }

    /// Draws the time anew; to be called every second or so.
    pub(super) fn tick(&self) {
        if self.bar.is_finished() {
            return;
        }
        self.bar.set_length(self.progress.planned as u64);
        self.bar.set_position(self.progress.done as u64);
        self.bar.set_message(self.progress.text(Instant::now()));
    }

    /// How often [`tick`](Self::tick) has something new to draw.
    pub(super) const EVERY: Duration = Duration::from_secs(1);
}
