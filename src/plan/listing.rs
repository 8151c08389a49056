//! Has nextest list the tests, and their programs tell what they ask for.

use std::collections::BTreeSet;
use std::env;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use nextest_metadata::{FilterMatch, ListCommand, TestListSummary};
use serde::de::Error as _;

use crate::command::{finish_in_sight, succeeds};
use crate::declared::{DIRECTORY_VARIABLE, DeclaredProgram, VERSION};
use crate::error::{Error, Result};

/// What was listed, and what was told.
#[derive(Debug)]
pub(super) struct Listing {
    /// All tests that would run.
    pub(super) tests: Vec<Listed>,
    /// What programs with annotated tests declare, also of tests that would not run.
    pub(super) programs: Vec<DeclaredProgram>,
}

/// A test that would run.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Listed {
    pub(super) binary_id: String,
    pub(super) program: PathBuf,
    pub(super) name: String,
}

/// Runs `cargo nextest list`, which builds the tests and starts each program that may have one to run.
pub(super) fn list(arguments: &[String]) -> Result<Listing> {
    let told = tempfile::Builder::new()
        .prefix("kdev-plan-")
        .tempdir()
        .map_err(|err| Error::io("make a directory in", env::temp_dir(), err))?;
    let mut command = ListCommand::new().add_args(arguments).cargo_command();
    command.env(DIRECTORY_VARIABLE, told.path());
    forget_the_run_that_we_are_in(&mut command);
    let cargo = command.get_program().to_owned();
    let done = finish_in_sight(command)?;
    if !done.status.success() {
        // cargo's own status does not tell this apart.
        return Err(
            match succeeds(Command::new(cargo).args(["nextest", "--version"])) {
                true => Error::Listing {
                    ended: done.ended(),
                    command: done.command,
                },
                false => Error::NoNextest,
            },
        );
    }
    let list: TestListSummary = serde_json::from_slice(&done.stdout).map_err(|source| Error::Report {
        command: done.command,
        source,
    })?;
    Ok(Listing {
        tests: would_run(&list),
        programs: read(told.path())?,
    })
}

/// What nextest sets for a test, another nextest takes for its user's wishes.
fn forget_the_run_that_we_are_in(command: &mut Command) {
    if env::var_os("NEXTEST").is_none() {
        return;
    }
    let names: BTreeSet<_> = env::vars_os().map(|(name, _)| name).collect();
    for name in names {
        if name.as_encoded_bytes().starts_with(b"NEXTEST") {
            command.env_remove(name);
        }
    }
}

/// A program that no filter of the arguments can match was not started, and has no tests in the list.
fn would_run(list: &TestListSummary) -> Vec<Listed> {
    let mut tests = Vec::new();
    for suite in list.rust_suites.values() {
        let program = suite.binary.binary_path.as_std_path();
        // An archive's programs are gone by now.
        let program = fs::canonicalize(program).unwrap_or_else(|_| program.to_owned());
        let would_run = suite
            .test_cases
            .iter()
            .filter(|(_, test)| test.filter_match == FilterMatch::Matches);
        tests.extend(would_run.map(|(name, _)| Listed {
            binary_id: suite.binary.binary_id.to_string(),
            program: program.clone(),
            name: name.to_string(),
        }));
    }
    tests
}

fn read(directory: &Path) -> Result<Vec<DeclaredProgram>> {
    let unreadable = |err| Error::io("read", directory, err);
    let mut programs = Vec::new();
    for entry in fs::read_dir(directory).map_err(unreadable)? {
        let file = entry.map_err(unreadable)?.path();
        // Not one that its writer died over.
        if file.extension().is_some_and(|extension| extension == "json") {
            let text = fs::read(&file).map_err(|err| Error::io("read", &file, err))?;
            programs.push(parse(&text)?);
        }
    }
    Ok(programs)
}

/// Reads what a program tells, which may have been built with another version of this crate.
fn parse(text: &[u8]) -> Result<DeclaredProgram> {
    let unreadable = |command: &str, source| Error::Report {
        command: command.to_owned(),
        source,
    };
    let told: serde_json::Value =
        serde_json::from_slice(text).map_err(|err| unreadable("a test program", err))?;
    let program = told["program"].as_str().unwrap_or("a test program").to_owned();
    match told["version"].as_u64() {
        Some(version) if version > u64::from(VERSION) => {
            let newer = format!(
                "it has version {version}, and this `kdev` knows {VERSION} (install the `kdev` of the kdev-volumes that the tests use)"
            );
            Err(unreadable(&program, serde_json::Error::custom(newer)))
        }
        _ => serde_json::from_value(told).map_err(|err| unreadable(&program, err)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const TOLD: &str = r#"{"version": 1, "binary_id": "c::it", "program": "/deps/it-1", "tests": [{"module": "it",
        "function": "f", "file": "tests/it.rs", "line": 7, "volumes": [{"name": "test", "bytes": 4096, "env": "TEST_DEV",
        "order": 0, "later": true}], "later": true}], "later": true}"#;

    #[test]
    fn keys_of_later_versions_are_passed_over() {
        let program = parse(TOLD.as_bytes()).unwrap();
        assert_eq!(program.tests[0].volumes[0].bytes, 4096);
    }

    #[test]
    fn what_must_not_be_passed_over_is_an_error_with_its_remedy() {
        let later = TOLD.replace(r#""version": 1"#, r#""version": 2"#);
        assert_eq!(
            parse(later.as_bytes()).unwrap_err().chain(),
            "the answer of `/deps/it-1` cannot be read: it has version 2, and this `kdev` knows 1 (install the `kdev` of the kdev-volumes that the tests use)"
        );
    }

    #[test]
    fn only_tests_that_would_run_are_planned() {
        let list = r#"{"rust-build-meta": {"target-directory": "/t", "base-output-directories": [], "non-test-binaries": {},
            "build-script-out-dirs": {}, "linked-paths": [], "platforms": null, "target-platforms": [], "target-platform": null},
            "test-count": 3, "rust-suites": {
            "c::it": {"package-name": "c", "binary-id": "c::it", "binary-name": "it", "package-id": "c", "kind": "test",
                "binary-path": "/gone/it-1", "build-platform": "target", "cwd": "/", "status": "listed", "testcases": {
                "f": {"ignored": false, "filter-match": {"status": "matches"}},
                "g": {"ignored": true, "filter-match": {"status": "mismatch", "reason": "ignored"}},
                "h": {"ignored": false, "filter-match": {"status": "mismatch", "reason": "partition"}}}},
            "c": {"package-name": "c", "binary-id": "c", "binary-name": "c", "package-id": "c", "kind": "lib",
                "binary-path": "/gone/c-1", "build-platform": "target", "cwd": "/", "status": "skipped", "testcases": {}}}}"#;
        let listed = Listed {
            binary_id: "c::it".into(),
            program: "/gone/it-1".into(),
            name: "f".into(),
        };
        assert_eq!(would_run(&serde_json::from_str(list).unwrap()), [listed]);
    }
}
