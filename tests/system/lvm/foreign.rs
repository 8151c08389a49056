//! What is not ours survives everything.

use std::fs;

use crate::lvm::disk::{Disk, Pool, run};
use crate::scene::{Say, Scene};

#[test]
fn a_foreign_lv_and_a_foreign_vg_survive_everything() {
    let pool = Pool::new(256);
    let beside = Disk::new(128);
    let foreign_vg = format!("foreign-{}", std::process::id());
    run("vgcreate", &[&foreign_vg, beside.name()]);
    for vg in [&pool.vg, &foreign_vg] {
        run("lvcreate", &["--yes", "--size=16m", "--name=precious", vg]);
    }
    // It looks like ours, but nothing says whose it is.
    let untagged = "kdev-20251115103045-a3f9d2-test";
    run("lvcreate", &["--yes", "--size=16m", "--name", untagged, &pool.vg]);
    // It carries a tag of ours, but the tag speaks of another session.
    let mistagged = "kdev-20251115103045-ffffff-test";
    let tag = "--addtag=kdev:s=20251115103045-a3f9d2:p=1.1:b=00000000:n=1:h=00000000:u=0";
    run(
        "lvcreate",
        &["--yes", "--size=16m", tag, "--name", mistagged, &pool.vg],
    );
    let all = || {
        let mut names = pool.lvs();
        names.extend(
            run("lvs", &["--noheadings", "-o", "lv_name", &foreign_vg])
                .lines()
                .map(|line| line.trim().to_owned()),
        );
        names
    };
    let before = all();
    assert_eq!(before.len(), 4);

    pool.child("passes").good();
    pool.start("waits").kill();
    pool.child("passes").good();
    pool.child("passes").env("KDEV_KEEP", "1").good();
    pool.kdev(&["pool", "cleanup"]).good();
    pool.kdev(&["pool", "cleanup", "--kept"]).good();
    pool.forget_the_records();
    pool.kdev(&["pool", "cleanup", "--kept"]).good();
    assert_eq!(all(), before);

    let status = pool.kdev(&["pool", "status"]).good();
    for name in ["precious", untagged, mistagged] {
        assert!(
            status.contains(&format!("not ours, and never touched: {name}")),
            "{status}"
        );
    }
    let said = pool
        .kdev(&["pool", "teardown", &format!("--pool={}", pool.name)])
        .say();
    assert_eq!(said.code, Some(1));
    for name in ["precious", untagged, mistagged] {
        assert!(
            said.err.contains(&format!("`{name}` is not ours")),
            "{}",
            said.err
        );
    }
    assert_eq!(all(), before);
    run("vgremove", &["--force", "--yes", &foreign_vg]);
}

#[test]
fn a_vg_that_lost_our_tag_is_not_touched() {
    let pool = Pool::new(256);
    pool.start("waits").kill();
    run("vgchange", &["--deltag=kdev.pool", &pool.vg]);
    let before = pool.lvs();
    assert_eq!(before.len(), 1);
    for args in [
        &["pool", "cleanup", "--kept"][..],
        &["pool", "teardown", &format!("--pool={}", pool.name)],
    ] {
        let said = pool.kdev(args).say();
        assert_eq!(said.code, Some(1), "{args:?}");
        assert!(
            said.err.contains("has no tag `kdev.pool`"),
            "{args:?}: {}",
            said.err
        );
    }
    let said = pool.child("passes").say();
    assert_eq!(said.code, Some(101));
    assert!(
        said.err.contains("is not ours and was not touched"),
        "{}",
        said.err
    );
    assert_eq!(pool.lvs(), before);
    assert_eq!(pool.records().len(), 1, "and nothing is forgotten");
}

#[test]
fn a_vg_that_has_grown_over_another_disk_is_not_taken_down() {
    let pool = Pool::new(256);
    let other = Disk::new(128);
    run("vgextend", &[&pool.vg, other.name()]);
    let said = pool
        .kdev(&["pool", "teardown", &format!("--pool={}", pool.name)])
        .say();
    assert_eq!(said.code, Some(1));
    assert!(
        said.err.contains(other.name()) && said.err.contains("vgreduce"),
        "{}",
        said.err
    );
    run("vgs", &[&pool.vg]);
}

/// As when root and a user of sudo have the same pool, each with a state directory of their own.
#[test]
fn two_state_directories_on_one_vg_judge_each_others_volumes_right() {
    let pool = Pool::new(256);
    let other = Scene::with_pool_named(&pool.name);
    other.kdev(&["pool", "cleanup"]).good();
    let file = "device-pool.json";
    fs::copy(pool.state_dir().join(file), other.state_dir().join(file)).unwrap();

    let child = pool.start("waits");
    let held = pool.lvs();
    let status = other.kdev(&["pool", "status"]).good();
    assert!(
        status.contains(&held[0]) && status.contains(" alive "),
        "{status}"
    );
    other.child("passes").good();
    let cleaned = other.kdev(&["pool", "cleanup", "--kept"]).good();
    assert_eq!(cleaned, "nothing to clean up\n");
    assert_eq!(pool.lvs(), held);
    other.assert_no_trace();

    child.kill();
    let cleaned = other.kdev(&["pool", "cleanup"]).good();
    assert_eq!(cleaned, format!("removed {}\n", held[0]));
    other.assert_no_trace();
    let cleaned = pool.kdev(&["pool", "cleanup"]).good();
    assert!(cleaned.starts_with("dropped the record of kdev-"), "{cleaned}");
    pool.assert_no_trace();
}
