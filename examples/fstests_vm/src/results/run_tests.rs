use std::time::{Duration, SystemTime};

use rstest::rstest;

use super::{
    FILE, Filesystem, Fstests, Kernel, Machine, MachineKind, RunEnd, RunError, RunResults, VERSION,
    VolumeUsed,
};
use crate::results::outcome::Outcome::{
    self, Crashed, Expunged, Fail, Hung, Interrupted, NeverStarted, NotRun, Pass,
};
use crate::results::outcome::{Attempt, TestResult};
use crate::results::trouble::{Trouble, TroubleKind};

/// A run with a test of each outcome, named generic/001 and so on; a reason where it did not pass.
pub(crate) fn run_of(outcomes: &[Outcome]) -> RunResults {
    let test = |(at, outcome): (usize, &Outcome)| TestResult {
        seconds: Some(1.5 * (at + 1) as f64),
        reason: (*outcome != Pass).then(|| format!("why {outcome}")),
        ..TestResult::new(format!("generic/{:03}", at + 1).parse().unwrap(), *outcome)
    };
    RunResults {
        version: VERSION,
        id: "run-1".into(),
        started: SystemTime::UNIX_EPOCH + Duration::from_secs(1_767_261_600),
        seconds: 125.0,
        kernel: Kernel {
            release: Some("6.1.0-56-amd64".into()),
            image: "/boot/vmlinuz".into(),
        },
        filesystem: Filesystem {
            kind: "ext4".into(),
            mkfs_options: None,
            mount_options: Some("-o acl".into()),
        },
        fstests: Fstests {
            directory: "/fstests".into(),
            version: Some("v2026.01.05".into()),
        },
        machine: Machine {
            kind: MachineKind::Qemu,
            accelerator: Some("tcg".into()),
            root: "virtiofs".into(),
            memory_mib: 2048,
            cpus: 1,
        },
        pool: Some("kdev".into()),
        volumes: vec![VolumeUsed {
            name: "test".into(),
            path: "/dev/kdev/test".into(),
            size: 3 << 30,
        }],
        shards: 1,
        share: None,
        check_args: vec!["-g".into(), "quick".into()],
        end: RunEnd::Complete,
        troubles: vec![],
        tests: outcomes.iter().enumerate().map(test).collect(),
    }
}

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
fn the_file_is_as_documented() {
    let mut run = run_of(&[Pass]);
    run.volumes.clear();
    let expected = r#"{"version":1,"id":"run-1","started":"2026-01-01T10:00:00Z","seconds":125.0,"kernel":{"release":"6.1.0-56-amd64","image":"/boot/vmlinuz"},"filesystem":{"kind":"ext4","mount_options":"-o acl"},"fstests":{"directory":"/fstests","version":"v2026.01.05"},"machine":{"kind":"qemu","accelerator":"tcg","root":"virtiofs","memory_mib":2048,"cpus":1},"pool":"kdev","volumes":[],"shards":1,"check_args":["-g","quick"],"end":{"how":"complete"},"tests":[{"name":"generic/001","outcome":"pass","seconds":1.5}]}"#;
    assert_eq!(serde_json::to_string(&run).unwrap(), expected);
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

#[rstest]
#[case(&[Pass, NotRun, Expunged], 0)]
#[case(&[NotRun], 0)]
#[case(&[Expunged], 1)]
#[case(&[], 1)]
#[case(&[Pass, Fail], 1)]
#[case(&[Pass, NeverStarted], 1)]
#[case(&[Pass, Interrupted], 1)]
#[case(&[Pass, Fail, Crashed], 3)]
#[case(&[Hung], 3)]
fn the_exit_status_is_the_worst_that_happened(#[case] outcomes: &[Outcome], #[case] expected: u8) {
    let run = run_of(outcomes);
    assert_eq!(run.exit_code(), expected);
    assert_eq!(
        RunResults {
            end: RunEnd::Interrupted,
            ..run
        }
        .exit_code(),
        130
    );
}

#[rstest]
#[case(RunEnd::OutOfTime, 1)]
#[case(RunEnd::Failed { why: "no disk".into() }, 1)]
#[case(RunEnd::Crashed { why: "x".into() }, 3)]
fn a_run_that_did_not_come_to_its_end_is_no_success(#[case] end: RunEnd, #[case] expected: u8) {
    assert_eq!(
        RunResults {
            end,
            ..run_of(&[Pass])
        }
        .exit_code(),
        expected
    );
}

#[rstest]
#[case(TroubleKind::Warning, false, 3)]
#[case(TroubleKind::Warning, true, 0)]
#[case(TroubleKind::IoError, false, 0)]
fn what_the_kernel_says_unasked_is_no_success(
    #[case] kind: TroubleKind,
    #[case] asked_for: bool,
    #[case] expected: u8,
) {
    let trouble = Trouble {
        asked_for,
        ..Trouble::new(kind, "x")
    };
    let mut run = run_of(&[Pass]);
    run.tests[0].troubles.push(trouble.clone());
    assert_eq!(run.exit_code(), expected);
    run.tests[0].troubles.clear();
    run.troubles.push(trouble);
    assert_eq!(run.exit_code(), expected);
}

#[test]
fn a_crash_is_not_forgiven_by_a_later_pass() {
    let mut run = run_of(&[Pass]);
    run.tests[0].attempts.push(Attempt {
        outcome: Crashed,
        seconds: None,
        reason: None,
    });
    assert_eq!(run.exit_code(), 3);
}
