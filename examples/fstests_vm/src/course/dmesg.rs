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

/// Splits lines at the marks that `check` writes when it begins with a test. Of a test that ran before, in
/// an earlier round of the same machine, that round has the lines.
fn split(lines: &[String]) -> BTreeMap<TestName, Vec<String>> {
    let mut by_test: BTreeMap<TestName, Vec<String>> = BTreeMap::new();
    let mut current: Option<TestName> = None;
    for line in lines {
        if let Some(name) = marker(&console_line::message(line)) {
            by_test.insert(name.clone(), Vec::new());
            current = Some(name);
        }
        if let Some(name) = &current {
            by_test.entry(name.clone()).or_default().push(line.clone());
        }
    }
    by_test
}

#[cfg(test)]
mod tests {
    use rstest::rstest;

    use super::*;
    use crate::results::outcome::Outcome;

    const MARK: &str = "run fstests demo/001 at 2026-01-01 10:00:00";

    #[rstest]
    #[case("6,339,5140900,-;text", &["[    5.140900] text"])]
    #[case("4,7,12,c;a;b", &["[    0.000012] a;b"])]
    #[case("6,1,2,-;one\n SUBSYSTEM=block\n DEVICE=b254:0\n6,2,3000000,-;two", &["[    0.000002] one", "[    3.000000] two"])]
    #[case("no record", &["no record"])]
    #[case("6,x,y,-;text", &["6,x,y,-;text"])]
    #[case("", &[])]
    fn records_of_the_kernel_become_lines(#[case] log: &str, #[case] expected: &[&str]) {
        assert_eq!(lines_of_kmsg(log), expected);
    }

    #[test]
    fn a_test_has_the_lines_since_its_last_mark() {
        let log = [
            "boot",
            MARK,
            "one",
            "run fstests demo/002 at 2026-01-01 10:00:00",
            "two",
            MARK,
            "three",
        ];
        let by_test = split(&log.map(str::to_owned));
        assert_eq!(by_test.len(), 2);
        assert_eq!(by_test[&"demo/001".parse().unwrap()], [MARK, "three"]);
    }

    /// Keeps what these two logs say, and returns the file of demo/001 and what its result names.
    fn kept(kmsg: &str, console: &str) -> (String, Vec<String>) {
        let run = tempfile::tempdir().unwrap();
        let shared = run.path().join("vm1/guest");
        let round = shared.join("round-1");
        fs::create_dir_all(round.join("demo")).unwrap();
        fs::write(shared.join("kmsg"), kmsg).unwrap();
        fs::write(run.path().join("vm1/console.log"), console).unwrap();
        for name in ["demo/001.out.bad", "demo/0011.out.bad"] {
            fs::write(round.join(name), "").unwrap();
        }
        let mut results = [TestResult::new("demo/001".parse().unwrap(), Outcome::Crashed)];
        keep(&shared, run.path(), &round, &mut results).unwrap();
        let lines = fs::read_to_string(round.join("demo/001.kernel")).unwrap_or_default();
        (lines, results[0].files.clone())
    }

    #[test]
    fn a_panic_that_reached_the_console_only_is_behind_what_the_log_has() {
        let kmsg = format!("6,1,1000000,-;{MARK}\n6,2,2000000,-;known\n");
        let console = format!("[    1.000000] {MARK}\r\n[    2.000000] known\r\n[    3.0] Kernel panic\r\n");
        let (lines, files) = kept(&kmsg, &console);
        let expected = format!(
            "[    1.000000] {MARK}\n[    2.000000] known\n--- on the console only:\n[    3.0] Kernel panic\n"
        );
        assert_eq!(lines, expected);
        assert_eq!(
            files,
            [
                "vm1/guest/round-1/demo/001.kernel",
                "vm1/guest/round-1/demo/001.out.bad"
            ]
        );
    }

    #[test]
    fn a_console_that_says_nothing_new_adds_nothing() {
        let kmsg = format!("6,1,1000000,-;{MARK}\n");
        let (lines, _) = kept(&kmsg, &format!("[    1.000000] {MARK}\r\n"));
        assert_eq!(lines, format!("[    1.000000] {MARK}\n"));
    }

    #[test]
    fn a_test_of_which_no_log_tells_has_no_file_of_the_kernels() {
        let (lines, files) = kept("", "");
        assert_eq!(lines, "");
        assert_eq!(files, ["vm1/guest/round-1/demo/001.out.bad"]);
    }
}
