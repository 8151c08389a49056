//! How far a run is.

use std::time::{Duration, Instant};

use super::told::Told;
use crate::results::outcome::Outcome;
use crate::results::test_name::TestName;

/// What a progress bar shows.
#[derive(Debug, Default)]
pub(super) struct Progress {
    /// Tests that have a verdict.
    pub(super) done: usize,
    /// Tests that will have one.
    pub(super) planned: usize,
    passed: usize,
    not_run: usize,
    failed: usize,
    running: Vec<(Option<u32>, TestName, Instant)>,
    /// What the machines without a running test do.
    steps: Vec<(Option<u32>, String)>,
    remaining: Option<(Duration, Instant)>,
}

impl Progress {
    /// Takes in what happened at `now`.
    pub(super) fn take(&mut self, told: &Told<'_>, now: Instant) {
        match told {
            Told::RunStarted { tests, .. } => self.planned = *tests,
            Told::Step { shard, text } => {
                self.leave(*shard);
                self.steps.push((*shard, (*text).to_owned()));
            }
            Told::TestStarted {
                shard,
                name,
                remaining,
            } => {
                self.leave(*shard);
                self.running.push((*shard, (*name).clone(), now));
                self.remaining = remaining.map(|remaining| (remaining, now));
            }
            Told::TestEnded { shard, result } => {
                self.running.retain(|(_, name, _)| *name != result.name);
                self.steps.retain(|(of, _)| of != shard);
                // Those are not among the planned.
                if result.outcome != Outcome::Expunged {
                    self.done += 1;
                    self.count(result.outcome);
                }
            }
            Told::MachineEnded { shard, .. } => self.leave(*shard),
            Told::Listed { .. } | Told::Trouble { .. } | Told::Note { .. } | Told::Summary { .. } => {}
        }
    }

    fn leave(&mut self, shard: Option<u32>) {
        self.running.retain(|(of, ..)| *of != shard);
        self.steps.retain(|(of, _)| *of != shard);
    }

    fn count(&mut self, outcome: Outcome) {
        match outcome {
            Outcome::Pass => self.passed += 1,
            Outcome::NotRun => self.not_run += 1,
            _ => self.failed += 1,
        }
    }

    /// Returns what stands beside the bar at `now`.
    pub(super) fn text(&self, now: Instant) -> String {
        let counts = format!(
            "{} passed, {} failed, {} not run",
            self.passed, self.failed, self.not_run
        );
        let left = self
            .remaining
            .map(|(left, at)| left.saturating_sub(now.saturating_duration_since(at)));
        let left = left.map_or(String::new(), |left| format!(", about {} left", rough(left)));
        let tests = self.running.iter().map(|(_, name, since)| {
            let seconds = now.saturating_duration_since(*since).as_secs();
            format!("{name} {seconds}s")
        });
        let doing: Vec<String> = tests
            .chain(self.steps.iter().map(|(_, text)| text.clone()))
            .collect();
        let doing = if doing.is_empty() {
            String::new()
        } else {
            format!(": {}", doing.join(", "))
        };
        format!("{counts}{left}{doing}")
    }
}

/// An estimate has no seconds once it has minutes.
fn rough(time: Duration) -> String {
    let seconds = time.as_secs();
    let whole = if seconds >= 60 {
        seconds.div_ceil(60) * 60
    } else {
        seconds
    };
    humantime::format_duration(Duration::from_secs(whole)).to_string()
}

#[cfg(test)]
mod tests {
    use std::time::{Duration, Instant};

    use super::Progress;
    use crate::results::outcome::Outcome::{Crashed, Expunged, NotRun, Pass};
    use crate::results::outcome::TestResult;
    use crate::results::tell::told::Told;

    #[test]
    fn the_text_beside_the_bar_says_how_far_and_what_runs() {
        let start = Instant::now();
        let at = |seconds| start + Duration::from_secs(seconds);
        let name = |n: u32| format!("generic/{n:03}").parse().unwrap();
        let mut progress = Progress::default();
        progress.take(
            &Told::RunStarted {
                kernel: "k",
                machine: "m",
                tests: 10,
            },
            start,
        );
        progress.take(
            &Told::Step {
                shard: Some(1),
                text: "booting",
            },
            start,
        );
        assert_eq!(progress.text(start), "0 passed, 0 failed, 0 not run: booting");
        let (one, two) = (name(1), name(2));
        let remaining = Some(Duration::from_secs(200));
        progress.take(
            &Told::TestStarted {
                shard: Some(1),
                name: &one,
                remaining,
            },
            start,
        );
        progress.take(
            &Told::TestStarted {
                shard: Some(2),
                name: &two,
                remaining,
            },
            at(3),
        );
        assert_eq!(
            progress.text(at(8)),
            "0 passed, 0 failed, 0 not run, about 4m left: generic/001 8s, generic/002 5s"
        );
        let end = |progress: &mut Progress, n, outcome| {
            let result = TestResult::new(name(n), outcome);
            progress.take(
                &Told::TestEnded {
                    shard: Some(1),
                    result: &result,
                },
                start,
            );
        };
        for (n, outcome) in [(1, Pass), (3, NotRun), (4, Crashed), (5, Expunged)] {
            end(&mut progress, n, outcome);
        }
        assert_eq!((progress.done, progress.planned), (3, 10));
        assert_eq!(
            progress.text(at(190)),
            "1 passed, 1 failed, 1 not run, about 13s left: generic/002 187s"
        );
        progress.take(
            &Told::MachineEnded {
                shard: Some(2),
                why: "panic",
            },
            start,
        );
        assert_eq!(
            progress.text(at(900)),
            "1 passed, 1 failed, 1 not run, about 0s left"
        );
    }
}
