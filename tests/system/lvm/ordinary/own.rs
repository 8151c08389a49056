//! What ordinary users do with volumes of their own.

use std::fs;
use std::os::unix::fs::MetadataExt;
use std::os::unix::process::CommandExt;
use std::path::PathBuf;
use std::time::{Duration, Instant};

use crate::lvm::disk::run;
use crate::lvm::ordinary::{ANN, JOE, ROOT_PROGRAM, Shared, dirty, owner_and_mode};
use crate::lvm::suite::from_bed;
use crate::scene::{Say, wait_until};

#[test]
fn an_ordinary_user_runs_the_annotated_suite() {
    let shared = Shared::new(2048);
    let joe = &shared.joe;
    let archive = joe.path("bed.tar.zst");
    fs::copy(from_bed("KDEV_BED_ARCHIVE"), &archive).unwrap();
    let mut nextest = joe.program("cargo-nextest");
    nextest
        .args([
            "nextest",
            "run",
            "--test-threads=4",
            "--no-fail-fast",
            "--archive-file",
        ])
        .arg(&archive)
        .args(["-E", "package(annotated-suite)"])
        .current_dir(joe.path(""))
        .env("HOME", joe.path(""))
        .env("KDEV_WAIT", "5m")
        .uid(JOE)
        .gid(JOE);
    let said = nextest.say();
    assert_eq!(said.code, Some(0), "{}", said.err);
    assert!(
        said.err.contains(" passed") && !said.err.contains("LEAK"),
        "{}",
        said.err
    );
    joe.wait_for_watchdogs();
    assert_eq!(shared.pool.lvs(), Vec::<String>::new());
    assert_eq!(joe.mount_points(), Vec::<PathBuf>::new());
    let known = fs::read_dir("/run/kdev-volumes/nodes").unwrap().count();
    assert_eq!(known, 0, "whose LVs were that are gone is forgotten");
}

#[test]
fn a_volume_is_its_users_alone_and_comes_back_when_its_test_is_killed() {
    let shared = Shared::new(64);
    let joe = &shared.joe;
    let vg = &shared.pool.vg;
    run("vgchange", &["--addtag=kdev.clean=zero", vg]);
    run("lvcreate", &["--yes", "--extents=100%FREE", "--name=dirt", vg]);
    dirty(&shared.node("dirt"));
    run("lvremove", &["--yes", &format!("{vg}/dirt")]);

    let child = joe.start_command(&mut joe.child_as(JOE, "waits"));
    let name = shared.lv_of(joe);
    assert_eq!(owner_and_mode(&shared.node(&name)), (JOE, 0o600));
    let content = fs::read(shared.node(&name)).unwrap();
    assert!(
        content.iter().all(|&byte| byte == 0),
        "nothing of another's is in it"
    );
    assert!(shared.tag_of(&name).ends_with(&format!(":u={JOE}")));

    let path = format!("{}/{name}", shared.pool.vg);
    run(
        "udevadm",
        &[
            "trigger",
            "--settle",
            "--action=change",
            shared.node(&name).to_str().unwrap(),
        ],
    );
    assert_eq!(
        owner_and_mode(&shared.node(&name)),
        (JOE, 0o600),
        "after an event"
    );
    run("lvchange", &["--activate", "n", &path]);
    run("lvchange", &["--activate", "y", &path]);
    run("udevadm", &["settle"]);
    assert_eq!(
        owner_and_mode(&shared.node(&name)),
        (JOE, 0o600),
        "after it was activated again"
    );

    // Another user sees it, and leaves it.
    let cleaned = shared.ann.kdev_as(ANN, &["pool", "cleanup", "--kept"]).good();
    assert_eq!(cleaned, "nothing to clean up\n");
    assert_eq!(shared.pool.lvs(), [name]);
    child.kill();
    joe.wait_for_watchdogs();
    assert_eq!(shared.pool.lvs(), Vec::<String>::new());
}

#[test]
fn a_dead_users_mounts_and_volumes_are_that_users_to_clean_up() {
    let shared = Shared::new(256);
    let joe = &shared.joe;
    let mut child = joe.child_as(JOE, "waits_while_mounted_by_guard");
    let child = joe.start_command(child.env("KDEV_WATCHDOG", "off"));
    let name = shared.lv_of(joe);
    let point = joe.tmp().join(&name);
    let mounts = fs::read_to_string("/proc/self/mountinfo").unwrap();
    let mount = mounts.lines().find(|line| line.contains(&name)).unwrap();
    assert!(mount.contains("nosuid") && mount.contains("nodev"), "{mount}");
    assert_eq!(
        fs::metadata(&point).unwrap().uid(),
        JOE,
        "its root directory is the user's"
    );
    child.kill();

    // Dead, and not known to be to who may not remove it.
    let status = shared.ann.kdev_as(ANN, &["pool", "status"]).good();
    assert!(status.contains(&name) && status.contains(" unknown "), "{status}");
    let cleaned = shared.ann.kdev_as(ANN, &["pool", "cleanup"]).good();
    assert_eq!(cleaned, "nothing to clean up\n");
    assert_eq!(shared.pool.lvs(), std::slice::from_ref(&name));

    let cleaned = joe.kdev_as(JOE, &["pool", "cleanup"]).good();
    assert_eq!(cleaned, format!("removed {name}\n"));
    assert!(!point.exists());
    assert_eq!(shared.pool.lvs(), Vec::<String>::new());

    // One that is kept, too.
    joe.child_as(JOE, "passes").env("KDEV_KEEP", "always").good();
    let name = shared.lv_of(joe);
    assert!(shared.tag_of(&name).contains("kdev.kept"));
    let cleaned = joe.kdev_as(JOE, &["pool", "cleanup", "--kept"]).good();
    assert_eq!(cleaned, format!("removed {name}\n"));
    joe.wait_for_watchdogs();
}

#[test]
fn a_kept_volume_of_another_user_is_that_users_to_remove() {
    let shared = Shared::new(64);
    let (joe, ann) = (&shared.joe, &shared.ann);
    ann.child_as(ANN, "passes").env("KDEV_KEEP", "always").good();
    let name = shared.lv_of(ann);
    let said = joe.kdev_as(JOE, &["volume", "rm", &name]).say();
    assert_eq!((said.code, said.out.as_str()), (Some(1), ""), "{}", said.err);
    let whose = format!("`{name}` was not removed: it is user {ANN}'s (have that user, or root, remove it)");
    assert!(said.err.contains(&whose), "{}", said.err);
    assert_eq!(shared.pool.lvs(), std::slice::from_ref(&name));
    let said = ann.kdev_as(ANN, &["volume", "rm", &name]).good();
    assert_eq!(said, format!("removed {name}\n"));
    ann.wait_for_watchdogs();
}

/// As when root has worked in a user's state directory.
#[test]
fn what_another_user_left_is_not_waited_for() {
    let shared = Shared::new(64);
    let (joe, vg) = (&shared.joe, &shared.pool.vg);
    let mut roots = joe.child("waits");
    roots.env("SUDO_UID", JOE.to_string()).env("KDEV_WATCHDOG", "off");
    joe.start_command(&mut roots).kill();
    run("lvcreate", &["--yes", "--extents=100%FREE", "--name=foreign", vg]);
    let began = Instant::now();
    let said = joe.child_as(JOE, "passes").say();
    assert_eq!(said.code, Some(101), "{}", said.err);
    assert!(said.err.contains("is needed"), "{}", said.err);
    assert!(began.elapsed() < Duration::from_secs(25), "{:?}", began.elapsed());
    run("lvremove", &["--yes", &format!("{vg}/foreign")]);
    joe.kdev(&["pool", "cleanup"])
        .env("SUDO_UID", JOE.to_string())
        .good();
    joe.wait_for_watchdogs();
}

/// sudo and kdev-root are not killed with the test, and hold its lease until they are done.
#[test]
fn who_dies_while_sudo_is_at_work_loses_nothing() {
    let shared = Shared::new(128);
    let joe = &shared.joe;
    let child = || joe.child_as(JOE, "waits_while_mounted_by_guard");
    let log = joe.tmp().join("places");
    joe.start_command(child().env("KDEV_FAULT_LOG", &log)).kill();
    joe.wait_for_watchdogs();
    let places = fs::read_to_string(&log).unwrap();
    fs::remove_file(&log).unwrap();
    for verb in ["create", "mount"] {
        // By sudo or by sudo-rs.
        let begun = format!(" -n -- {ROOT_PROGRAM} {verb} ");
        let is_it = |place: &str| place.starts_with("begun: sudo") && place.contains(&begun);
        let at = places.lines().position(is_it);
        let at = at
            .unwrap_or_else(|| panic!("no `{begun}` in {places}"))
            .to_string();
        let said = child().env("KDEV_FAULT_AT", &at).say();
        assert_eq!(said.code, None, "it died at {begun}: {}", said.err);
        // Its watchdog may only just have been started.
        wait_until("it is given back", || joe.is_without_trace());
        joe.wait_for_watchdogs();
        assert_eq!(shared.pool.lvs(), Vec::<String>::new(), "died at {begun}");
        assert_eq!(joe.mount_points(), Vec::<PathBuf>::new(), "died at {begun}");
    }
}

/// The pool sleeps, as after a boot, and it is not the user's to wake.
#[test]
fn an_ordinary_user_has_thin_volumes_and_root_alone_resizes_them() {
    let shared = Shared::thin(96);
    let (joe, pool) = (&shared.joe, &shared.pool);
    run("vgchange", &["--activate", "n", &pool.vg]);
    let child = joe.start_command(&mut joe.child_as(JOE, "waits"));
    let name = shared.lv_of(joe);
    assert_eq!(owner_and_mode(&shared.node(&name)), (JOE, 0o600));
    assert_eq!(pool.fullness()["given_out_bytes"], 16 << 20);
    let session = joe.records()[0]["lv_name"].as_str().unwrap().to_owned();
    let (session, _) = session.rsplit_once('-').unwrap();
    let (_, session) = session.split_once('-').unwrap();
    for (args, done) in [
        (&["volume", "resize", &name, "32M"][..], "resized"),
        (&["volume", "snapshot", &name, "before"], "given a snapshot"),
    ] {
        let said = joe.kdev_as(JOE, args).env("KDEV_SESSION", session).say();
        assert_eq!(said.code, Some(1), "{}", said.out);
        let why =
            format!("`{name}` was not {done}: it is an LV, and an ordinary user has that done by root alone");
        assert!(said.err.contains(&why), "{}", said.err);
    }
    assert_eq!(joe.records().len(), 1, "nothing is left of it");
    child.kill();
    joe.wait_for_watchdogs();
    assert_eq!(pool.lvs(), Vec::<String>::new());
    pool.teardown().good();
}

/// As after a boot: nothing of the VG is active, and what `/run` knows is lost.
fn reboot(vg: &str) {
    run("vgchange", &["--activate", "n", vg]);
    for known in fs::read_dir("/run/kdev-volumes/nodes").into_iter().flatten() {
        fs::remove_file(known.unwrap().path()).unwrap();
    }
}

#[test]
fn kept_volume_is_its_users_again_after_a_reboot() {
    let shared = Shared::new(64);
    let (joe, ann, vg) = (&shared.joe, &shared.ann, &shared.pool.vg);
    joe.child_as(JOE, "passes").env("KDEV_KEEP", "always").good();
    let name = shared.lv_of(joe);
    reboot(vg);
    let status = joe.kdev_as(JOE, &["pool", "status"]).good();
    assert!(status.contains("kept, inactive"), "{status}");
    let said = ann.kdev_as(ANN, &["pool", "start"]).good();
    assert!(said.contains("was started already"), "{said}");
    let said = joe.kdev_as(JOE, &["pool", "start"]).good();
    assert!(said.contains("(kept)"), "{said}");
    assert_eq!(owner_and_mode(&shared.node(&name)), (JOE, 0o600));

    reboot(vg);
    shared.pool.kdev(&["pool", "start"]).good();
    run(
        "udevadm",
        &[
            "trigger",
            "--settle",
            "--action=change",
            shared.node(&name).to_str().unwrap(),
        ],
    );
    assert_eq!(
        owner_and_mode(&shared.node(&name)),
        (JOE, 0o600),
        "root has started the pool"
    );

    // The machine stopped before the volume was given to its user.
    run("lvchange", &["--deltag=kdev.given", &format!("{vg}/{name}")]);
    reboot(vg);
    shared.pool.kdev(&["pool", "start"]).good();
    assert_ne!(owner_and_mode(&shared.node(&name)).0, JOE);
    joe.kdev_as(JOE, &["pool", "cleanup", "--kept"]).good();
    joe.wait_for_watchdogs();
    assert_eq!(shared.pool.lvs(), Vec::<String>::new());
}
