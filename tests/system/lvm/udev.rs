//! The rule that has udev leave our LVs alone.

use std::fs;
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use crate::lvm::crash::UdevAtRest;
use crate::lvm::disk::{Pool, run};
use crate::scene::{Running, Say, wait_until};

const RULE: &str = "/run/udev/rules.d/09-kdev-volumes.rules";

const NAMES: &str = "/run/kdev-volumes/names";

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
    assert_ready(&known);
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

fn assert_ready(known: &str) {
    assert!(known.contains("SYSTEMD_READY=1"), "{known}");
    assert!(known.contains("TAGS=:systemd:"), "{known}");
    assert!(!known.contains("KDEV_VOLUME"), "it is not stored: {known}");
}

/// Else a mount unit on a volume waits until it times out.
#[test]
fn volume_is_ready_for_systemd_after_each_event() {
    let pool = Pool::new(128);
    let child = pool.start("waits");
    let [volume] = pool.lvs().try_into().unwrap();
    let device = format!("/dev/{}/{volume}", pool.vg);
    assert_ready(&known_of(&device));
    // As at boot, and as after a write.
    for action in ["add", "change"] {
        let action = format!("--action={action}");
        run("udevadm", &["trigger", "--settle", &action, &device]);
        assert_ready(&known_of(&device));
    }
    let mapped = format!("{}-{}", pool.vg.replace('-', "--"), volume.replace('-', "--"));
    run("dmsetup", &["suspend", &mapped]);
    run("udevadm", &["trigger", "--settle", "--action=change", &device]);
    let suspended = known_of(&device);
    run("dmsetup", &["resume", &mapped]);
    assert_ready(&suspended);
    assert_ready(&known_of(&device));
    child.kill();
    pool.kdev(&["pool", "cleanup"]).good();
    pool.assert_no_trace();
}

/// LVM's own rules would start a program for the links that ours make.
#[test]
fn udev_is_told_the_names_of_volumes_and_asks_nobody_for_them() {
    let pool = Pool::new(128);
    let child = pool.start("waits");
    let [volume] = pool.lvs().try_into().unwrap();
    let device = format!("/dev/{}/{volume}", pool.vg);
    let known = known_of(&device);
    for told in [
        format!("DM_VG_NAME={}", pool.vg),
        format!("DM_LV_NAME={volume}"),
        "DM_UUID=LVM-".to_owned(),
    ] {
        assert!(known.contains(&told), "{told}: {known}");
    }
    assert!(
        !known.contains("DM_UDEV_RULES_VSN"),
        "LVM's rules did nothing: {known}"
    );
    // Other tests have died over theirs.
    let mapped = volume.replace('-', "--");
    let names = fs::read_dir(NAMES).unwrap();
    let names: Vec<String> = names
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect();
    assert!(
        names.iter().all(|name| !name.ends_with(&mapped)),
        "nobody needs it now: {names:?}"
    );

    // Whom nobody has told looks for himself.
    run("udevadm", &["trigger", "--settle", "--action=change", &device]);
    let again = known_of(&device);
    assert!(again.contains("DM_UDEV_RULES_VSN"), "{again}");
    assert!(again.contains(&format!("DM_LV_NAME={volume}")), "{again}");
    assert!(again.contains(&device[5..]), "it has its links: {again}");
    child.kill();
    pool.kdev(&["pool", "cleanup"]).good();
    assert!(!Path::new(&device).exists(), "its links go with it");
    pool.assert_no_trace();
}

/// udev would run a program for each, and LVM wait for that.
#[test]
fn a_removal_waits_for_no_program_of_udevs_and_leaves_no_link() {
    let pool = Pool::new(128);
    pool.start("waits_after_unmounting").kill();
    let links: Vec<PathBuf> = pool
        .lvs()
        .iter()
        .flat_map(|lv| {
            let mapped = format!("{}-{}", pool.vg.replace('-', "--"), lv.replace('-', "--"));
            [
                Path::new("/dev").join(&pool.vg).join(lv),
                Path::new("/dev/mapper").join(mapped),
            ]
        })
        .collect();
    let is_link = |link: &PathBuf| fs::symlink_metadata(link).is_ok();
    assert_eq!(links.iter().filter(|link| is_link(link)).count(), 4, "{links:?}");
    let udev = UdevAtRest::new();
    let cleanup = Running::of(pool.kdev(&["pool", "cleanup"]));
    let made = || run("lvs", &["--readonly", "--noheadings", "-o", "lv_name", &pool.vg]);
    wait_until("LVM has removed them", || made().trim().is_empty());
    wait_until("their links are waited for", || {
        has_child(cleanup.pid(), "udevadm")
    });
    drop(udev);
    assert!(cleanup.succeeds());
    assert_eq!(links.iter().find(|link| is_link(link)), None);
    pool.assert_no_trace();
}

#[test]
fn links_that_udev_does_not_take_away_are_taken_away() {
    let pool = Pool::new(128);
    pool.start("waits_after_unmounting").kill();
    let directory = Path::new("/dev").join(&pool.vg);
    let links = || fs::read_dir(&directory).map_or(0, Iterator::count);
    assert_eq!(links(), 2);
    let udev = UdevAtRest::new();
    pool.kdev(&["pool", "cleanup"]).good();
    assert_eq!(links(), 0);
    drop(udev);
    pool.assert_no_trace();
}

fn has_child(pid: u32, program: &str) -> bool {
    let processes = fs::read_dir("/proc").unwrap().flatten();
    let mut stats = processes.filter_map(|process| fs::read_to_string(process.path().join("stat")).ok());
    stats.any(|stat| {
        let Some((name, rest)) = stat.split_once(") ") else {
            return false;
        };
        name.ends_with(&format!("({program}")) && rest.split(' ').nth(1) == Some(&pid.to_string())
    })
}

#[test]
fn what_is_left_of_names_goes_in_the_end() {
    let pool = Pool::new(128);
    pool.child("passes").good();
    let [old, new] = ["old", "new"].map(|name| Path::new(NAMES).join(name));
    fs::write(&new, "").unwrap();
    let long_ago = SystemTime::now() - Duration::from_secs(2 * 3600);
    fs::File::create(&old).unwrap().set_modified(long_ago).unwrap();
    pool.child("passes").good();
    assert!(!old.exists() && new.exists());
    fs::remove_file(new).unwrap();
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
