//! What a test may rely on, whatever the volumes are made of.

use std::env;
use std::fs;
use std::io::{Read, Write};
use std::os::unix::fs::{FileTypeExt, OpenOptionsExt};
use std::process::Command;

use annotated_suite::{Stamped, text};
use kdev_volumes::{Session, Volume, kdev_volumes};

/// A guard is injected by the name of its volume, and the device is exported beside it.
#[kdev_volumes(test = "32M")]
#[test]
fn a_guard_and_the_environment_name_the_same_device(test: Volume) {
    let stamped = Stamped::new(&test);
    assert_eq!(env::var_os("TEST_DEV").as_deref(), Some(test.path().as_os_str()));
    assert!(fs::metadata(test.path()).unwrap().file_type().is_block_device());
    stamped.check();
}

/// Two volumes are two devices.
#[kdev_volumes(test = "32M", scratch = "32M")]
#[test]
fn volumes_do_not_overlap(test: Volume, scratch: &Volume) {
    let first = Stamped::new(&test);
    let second = Stamped::new(scratch);
    first.check();
    second.check();
    assert_ne!(test.path(), scratch.path());
}

/// Sizes are base 2 and rounded up, never down.
#[kdev_volumes(test = "33M", scratch(size = 5000000, env = "SMALL_DEV"))]
#[test]
fn a_volume_is_at_least_as_large_as_it_was_asked_for(test: &Volume, scratch: &Volume) {
    for (volume, asked) in [(test, 33 << 20), (scratch, 5_000_000)] {
        let stamped = Stamped::new(volume);
        let size = volume.size().get();
        assert!((asked..asked + (4 << 20)).contains(&size), "{size}");
        let output = Command::new("blockdev")
            .args(["--getsize64", text(volume.path())])
            .output()
            .unwrap();
        assert_eq!(String::from_utf8_lossy(&output.stdout).trim(), size.to_string());
        stamped.check();
    }
    assert_eq!(
        env::var_os("SMALL_DEV").as_deref(),
        Some(scratch.path().as_os_str())
    );
}

/// The session has all volumes, in their order.
#[kdev_volumes(last(size = "16M", order = 9), first = "16M", logwrites = "16M")]
#[test]
fn a_session_holds_all_volumes_in_order(volumes: Session) {
    let names: Vec<&str> = volumes.volumes().iter().map(Volume::name).collect();
    assert_eq!(names, ["first", "logwrites", "last"]);
    let stamps: Vec<Stamped<'_>> = volumes.volumes().iter().map(Stamped::new).collect();
    stamps.iter().for_each(Stamped::check);
    for (variable, path) in volumes.envs() {
        assert_eq!(env::var_os(variable).as_ref(), Some(path));
    }
}

/// A test that only reads the environment, as a C program or a shell script would.
#[kdev_volumes(test = "16M")]
#[test]
fn the_environment_alone_is_enough() -> std::io::Result<()> {
    let device = env::var("TEST_DEV").unwrap();
    let mine = format!("process {}", std::process::id());
    fs::OpenOptions::new()
        .write(true)
        .open(&device)?
        .write_all(mine.as_bytes())?;
    assert!(
        env::var_os("SCRATCH_DEV").is_none(),
        "this test has no scratch device"
    );
    let mut found = vec![0; mine.len()];
    fs::File::open(&device)?.read_exact(&mut found)?;
    assert_eq!(String::from_utf8_lossy(&found), mine);
    Ok(())
}

/// No signature of an earlier test is left on a new volume.
#[kdev_volumes(test = "32M")]
#[test]
fn a_new_volume_has_no_signature(test: Volume) {
    let probe = Command::new("blkid")
        .args(["--probe", text(test.path())])
        .status()
        .unwrap();
    assert_eq!(probe.code(), Some(2), "blkid finds something on a new volume");
    Stamped::new(&test).check();
}

/// A scratch pool for btrfs comes as one list.
#[kdev_volumes(test = "16M", pool1 = "16M", pool2 = "16M", pool3 = "16M")]
#[test]
fn a_scratch_pool_is_one_variable(volumes: &Session) {
    let pool = env::var("SCRATCH_DEV_POOL").unwrap();
    let paths: Vec<&str> = ["pool1", "pool2", "pool3"]
        .map(|name| text(volumes.volume(name).unwrap().path()))
        .into();
    assert_eq!(pool.split(' ').collect::<Vec<_>>(), paths);
    for volume in volumes.volumes() {
        Stamped::new(volume).check();
    }
}

/// Direct I/O works, as databases and fstests need it.
#[kdev_volumes(test = "16M")]
#[test]
fn direct_io_works(test: Volume) {
    const O_DIRECT: i32 = 0o40000;
    let stamped = Stamped::new(&test);
    fs::OpenOptions::new()
        .read(true)
        .write(true)
        .custom_flags(O_DIRECT)
        .open(test.path())
        .unwrap();
    let of = format!("of={}", test.path().display());
    annotated_suite::run(
        "dd",
        &[
            "if=/dev/zero",
            &of,
            "bs=4096",
            "count=1",
            "seek=1",
            "oflag=direct",
            "status=none",
        ],
    );
    stamped.check();
}

/// Giving one volume back early leaves the other.
#[kdev_volumes(test = "16M", scratch = "16M")]
#[test]
fn one_volume_can_be_given_back_early(test: Volume, scratch: Volume) -> Result<(), kdev_volumes::Error> {
    let stamped = Stamped::new(&scratch);
    test.close()?;
    stamped.check();
    Ok(())
}
