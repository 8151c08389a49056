//! The package of annotated tests of every shape, `tests/shapes`, and how it is run.

use std::collections::BTreeMap;
use std::env;
use std::ffi::OsString;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use nextest_metadata::TestListSummary;

use crate::scene::{Said, Say, Scene};

/// How a suite's test programs are started.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Runner {
    /// What `cargo test` starts: the program itself, with this many threads.
    CargoTest(usize),
    Nextest,
}

/// The test programs of `tests/shapes`: built by cargo, or out of the archive that the test bed hands on.
pub(crate) struct Shapes {
    source: Vec<OsString>,
    programs: BTreeMap<String, (PathBuf, PathBuf)>,
}

/// What the test bed hands on: the test programs, built outside.
pub(crate) const ARCHIVE: &str = "KDEV_BED_ARCHIVE";

/// Tells nextest where the test programs of this workspace are.
pub(crate) fn source() -> Vec<OsString> {
    match env::var_os(ARCHIVE) {
        Some(archive) => vec!["--archive-file".into(), archive],
        // With the features that this program has, so that nothing is built anew.
        None => {
            let all = [
                ("cli", cfg!(feature = "cli")),
                ("fault-points", cfg!(feature = "fault-points")),
                ("rstest", cfg!(feature = "rstest")),
                ("test-bed", cfg!(feature = "test-bed")),
            ];
            let on = all.iter().filter(|(_, is_on)| *is_on);
            let features: Vec<&str> = on.map(|(name, _)| *name).collect();
            let features = &format!("--features={}", features.join(","));
            ["--workspace", features, "--offline"]
                .map(OsString::from)
                .to_vec()
        }
    }
}

impl Shapes {
    pub(crate) fn find(scene: &Scene) -> Self {
        let source = source();
        let mut list = nextest(scene, "list");
        list.args(&source).arg("--message-format=json");
        if env::var_os(ARCHIVE).is_some() {
            // They are started directly, too, so they stay.
            list.arg("--extract-to").arg(scene.path(""));
        }
        let list: TestListSummary = serde_json::from_str(&list.good()).expect("nextest's own format");
        let programs = list.rust_suites.into_values().map(|suite| {
            let path = PathBuf::from(suite.binary.binary_path);
            (suite.binary.binary_name, (path, PathBuf::from(suite.cwd)))
        });
        let programs = programs.collect();
        Self { source, programs }
    }

    /// The path of a test program.
    pub(crate) fn program(&self, name: &str) -> &Path {
        &self.programs[name].0
    }

    /// Makes the command that runs tests of one program, also those that are ignored.
    pub(crate) fn run(&self, scene: &Scene, runner: Runner, program: &str, filter: &str) -> Command {
        let mut command = match runner {
            Runner::CargoTest(threads) => {
                let (path, dir) = &self.programs[program];
                let mut command = scene.program(path);
                if dir.exists() {
                    command.current_dir(dir);
                }
                command.arg("--include-ignored").arg(filter);
                command.arg(format!("--test-threads={threads}"));
                command
            }
            Runner::Nextest => {
                let mut command = nextest(scene, "run");
                command
                    .args(&self.source)
                    .args(["--no-fail-fast", "--run-ignored=all"]);
                command.args(["--test-threads=8", "-E"]);
                let mut filterset = format!("package(shapes) & binary(={program})");
                if !filter.is_empty() {
                    filterset.push_str(&format!(" & test({filter})"));
                }
                command.arg(filterset);
                command
            }
        };
        command.env("RUST_BACKTRACE", "0");
        command
    }
}

fn nextest(scene: &Scene, verb: &str) -> Command {
    let mut command = scene.program("cargo-nextest");
    command.args(["nextest", verb]);
    if verb == "list" {
        command.args(["-E", "package(shapes)"]);
    }
    command
}

/// How each test ended, by name, as its runner says.
pub(crate) fn results(runner: Runner, said: &Said) -> BTreeMap<String, bool> {
    let line = |line: &str| match runner {
        // `test NAME - should panic ... ok`
        Runner::CargoTest(_) => {
            let (name, result) = line.strip_prefix("test ")?.rsplit_once(" ... ")?;
            let name = name.trim_end_matches(" - should panic");
            Some((name.to_owned(), result == "ok"))
        }
        // `        PASS [   0.010s] (1/2) shapes::shapes NAME`
        Runner::Nextest => {
            let mut words = line.split_whitespace();
            let result = words.next()?;
            let passed = ["PASS", "LEAK"].contains(&result);
            let known = passed || ["FAIL", "SIGKILL", "SIGABRT", "SIGSEGV", "SIGBUS"].contains(&result);
            let name = words.next_back().filter(|_| known && line.contains("shapes::"))?;
            Some((name.to_owned(), passed))
        }
    };
    let text = match runner {
        Runner::CargoTest(_) => &said.out,
        Runner::Nextest => &said.err,
    };
    text.lines().filter_map(line).collect()
}

/// A line of what the tests report: which process of which test had which device and LV, and who started it.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Reported {
    pub(crate) test: String,
    pub(crate) pid: u32,
    pub(crate) device: PathBuf,
    pub(crate) lv_name: String,
    pub(crate) started_by: String,
}

pub(crate) fn reported(report: &Path) -> Vec<Reported> {
    let text = fs::read_to_string(report).unwrap_or_default();
    let line = |line: &str| {
        let words: Vec<&str> = line.split('\t').collect();
        let [test, pid, device, lv_name, started_by] = words.try_into().unwrap();
        Reported {
            test: test.to_owned(),
            pid: pid.parse().unwrap(),
            device: device.into(),
            lv_name: lv_name.to_owned(),
            started_by: started_by.to_owned(),
        }
    };
    text.lines().map(line).collect()
}
