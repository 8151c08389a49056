//! A run that is over.

use std::collections::BTreeMap;
use std::fs;
use std::path::PathBuf;

use serde_json::Value;

/// A run that is over: how it ended, and what it said.
#[derive(Debug)]
pub(crate) struct Ran {
    pub(crate) code: Option<i32>,
    pub(crate) signal: Option<i32>,
    /// The lines on standard output.
    pub(crate) said: Vec<String>,
    pub(crate) errors: String,
}

impl Ran {
    /// Fails with all that it said if it did not exit with this code.
    pub(crate) fn exits(self, code: i32) -> Self {
        assert_eq!((self.code, self.signal), (Some(code), None), "{self}");
        self
    }

    /// Its events: each line is one.
    pub(crate) fn events(&self) -> Vec<Value> {
        let parse = |line: &String| serde_json::from_str(line).unwrap_or_else(|err| panic!("{err}: {line}"));
        self.said.iter().map(parse).collect()
    }

    /// The events of one kind.
    pub(crate) fn events_of(&self, kind: &str) -> Vec<Value> {
        self.events()
            .into_iter()
            .filter(|event| event["event"] == kind)
            .collect()
    }

    /// What it noted: a run that tells lines says so there.
    pub(crate) fn notes(&self) -> Vec<String> {
        let is_json = self.said.first().is_some_and(|line| line.starts_with('{'));
        match is_json {
            true => self
                .events_of("note")
                .iter()
                .map(|note| note["text"].as_str().unwrap().to_owned())
                .collect(),
            false => self.said.clone(),
        }
    }

    /// The directory of its results.
    pub(crate) fn dir(&self) -> PathBuf {
        let notes = self.notes();
        let told = notes.iter().find_map(|note| note.strip_prefix("results: "));
        told.unwrap_or_else(|| panic!("it does not say where its results are: {self}"))
            .into()
    }

    /// What is in `results.json`.
    pub(crate) fn results(&self) -> Value {
        serde_json::from_slice(&fs::read(self.dir().join("results.json")).unwrap()).unwrap()
    }

    pub(crate) fn tests(&self) -> Vec<Value> {
        self.results()["tests"].as_array().unwrap().clone()
    }

    /// Each test's outcome, as `results.json` has it.
    pub(crate) fn outcomes(&self) -> Vec<(String, String)> {
        let text = |value: &Value| value.as_str().unwrap().to_owned();
        self.tests()
            .iter()
            .map(|test| (text(&test["name"]), text(&test["outcome"])))
            .collect()
    }

    /// The tests in `junit.xml`, each with what stands in it: nothing is a success.
    pub(crate) fn junit(&self) -> BTreeMap<String, String> {
        let xml = fs::read_to_string(self.dir().join("junit.xml")).unwrap();
        let xml = roxmltree::Document::parse(&xml).unwrap();
        let cases = xml.descendants().filter(|node| node.has_tag_name("testcase"));
        let of_case = |case: roxmltree::Node<'_, '_>| {
            let said = case.children().filter(roxmltree::Node::is_element);
            let verdict = said.filter(|node| !node.tag_name().name().starts_with("system-"));
            let words =
                verdict.map(|node| format!("{} {}", node.tag_name().name(), node.attribute("type").unwrap()));
            (
                case.attribute("name").unwrap().to_owned(),
                words.collect::<Vec<_>>().join(", "),
            )
        };
        cases.map(of_case).collect()
    }
}

impl std::fmt::Display for Ran {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Self { code, signal, .. } = self;
        write!(
            f,
            "code {code:?}, signal {signal:?}\n{}\n{}",
            self.said.join("\n"),
            self.errors
        )
    }
}
