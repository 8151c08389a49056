//! Several pools of which a session takes one.

use std::fs::{self, File};
use std::path::Path;
use std::process::{Command, Stdio};

use crate::lvm::disk::{Disk, Pool, run};
use crate::lvm::queue::waiting;
use crate::scene::{Running, Said, Say, wait_until};

/// A second pool of the same state directory, on a disk that can be pulled.
struct Second {
    name: String,
    vg: String,
    disk: Disk,
}

impl Second {
    fn beside(pool: &Pool, mib: u64) -> Self {
        let name = format!("{}s", pool.name);
        let second = Self {
            vg: format!("kerneldev-{name}-vg"),
            disk: Disk::new(mib),
            name,
        };
        let device = format!("--device={}", second.disk.name());
        pool.kdev(&["pool", "setup", &device, &format!("--pool={}", second.name)])
            .good();
        second
    }
}

impl Drop for Second {
    fn drop(&mut self) {
        // Whatever a failed test left, so that the disk can be detached.
        let _ = Command::new("vgremove")
            .args(["--force", "--force", "--yes", &self.vg])
            .output();
    }
}

fn passes(pool: &Pool, child: &str, from: &str) -> Said {
    pool.child(child).env("KERNELDEV_DEVICE_POOL", from).say()
}

#[test]
fn a_session_goes_where_the_room_is_and_where_a_disk_is_gone_the_other_serves() {
    // LVM has 44M of the one and 48M of the other.
    let pool = Pool::new(64);
    let second = Second::beside(&pool, 68);
    let (small, large) = (&pool.name, &second.name);
    let both = format!("{small},{large}");
    let device_in = |said: &Said, vg: &str| {
        assert_eq!(said.code, Some(0), "{}", said.err);
        let device = format!("DEVICE=/dev/mapper/{}-kdev--", vg.replace('-', "--"));
        assert!(said.out.contains(&device), "{}", said.out);
    };
    device_in(&passes(&pool, "passes", &both), &second.vg);
    let kept = pool
        .child("passes_with_two")
        .env("KERNELDEV_DEVICE_POOL", &both)
        .env("KDEV_KEEP", "1")
        .say();
    assert_eq!(kept.code, Some(0), "{}", kept.err);
    assert!(pool.records().iter().all(|record| record["pool_name"] == **large));
    // It has 16M free now, and so the other has more.
    device_in(&passes(&pool, "passes", "auto"), &pool.vg);
    pool.kdev(&["pool", "cleanup", "--kept"]).good();

    // Both are full: whichever has room first serves, here since the one who had it died.
    let holds = |name: &str| {
        let mut child = pool.child("waits_with_two_sessions");
        pool.start_command(child.env("KERNELDEV_DEVICE_POOL", name))
    };
    let (in_small, in_large) = (holds(small), holds(large));
    let said = pool.path("said");
    let mut waits = pool.child("passes_with_two");
    waits
        .env("KERNELDEV_DEVICE_POOL", &both)
        .env_remove("KDEV_WAIT")
        .stdout(Stdio::null())
        .stderr(File::create(&said).unwrap());
    let waits = Running::of(waits);
    // It has looked, and found nobody dead.
    wait_until("it waits", || {
        fs::read_to_string(&said).unwrap().contains("begins to wait")
    });
    in_small.kill();
    assert!(waits.succeeds());
    let said = fs::read_to_string(said).unwrap();
    for part in [
        format!("begins to wait for 32M in one of the pools `{small}`, `{large}`"),
        format!("has its room in pool `{small}`"),
    ] {
        assert!(said.contains(&part), "{part}: {said}");
    }
    in_large.kill();
    pool.kdev(&["pool", "cleanup"]).good();

    // The disk is pulled.
    run("losetup", &["--detach", second.disk.name()]);
    // It goes with the last process that has it open: with a second processor that may be udev.
    wait_until("the disk is gone", || {
        let name = second.disk.name().trim_start_matches("/dev/");
        !Path::new("/sys/block").join(name).join("loop").exists()
    });
    let said = passes(&pool, "passes", "auto");
    device_in(&said, &pool.vg);
    let gone = format!("pool `{large}` gives nothing: VG `{}` is not there", second.vg);
    assert!(said.err.contains(&gone), "{}", said.err);
    assert!(
        said.err.contains(&format!("; volumes come from pool `{small}`")),
        "{}",
        said.err
    );
    // Neither has it: one error with both reasons.
    let said = passes(&pool, "waits_after_unmounting", &both);
    assert_eq!(said.code, Some(101), "{}", said.out);
    for part in [
        format!("none of the pools of `{both}` gives what is needed: "),
        format!("`{small}`: pool `{small}` can never hold the 64M that is needed: it has 44M in all"),
        format!("`{large}`: VG `{}` is not there", second.vg),
    ] {
        assert!(said.err.contains(&part), "{part}: {}", said.err);
    }
    assert_eq!(waiting(&pool), 0);
    pool.assert_no_trace();
}
