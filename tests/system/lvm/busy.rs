//! What the dead leave standing on LVs.

use std::fs;
use std::process::Command;

use crate::busy::{mount_elsewhere_is_undone, mount_in_use_is_stuck, mount_is_undone, tower_is_undone};
use crate::lvm::disk::{Disk, Pool, run};
use crate::scene::{Running, Say};

#[test]
fn what_a_dead_test_left_mounted_is_unmounted() {
    let pool = Pool::new(128);
    mount_is_undone(&pool);
    pool.assert_no_trace();
}

#[test]
fn it_is_unmounted_in_other_mount_namespaces_too() {
    let pool = Pool::new(128);
    mount_elsewhere_is_undone(&pool);
    pool.assert_no_trace();
}

#[test]
fn what_somebody_uses_is_left_and_said() {
    let pool = Pool::new(128);
    mount_in_use_is_stuck(&pool);
    pool.assert_no_trace();
}

#[test]
fn a_tower_of_devices_is_taken_down_from_the_top() {
    let pool = Pool::new(256);
    tower_is_undone(&pool);
    pool.assert_no_trace();
}

/// Removes a mapped device that a test may have left.
struct Mapped(String);

impl Mapped {
    fn is_there(&self) -> bool {
        Command::new("dmsetup").args(["info", &self.0]).say().code == Some(0)
    }
}

impl Drop for Mapped {
    fn drop(&mut self) {
        // It is gone if all went well.
        let _ = Command::new("dmsetup").args(["remove", &self.0]).output();
    }
}

#[test]
fn only_what_stands_on_the_deads_volumes_alone_is_taken_down() {
    let pool = Pool::new(256);
    let foreign = Disk::new(16);
    let [own, shared] = ["own", "shared"].map(|name| Mapped(format!("{}-{name}", pool.name)));
    let mut child = pool.child("waits_under_mapped_devices");
    child
        .env("CHILD_MAPPED", &pool.name)
        .env("CHILD_FOREIGN_DEVICE", foreign.name());
    pool.start_command(&mut child).kill();
    assert!(own.is_there() && shared.is_there());

    let said = pool.kdev(&["pool", "cleanup"]).say();
    assert_eq!(said.code, Some(1), "{}", said.out);
    assert_eq!(said.out.matches("removed kdev-").count(), 2, "{}", said.out);
    assert!(said.err.contains("used by /dev/dm-"), "{}", said.err);
    assert!(!own.is_there());
    assert!(
        shared.is_there(),
        "somebody else's device is in it, and somebody else's data"
    );
    let [left] = pool.lvs().try_into().unwrap();
    assert!(left.ends_with("-shared"), "{left}");
    // LVM takes down the LVs that it cannot remove together with others; this one was not asked for.
    let active = run("lvs", &["--noheadings", "-o", "lv_active", &pool.vg]);
    assert_eq!(active.trim(), "active");

    drop(shared);
    pool.kdev(&["pool", "cleanup"]).good();
    pool.assert_no_trace();
}

/// LVM removes none of several if one of them is open.
#[test]
fn what_is_in_use_of_many_deads_volumes_is_left_and_the_rest_goes() {
    let pool = Pool::new(256);
    let children = [(); 4].map(|()| pool.start("waits"));
    let lvs = pool.lvs();
    children.into_iter().for_each(Running::kill);
    let held = fs::File::open(format!("/dev/{}/{}", pool.vg, lvs[1])).unwrap();

    let said = pool.kdev(&["pool", "cleanup"]).say();
    assert_eq!(said.code, Some(1), "{}", said.out);
    assert_eq!(said.out.matches("removed kdev-").count(), 3, "{}", said.out);
    let holder = format!("pid {}", std::process::id());
    assert!(
        said.err.contains(&lvs[1]) && said.err.contains(&holder),
        "{}",
        said.err
    );
    assert_eq!(pool.lvs(), [lvs[1].clone()]);

    drop(held);
    pool.kdev(&["pool", "cleanup"]).good();
    pool.assert_no_trace();
}
