//! The kernel's messages, test by test.

use std::collections::BTreeMap;
use std::fs;
use std::io;
use std::path::Path;

use crate::results::console_line;
use crate::results::outcome::TestResult;
use crate::results::scanner::marker;
use crate::results::test_name::TestName;

/// Writes the kernel's messages of each test of a round to a file of its own, and notes in each result
/// which files of the run's directory tell of it.
pub(crate) fn keep(
    shared: &Path,
    run_dir: &Path,
    round: &Path,
    results: &mut [TestResult],
) -> io::Result<()> {
    let log = fs::read(shared.join("kmsg")).unwrap_or_default();
    let mut by_test = split(&lines_of_kmsg(&String::from_utf8_lossy(&log)));
    if let Some(console) = shared.parent().map(|machine| machine.join("console.log")) {
        // What a kernel says when it panics reaches the console only.
        let console = fs::read(console).unwrap_or_default();
        let console: Vec<String> = String::from_utf8_lossy(&console)
            .lines()
            .map(str::to_owned)
            .collect();
        for (name, lines) in split(&console) {
            let known = by_test.entry(name).or_default();
            let is_known = |line: &String| {
                let message = console_line::message(line);
                message.is_empty() || known.iter().any(|known| console_line::message(known) == message)
            };
            let more: Vec<String> = lines.into_iter().filter(|line| !is_known(line)).collect();
            if !more.is_empty() {
                known.push("--- on the console only:".to_owned());
                known.extend(more);
            }
        }
    }
    for result in results {
        if let Some(lines) = by_test.get(&result.name) {
            let file = round.join(format!("{}.kernel", result.name));
            if let Some(parent) = file.parent() {
                fs::create_dir_all(parent)?;
            }
            fs::write(&file, lines.join("\n") + "\n")?;
        }
        result.files = files_of(&result.name, round, run_dir);
    }
    Ok(())
}

/// Lists what is there of a test: its output, its logs, the kernel's messages.
fn files_of(name: &TestName, round: &Path, run_dir: &Path) -> Vec<String> {
    let Ok(entries) = fs::read_dir(round.join(name.directory())) else {
        return Vec::new();
    };
    let base = name.as_str().rsplit('/').next().unwrap_or_default();
    let prefix = format!("{base}.");
    let mut files: Vec<String> = entries
        .flatten()
        .filter(|entry| entry.file_name().to_string_lossy().starts_with(&prefix))
        .map(|entry| {
            entry
                .path()
                .strip_prefix(run_dir)
                .unwrap_or(&entry.path())
                .display()
                .to_string()
        })
        .collect();
    files.sort();
    files
}

/// Turns records of /dev/kmsg (`6,339,5140900,-;text`, and ` KEY=value` lines) into lines with a time.
fn lines_of_kmsg(log: &str) -> Vec<String> {
    log.lines()
        .filter(|line| !line.starts_with(' '))
        .map(|line| {
            let record = line.split_once(';');
            let time = record.and_then(|(head, _)| head.split(',').nth(2)?.parse::<u64>().ok());
            match (record, time) {
                (Some((_, text)), Some(micros)) => {
                    format!("[{:5}.{:06}] {text}", micros / 1_000_000, micros % 1_000_000)
                }
                _ => line.to_owned(),
            }
        })
        .collect()
}

/// Splits lines at the marks that `check` writes when it begins with a test. A test that ran more than
/// once has all its lines.
fn split(lines: &[String]) -> BTreeMap<TestName, Vec<String>> {
    let mut by_test: BTreeMap<TestName, Vec<String>> = BTreeMap::new();
    let mut current: Option<TestName> = None;
    for line in lines {
        if let Some(name) = marker(&console_line::message(line)) {
            current = Some(name);
        }
        if let Some(name) = &current {
            by_test.entry(name.clone()).or_default().push(line.clone());
        }
    }
    by_test
}
