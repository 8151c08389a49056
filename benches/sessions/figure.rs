//! One figure: what was measured, and whether that is as it should be.

use serde::{Deserialize, Serialize};

use crate::measure::{Series, Unit};

/// What a figure should be.
#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Target {
    AtLeast(f64),
    AtMost(f64),
    /// It is shown, and that is all.
    None,
}

#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Figure {
    /// That of the ten which it belongs to, or what stands beside them.
    pub(crate) number: String,
    pub(crate) what: String,
    pub(crate) ours: Series,
    /// What it is measured beside, and its name.
    pub(crate) other: Option<(String, Series)>,
    pub(crate) value: f64,
    pub(crate) unit: Unit,
    pub(crate) target: Target,
    /// What keeps it from being better, or how it was measured, where that must be known.
    pub(crate) note: String,
}

impl Figure {
    /// A figure that is the median of what was measured.
    pub(crate) fn of(number: &str, what: &str, ours: Series) -> Self {
        Self {
            number: number.to_owned(),
            what: what.to_owned(),
            value: ours.median(),
            unit: ours.unit,
            ours,
            other: None,
            target: Target::None,
            note: String::new(),
        }
    }

    /// What stands beside it, by which the figure is not judged.
    pub(crate) fn beside(mut self, name: &str, other: Series) -> Self {
        self.other = Some((name.to_owned(), other));
        self
    }

    /// How many times faster ours is than the other.
    pub(crate) fn faster_than(self, name: &str, other: Series) -> Self {
        let value = other.median() / self.ours.median();
        self.beside(name, other).valued(value, Unit::Times)
    }

    /// How many times as long ours takes as the other.
    pub(crate) fn times_as_long_as(self, name: &str, other: Series) -> Self {
        let value = self.ours.median() / other.median();
        self.beside(name, other).valued(value, Unit::Times)
    }

    /// How much more ours is than the other, in the median of the pairs: what slows the machine down for a while
    /// slows both of a pair.
    pub(crate) fn more_than(self, name: &str, other: Series) -> Self {
        let pairs = self.ours.values.iter().zip(&other.values);
        let more = pairs.map(|(ours, other)| ours - other).collect();
        let (value, unit) = (Series::new(other.unit, more).median(), other.unit);
        self.beside(name, other).valued(value, unit)
    }

    /// How much ours is of the other, in the median of the pairs.
    pub(crate) fn percent_of(self, name: &str, other: Series) -> Self {
        let pairs = self.ours.values.iter().zip(&other.values);
        let percent = pairs.map(|(ours, other)| 100.0 * ours / other).collect();
        let value = Series::new(Unit::Percent, percent).median();
        self.beside(name, other).valued(value, Unit::Percent)
    }

    pub(crate) fn valued(mut self, value: f64, unit: Unit) -> Self {
        (self.value, self.unit) = (value, unit);
        self
    }

    pub(crate) fn at_least(mut self, bound: f64) -> Self {
        self.target = Target::AtLeast(bound);
        self
    }

    pub(crate) fn at_most(mut self, bound: f64) -> Self {
        self.target = Target::AtMost(bound);
        self
    }

    pub(crate) fn noted(mut self, note: impl Into<String>) -> Self {
        self.note = note.into();
        self
    }

    pub(crate) fn is_missed(&self) -> bool {
        match self.target {
            Target::AtLeast(bound) => self.value < bound,
            Target::AtMost(bound) => self.value > bound,
            Target::None => false,
        }
    }

    /// Whether a miss is one on any machine: a time may be the machine's, a ratio or a count is ours.
    pub(crate) fn is_of_any_machine(&self) -> bool {
        matches!(self.unit, Unit::Times | Unit::Percent | Unit::Processes)
    }

    pub(crate) fn target(&self) -> String {
        match self.target {
            Target::AtLeast(bound) => format!("at least {}", self.bound(bound)),
            Target::AtMost(0.0) => "none".to_owned(),
            Target::AtMost(bound) => format!("at most {}", self.bound(bound)),
            Target::None => String::new(),
        }
    }

    fn bound(&self, bound: f64) -> String {
        match self.unit {
            Unit::Times => format!("{bound} x"),
            Unit::Percent => format!("{bound} %"),
            Unit::Milliseconds => format!("{bound} ms"),
            unit => unit.told(bound),
        }
    }

    pub(crate) fn verdict(&self) -> &'static str {
        match self.target {
            Target::None => "",
            _ if self.is_missed() => "MISSED",
            _ => "met",
        }
    }

    /// The line that is printed as soon as it is measured.
    pub(crate) fn told(&self) -> String {
        let mut line = format!("{:>4}  {}: {}", self.number, self.what, self.ours.told());
        if let Some((name, other)) = &self.other {
            line += &format!("; {name} {}", other.told());
        }
        let value = self.unit.told(self.value);
        if !line.contains(&format!(": {value}")) {
            line += &format!("; {value}");
        }
        if !matches!(self.target, Target::None) {
            line += &format!("; {}: {}", self.target(), self.verdict());
        }
        if !self.note.is_empty() {
            line += &format!(" ({})", self.note);
        }
        line
    }
}
