//! File systems on `$TEST_DEV`: make, mount, write, fsync, unmount, check.

use std::env;
use std::error::Error;
use std::fs;
use std::io::ErrorKind;

use annotated_suite::{Stamped, run, tell, text, write_and_sync};
use kdev_volumes::{Volume, kdev_volumes};

/// The whole life of an ext4 file system.
#[kdev_volumes(test = "64M")]
#[test]
fn ext4_keeps_what_was_synced(test: Volume) -> Result<(), Box<dyn Error>> {
    Stamped::new(&test).check();
    let device = env::var("TEST_DEV")?;
    run("mkfs.ext4", &["-q", "-F", &device]);
    let mount = test.mount()?;
    write_and_sync(&mount.path().join("whose"), test.lv_name())?;
    mount.unmount()?;
    run("e2fsck", &["-f", "-n", &device]);
    let mount = test.mount()?;
    assert_eq!(fs::read_to_string(mount.path().join("whose"))?, test.lv_name());
    Ok(())
}

/// Two file systems at once, as fstests uses them.
#[kdev_volumes(test = "64M", scratch = "64M")]
#[test]
fn test_and_scratch_are_two_filesystems(test: Volume, scratch: Volume) -> Result<(), Box<dyn Error>> {
    for variable in ["TEST_DEV", "SCRATCH_DEV"] {
        run("mkfs.ext4", &["-q", "-F", &env::var(variable)?]);
    }
    let (on_test, on_scratch) = (test.mount()?, scratch.mount()?);
    write_and_sync(&on_test.path().join("whose"), test.lv_name())?;
    write_and_sync(&on_scratch.path().join("whose"), scratch.lv_name())?;
    tell(&test);
    tell(&scratch);
    assert_eq!(fs::read_to_string(on_test.path().join("whose"))?, test.lv_name());
    assert_eq!(
        fs::read_to_string(on_scratch.path().join("whose"))?,
        scratch.lv_name()
    );
    Ok(())
}

/// XFS, which the volume comes with, and whose own repair program finds nothing to repair.
#[kdev_volumes(scratch(size = "320M", mkfs = "xfs"))]
#[test]
fn xfs_is_clean_after_unmount(scratch: &Volume) -> Result<(), Box<dyn Error>> {
    tell(scratch);
    let mount = scratch.mount()?;
    write_and_sync(&mount.path().join("whose"), scratch.lv_name())?;
    mount.unmount()?;
    run("xfs_repair", &["-n", text(scratch.path())]);
    let mount = scratch.mount_with("ro")?;
    assert_eq!(fs::read_to_string(mount.path().join("whose"))?, scratch.lv_name());
    Ok(())
}

/// A full file system says so, and is whole after.
#[kdev_volumes(test = "16M")]
#[test]
fn a_full_filesystem_says_enospc(test: Volume) -> Result<(), Box<dyn Error>> {
    Stamped::new(&test).check();
    let device = text(test.path());
    run("mkfs.ext4", &["-q", "-F", device]);
    let mount = test.mount()?;
    write_and_sync(&mount.path().join("whose"), test.lv_name())?;
    let err = write_and_sync(&mount.path().join("large"), &"x".repeat(17 << 20)).unwrap_err();
    assert_eq!(err.kind(), ErrorKind::StorageFull);
    mount.unmount()?;
    run("e2fsck", &["-f", "-n", device]);
    let mount = test.mount()?;
    assert_eq!(fs::read_to_string(mount.path().join("whose"))?, test.lv_name());
    Ok(())
}

/// An ext4 file system with its journal on a device of its own.
#[kdev_volumes(test = "64M", journal(size = "16M", env = "JOURNAL_DEV"))]
#[test]
fn ext4_takes_an_external_journal(test: Volume, journal: Volume) -> Result<(), Box<dyn Error>> {
    Stamped::new(&test).check();
    Stamped::new(&journal).check();
    let journal_device = env::var("JOURNAL_DEV")?;
    let device = env::var("TEST_DEV")?;
    run(
        "mkfs.ext4",
        &["-q", "-F", "-b", "4096", "-O", "journal_dev", &journal_device],
    );
    run(
        "mkfs.ext4",
        &[
            "-q",
            "-F",
            "-b",
            "4096",
            "-J",
            &format!("device={journal_device}"),
            &device,
        ],
    );
    let mount = test.mount()?;
    write_and_sync(&mount.path().join("whose"), test.lv_name())?;
    assert_eq!(fs::read_to_string(mount.path().join("whose"))?, test.lv_name());
    Ok(())
}

/// What a test destroys on its volume is its own.
#[kdev_volumes(test = "64M")]
#[test]
fn a_destroyed_superblock_is_restored_from_its_copy(test: Volume) -> Result<(), Box<dyn Error>> {
    tell(&test);
    let device = text(test.path());
    run("mkfs.ext4", &["-q", "-F", "-b", "1024", device]);
    let mount = test.mount()?;
    write_and_sync(&mount.path().join("whose"), test.lv_name())?;
    mount.unmount()?;
    run(
        "dd",
        &[
            "if=/dev/zero",
            &format!("of={device}"),
            "bs=1024",
            "seek=1",
            "count=1",
            "conv=fsync",
            "status=none",
        ],
    );
    // Exit status 1: errors were corrected.
    let fixed = std::process::Command::new("e2fsck")
        .args(["-f", "-y", "-b", "8193", device])
        .output()
        .unwrap();
    assert_eq!(
        fixed.status.code(),
        Some(1),
        "{}",
        String::from_utf8_lossy(&fixed.stdout)
    );
    run("e2fsck", &["-f", "-n", device]);
    let mount = test.mount()?;
    assert_eq!(fs::read_to_string(mount.path().join("whose"))?, test.lv_name());
    Ok(())
}
