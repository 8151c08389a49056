//! The rule that has udev leave our LVs alone.

use std::fs;
use std::path::Path;

use crate::lvm::disk::{Pool, run};
use crate::scene::Say;

const RULE: &str = "/run/udev/rules.d/09-kdev-volumes.rules";

fn known_of(device: &str) -> String {
    run("udevadm", &["settle"]);
    run("udevadm", &["info", device])
}

/// The volume's name is that of a session's, as nobody else gives one.
#[test]
fn udev_looks_into_no_volume_and_into_other_lvs_as_ever() {
    let pool = Pool::new(128);
    pool.child("passes").good();
    assert!(Path::new(RULE).exists(), "whoever makes a volume writes it");
    let child = pool.start("waits");
    let [volume] = pool.lvs().try_into().unwrap();
    let device = format!("/dev/{}/{volume}", pool.vg);
    run(
        "mkfs.ext4",
        &["-q", "-F", "-U", "11111111-2222-3333-4444-555555555555", &device],
    );
    let known = known_of(&device);
    assert!(known.contains("DM_UDEV_DISABLE_DISK_RULES_FLAG=1"), "{known}");
    assert!(!known.contains("ID_FS_"), "udev has looked into it: {known}");
    assert!(!known.contains("disk/by-"), "{known}");

    // Also when udev looks at all disks again, and when the LV was away.
    for (program, args) in [
        ("udevadm", vec!["trigger", "--settle", "--action=change", &device]),
        ("lvchange", vec!["--activate", "n", &device[5..]]),
        ("lvchange", vec!["--activate", "y", &device[5..]]),
    ] {
        run(program, &args);
    }
    let known = known_of(&device);
    assert!(!known.contains("ID_FS_"), "udev has looked into it: {known}");
    assert!(known.contains(&device[5..]), "it has its links: {known}");
    child.kill();
    pool.kdev(&["pool", "cleanup"]).good();

    run("lvcreate", &["--yes", "--size=16m", "--name=precious", &pool.vg]);
    let other = format!("/dev/{}/precious", pool.vg);
    run("mkfs.ext4", &["-q", "-F", &other]);
    // It is told that somebody has written, a moment later.
    run("udevadm", &["trigger", "--settle", "--action=change", &other]);
    let known = known_of(&other);
    assert!(known.contains("ID_FS_TYPE=ext4"), "{known}");
    run("lvremove", &["--yes", &other[5..]]);
    pool.assert_no_trace();
}

#[test]
fn a_rule_of_another_version_is_replaced() {
    let pool = Pool::new(128);
    pool.child("passes").good();
    let rule = fs::read(RULE).unwrap();
    // Empty, as nothing else that a test may put there would be harmless to the others.
    fs::write(RULE, "").unwrap();
    pool.child("passes").good();
    assert_eq!(fs::read(RULE).unwrap(), rule);
    pool.assert_no_trace();
}
