use std::time::{Duration, SystemTime};

use rstest::rstest;

use super::{Filesystem, Fstests, Kernel, Machine, MachineKind, RunEnd, RunResults, VERSION, VolumeUsed};
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
            offset: None,
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
fn the_file_is_as_documented() {
    let mut run = run_of(&[Pass]);
    run.volumes.clear();
    let expected = r#"{"version":1,"id":"run-1","started":"2026-01-01T10:00:00Z","seconds":125.0,"kernel":{"release":"6.1.0-56-amd64","image":"/boot/vmlinuz"},"filesystem":{"kind":"ext4","mount_options":"-o acl"},"fstests":{"directory":"/fstests","version":"v2026.01.05"},"machine":{"kind":"qemu","accelerator":"tcg","root":"virtiofs","memory_mib":2048,"cpus":1},"pool":"kdev","volumes":[],"shards":1,"check_args":["-g","quick"],"end":{"how":"complete"},"tests":[{"name":"generic/001","outcome":"pass","seconds":1.5}]}"#;
    assert_eq!(serde_json::to_string(&run).unwrap(), expected);
}

#[test]
fn a_slice_says_where_it_begins_and_a_whole_volume_does_not() {
    let disk = |offset| VolumeUsed {
        name: "pool1".into(),
        path: "/dev/kdev/disks".into(),
        offset,
        size: 1 << 20,
    };
    for (disk, expected) in [
        (
            disk(Some(0)),
            r#"{"name":"pool1","path":"/dev/kdev/disks","offset":0,"size":1048576}"#,
        ),
        (
            disk(None),
            r#"{"name":"pool1","path":"/dev/kdev/disks","size":1048576}"#,
        ),
    ] {
        assert_eq!(serde_json::to_string(&disk).unwrap(), expected);
        assert_eq!(serde_json::from_str::<VolumeUsed>(expected).unwrap(), disk);
    }
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

#[test]
fn outcomes_are_counted_from_best_to_worst() {
    let counts: Vec<_> = run_of(&[Crashed, Pass, Fail, Pass])
        .counts()
        .into_iter()
        .collect();
    assert_eq!(counts, [(Pass, 2), (Fail, 1), (Crashed, 1)]);
}
