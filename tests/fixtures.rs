//! The fixtures of the feature `rstest`, on loop devices. One test runs all the others, as threads of a
//! process with a state directory of its own, and looks after what they leave.

use std::env;
use std::fs;
use std::os::unix::fs::{FileExt, FileTypeExt};
use std::process::Command;

use kdev_volumes::fixtures::{test_volume, volumes};
use kdev_volumes::{Session, Volume};
use rstest::rstest;

/// A variable that the fixtures are to leave alone.
const FOREIGN: &str = "/dev/of-the-surrounding-shell";

#[rstest]
#[ignore = "started by another test"]
fn a_volume_is_there_without_a_word(test_volume: Volume) {
    assert_eq!((test_volume.name(), test_volume.size().get()), ("test", 1 << 30));
    assert!(fs::metadata(&test_volume).unwrap().file_type().is_block_device());
    assert_eq!(env::var("TEST_DEV").as_deref(), Ok(FOREIGN));
}

#[rstest]
#[case(1)]
#[case(2)]
#[ignore = "started by another test"]
fn each_case_has_a_volume_of_its_own(#[case] number: u8, #[with("16M")] test_volume: Volume) {
    assert_eq!(test_volume.size().get(), 16 << 20);
    let device = test_volume.open().unwrap();
    let mut block = [9; 4096];
    device.read_exact_at(&mut block, 0).unwrap();
    assert_eq!(block, [0; 4096]);
    device.write_all_at(&[number; 4096], 0).unwrap();
    drop(device);
    test_volume.close().unwrap();
}

#[rstest]
#[ignore = "started by another test"]
fn several_volumes_are_one_session(#[with(&[("test", "16M"), ("scratch", "32M")])] volumes: Session) {
    let sizes: Vec<(&str, u64)> = volumes
        .volumes()
        .iter()
        .map(|volume| (volume.name(), volume.size().get() >> 20))
        .collect();
    assert_eq!(sizes, [("test", 16), ("scratch", 32)]);
    let names: Vec<&str> = volumes.envs().map(|(name, _)| name).collect();
    assert_eq!(names, ["TEST_DEV", "SCRATCH_DEV", "KDEV_SESSION"]);
}

#[rstest]
#[should_panic(expected = "this test gets no volumes: bad size `much`")]
#[ignore = "started by another test"]
fn what_cannot_be_had_is_said(#[with("much")] test_volume: Volume) {
    drop(test_volume);
}

#[test]
fn fixtures_are_guards_and_leave_nothing_not_even_a_variable() {
    let dir = tempfile::tempdir().unwrap();
    let state = dir.path().join("state");
    let said = Command::new(env::current_exe().unwrap())
        .arg("--ignored")
        .env("KDEV_STATE_DIR", &state)
        .env("KDEV_WATCHDOG", "off")
        .env("TEST_DEV", FOREIGN)
        .env_remove("KDEV_KEEP")
        .env_remove("KERNELDEV_DEVICE_POOL")
        .output()
        .unwrap();
    let text = String::from_utf8(said.stdout).unwrap();
    assert!(said.status.success() && text.contains("5 passed"), "{text}");
    let records = fs::read_to_string(state.join("lv-state.json")).unwrap();
    assert!(!records.contains("lv_name"), "{records}");
    assert_eq!(fs::read_dir(state.join("leases")).unwrap().count(), 0);
}
