use rstest::rstest;

use super::{FILE, RunError};
use crate::results::outcome::Attempt;
use crate::results::outcome::Outcome::{Fail, Pass};
use crate::results::run::tests::run_of;
use crate::results::run::{RunEnd, RunResults};
use crate::results::trouble::{Trouble, TroubleKind};

#[test]
fn what_is_written_is_read_again_and_sorted() {
    let directory = tempfile::tempdir().unwrap();
    let mut run = run_of(&[Pass, Fail]);
    run.tests[1]
        .troubles
        .push(Trouble::new(TroubleKind::Warning, "WARNING: x"));
    run.tests[1].attempts.push(Attempt {
        outcome: Fail,
        seconds: None,
        reason: None,
    });
    run.share = Some("2/5".parse().unwrap());
    run.end = RunEnd::Crashed { why: "x".into() };
    let sorted = run.clone();
    run.tests.reverse();
    run.write(directory.path()).unwrap();
    run.write(directory.path()).unwrap();
    assert_eq!(RunResults::read(directory.path()).unwrap(), sorted);
    assert_eq!(std::fs::read_dir(directory.path()).unwrap().count(), 1);
}

#[test]
fn a_file_that_is_cut_off_anywhere_is_garbage() {
    let directory = tempfile::tempdir().unwrap();
    let whole = serde_json::to_vec(&run_of(&[Pass, Fail])).unwrap();
    let path = directory.path().join(FILE);
    for end in 0..whole.len() {
        std::fs::write(&path, &whole[..end]).unwrap();
        assert!(
            matches!(RunResults::read(&path), Err(RunError::Garbage { .. })),
            "cut off at {end}"
        );
    }
}

#[rstest]
#[case(
    "{\"version\": 2, \"what\": \"else\"}",
    "has version 2, and this program knows 1 (use the program that wrote it)"
)]
#[case(
    "{\"version\": 1}",
    "is not the results of a run (was it edited, or cut off?)"
)]
#[case("[]", "is not the results of a run (was it edited, or cut off?)")]
fn what_this_program_cannot_know_is_said(#[case] text: &str, #[case] expected: &str) {
    let directory = tempfile::tempdir().unwrap();
    std::fs::write(directory.path().join(FILE), text).unwrap();
    let said = RunResults::read(directory.path()).unwrap_err().to_string();
    assert!(said.ends_with(expected), "{said}");
}

#[test]
fn a_directory_that_is_not_there_is_said() {
    let missing = std::path::Path::new("/nonexistent/run");
    assert!(matches!(RunResults::read(missing), Err(RunError::Read { .. })));
    assert!(matches!(run_of(&[]).write(missing), Err(RunError::Write { .. })));
}
