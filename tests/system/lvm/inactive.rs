//! Volumes without a device, as after a reboot: no LV of a pool is activated at boot.

use std::path::{Path, PathBuf};

use serde_json::json;

use crate::lvm::disk::{Pool, run};
use crate::scene::Say;

/// As a reboot does.
fn deactivate_all(pool: &Pool) {
    run("vgchange", &["--activate", "n", &pool.vg]);
}

fn kept(pool: &Pool) -> String {
    let before = pool.lvs();
    pool.child("passes").env("KDEV_KEEP", "1").good();
    let new = pool.lvs().into_iter().find(|lv| !before.contains(lv));
    new.expect("it was kept")
}

fn link(pool: &Pool, lv: &str) -> PathBuf {
    Path::new("/dev").join(&pool.vg).join(lv)
}

fn path(pool: &Pool, lv: &str) -> String {
    let mapped = |name: &str| name.replace('-', "--");
    format!("/dev/mapper/{}-{}", mapped(&pool.vg), mapped(lv))
}

#[test]
fn pool_start_activates_kept_volumes_and_no_others() {
    let pool = Pool::new(256);
    let (first, second) = (kept(&pool), kept(&pool));
    pool.start("waits").kill();
    let orphan = pool
        .lvs()
        .into_iter()
        .find(|lv| ![&first, &second].contains(&lv))
        .unwrap();
    run("lvcreate", &["--yes", "--size=16m", "--name=precious", &pool.vg]);
    deactivate_all(&pool);

    let status = pool.kdev(&["pool", "status"]).good();
    assert_eq!(status.matches("kept, inactive").count(), 2, "{status}");
    assert!(status.contains("dead, inactive"), "{status}");
    let start = format!("`kdev pool start --pool={}`", pool.name);
    assert!(status.contains(&start), "{status}");
    for lv in [&first, &second, &orphan] {
        assert_eq!(pool.volume_status(lv)["activation"], "inactive");
    }

    let said = pool.kdev(&["pool", "start"]).good();
    for lv in [&first, &second] {
        let line = format!("  activated {} (kept)\n", path(&pool, lv));
        assert!(said.contains(&line), "{line}: {said}");
        assert_eq!(pool.volume_status(lv)["activation"], "active");
        assert!(link(&pool, lv).exists());
    }
    assert!(!link(&pool, &orphan).exists() && !link(&pool, "precious").exists());
    let status = pool.kdev(&["pool", "status"]).good();
    assert!(
        !status.contains("kept, inactive") && !status.contains(&start),
        "{status}"
    );
    let said = pool.kdev(&["pool", "start"]).good();
    assert!(said.contains("was started already"), "{said}");

    run("lvremove", &["--yes", &format!("{}/precious", pool.vg)]);
    deactivate_all(&pool);
    let said = pool.kdev(&["pool", "cleanup", "--kept"]).good();
    assert_eq!(said.matches("removed ").count(), 3, "{said}");
    pool.assert_no_trace();
}

#[test]
fn inactive_volume_is_changed_only_after_pool_start() {
    let pool = Pool::new(256);
    let lv = kept(&pool);
    deactivate_all(&pool);
    for volume in [&lv, &path(&pool, &lv)] {
        for args in [["resize", volume, "32M"], ["snapshot", volume, "before"]] {
            let said = pool.kdev(&["volume"]).args(args).say();
            assert_eq!((said.code, said.out.as_str()), (Some(1), ""), "{}", said.err);
            assert!(
                said.err
                    .contains("it is not active (`kdev pool start` activates kept volumes)"),
                "{}",
                said.err
            );
        }
    }
    pool.kdev(&["pool", "start"]).good();
    pool.kdev(&["volume", "resize", &lv, "32M"]).good();
    deactivate_all(&pool);
    let said = pool.kdev(&["volume", "rm", &path(&pool, &lv)]).good();
    assert_eq!(said, format!("removed {lv}\n"));
    pool.assert_no_trace();
}

/// LVM would remove the snapshot with it.
#[test]
fn inactive_volume_with_a_snapshot_is_not_removed_alone() {
    let pool = Pool::new(256);
    let lv = kept(&pool);
    pool.kdev(&["volume", "snapshot", &lv, "before"]).good();
    let [snapshot] = pool
        .lvs()
        .into_iter()
        .filter(|found| *found != lv)
        .collect::<Vec<_>>()
        .try_into()
        .unwrap();
    deactivate_all(&pool);
    let said = pool.kdev(&["volume", "rm", &lv]).say();
    assert_eq!(said.code, Some(1), "{}", said.out);
    assert!(
        said.err.contains(&format!("its snapshot `{snapshot}` is there")),
        "{}",
        said.err
    );
    assert_eq!(pool.lvs().len(), 2);
    let said = pool.kdev(&["pool", "start"]).good();
    assert_eq!(said.matches("(kept)").count(), 2, "{said}");
    deactivate_all(&pool);
    pool.kdev(&["volume", "rm", &lv, &snapshot]).good();
    pool.assert_no_trace();
}

#[test]
fn inactive_kept_volumes_go_with_their_pool_if_that_is_asked_for() {
    for pool in [Pool::new(256), Pool::thin(256, 4)] {
        let lv = kept(&pool);
        deactivate_all(&pool);
        let said = pool.teardown().say();
        assert_eq!(said.code, Some(1));
        assert!(said.err.contains(&lv), "{}", said.err);
        pool.teardown().arg("--force-kept").good();
        assert!(pool.disk.is_blank_at_both_ends());
    }
}

#[test]
fn thin_pool_and_its_kept_volumes_are_activated_together() {
    let pool = Pool::thin(256, 4);
    let lv = kept(&pool);
    pool.kdev(&["volume", "snapshot", &lv, "before"]).good();
    deactivate_all(&pool);
    assert_eq!(pool.fullness()["data_percent"], json!(null));
    let said = pool.kdev(&["pool", "start"]).good();
    assert!(said.contains("activated its thin pool"), "{said}");
    assert_eq!(said.matches("(kept)").count(), 2, "{said}");
    assert_eq!(pool.volume_status(&lv)["activation"], "active");
    deactivate_all(&pool);
    pool.kdev(&["volume", "rm", &lv]).good();
    pool.kdev(&["pool", "cleanup", "--kept"]).good();
    pool.assert_no_trace();
}
