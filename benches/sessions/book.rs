//! The file in which the figures of a part are written down, a line of JSON each.

use std::fs::{self, File};
use std::io::Write;

use serde_json::Value;

use crate::figure::Figure;

pub(crate) struct Book {
    file: File,
}

/// What such a file holds.
pub(crate) struct Part {
    pub(crate) machine: Value,
    pub(crate) figures: Vec<Figure>,
}

impl Book {
    /// A file of this name, which begins with what is known of the machine.
    pub(crate) fn new(file: &str, machine: Value) -> Self {
        let mut file = File::create(file).expect("a file for the figures");
        writeln!(file, "{machine}").expect("a line of the file");
        Self { file }
    }

    /// Tells a figure as soon as it is there.
    pub(crate) fn add(&mut self, figure: &Figure) {
        println!("{}", figure.told());
        let line = serde_json::to_string(figure).expect("a figure as JSON");
        writeln!(self.file, "{line}").expect("a line of the file");
    }
}

impl Part {
    pub(crate) fn read(file: &str) -> Self {
        let text = fs::read_to_string(file).expect("the file of figures");
        let (machine, figures) = text.split_once('\n').expect("the machine, and figures");
        let figures = figures
            .lines()
            .map(|line| serde_json::from_str(line).expect("a figure"));
        Self {
            machine: serde_json::from_str(machine).expect("the machine"),
            figures: figures.collect(),
        }
    }
}
