//! Times, taken in turns.

use std::env;
use std::time::Instant;

use serde::{Deserialize, Serialize};

/// In what a figure is told.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) enum Unit {
    #[serde(rename = "ms")]
    Milliseconds,
    #[serde(rename = "us")]
    Microseconds,
    #[serde(rename = "times")]
    Times,
    #[serde(rename = "%")]
    Percent,
    #[serde(rename = "IOPS")]
    Iops,
    #[serde(rename = "instructions")]
    Instructions,
    #[serde(rename = "processes")]
    Processes,
}

impl Unit {
    pub(crate) fn of(self, seconds: f64) -> f64 {
        match self {
            Self::Milliseconds => seconds * 1e3,
            Self::Microseconds => seconds * 1e6,
            _ => seconds,
        }
    }

    pub(crate) fn told(self, value: f64) -> String {
        let digits = match self {
            Self::Times => 2,
            Self::Percent => 1,
            Self::Milliseconds if value < 100.0 => 2,
            _ => 0,
        };
        match self {
            Self::Milliseconds => format!("{value:.digits$} ms"),
            Self::Microseconds => format!("{value:.0} us"),
            Self::Times => format!("{value:.digits$} x"),
            Self::Percent => format!("{value:.digits$} %"),
            Self::Iops => format!("{value:.0} IOPS"),
            Self::Instructions => format!("{value:.0} instructions"),
            Self::Processes => format!("{value:.0}"),
        }
    }
}

/// All that was measured of one thing, in the order in which it was.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Series {
    pub(crate) unit: Unit,
    pub(crate) values: Vec<f64>,
}

impl Series {
    pub(crate) fn new(unit: Unit, values: Vec<f64>) -> Self {
        assert!(!values.is_empty(), "nothing was measured");
        Self { unit, values }
    }

    /// Of times in seconds.
    pub(crate) fn of_times(unit: Unit, seconds: &[f64]) -> Self {
        Self::new(unit, seconds.iter().map(|&time| unit.of(time)).collect())
    }

    fn sorted(&self) -> Vec<f64> {
        let mut values = self.values.clone();
        values.sort_by(f64::total_cmp);
        values
    }

    pub(crate) fn median(&self) -> f64 {
        self.sorted()[self.values.len() / 2]
    }

    pub(crate) fn most(&self) -> f64 {
        self.sorted()[self.values.len() - 1]
    }

    /// The median, and the least and most.
    pub(crate) fn told(&self) -> String {
        let median = self.unit.told(self.median());
        if self.values.len() == 1 {
            return median;
        }
        let end = |value: f64| {
            self.unit
                .told(value)
                .split(' ')
                .next()
                .unwrap_or_default()
                .to_owned()
        };
        format!("{median} ({} to {})", end(self.sorted()[0]), end(self.most()))
    }
}

/// How many seconds that takes.
pub(crate) fn timed(work: impl FnOnce()) -> f64 {
    let start = Instant::now();
    work();
    start.elapsed().as_secs_f64()
}

/// How often something is measured: so often, or `$KDEV_BENCH_ROUNDS` times if that is less, for a slow machine.
pub(crate) fn rounds(usual: usize) -> usize {
    let Ok(wanted) = env::var("KDEV_BENCH_ROUNDS") else {
        return usual;
    };
    let wanted: usize = wanted.parse().expect("a number in KDEV_BENCH_ROUNDS");
    assert!(wanted > 0, "KDEV_BENCH_ROUNDS is at least 1");
    usual.min(wanted)
}

/// Has each of several things measured so many [`rounds`], in turns. Who begins changes from round to round, so
/// that none is always the one after another.
pub(crate) fn in_turns<const N: usize>(rounds: usize, work: [&mut dyn FnMut() -> f64; N]) -> [Vec<f64>; N] {
    let mut values = [const { Vec::new() }; N];
    for round in 0..self::rounds(rounds) {
        for turn in 0..N {
            let which = (round + turn) % N;
            values[which].push(work[which]());
        }
    }
    values
}
