//! After the reboot, with what `before` has set up.

use std::fs;

use super::*;
use crate::scene::wait_until;

#[test]
fn kept_volume_is_inactive_until_its_pool_is_started() {
    let scene = Scene::lasting(DISK_POOL);
    let all = volumes(DISK_POOL);
    let records = scene.records();
    let kept = records.iter().find(|record| record["kept"] == "always");
    let kept = kept.unwrap()["lv_name"].as_str().unwrap().to_owned();
    let orphan = all.iter().find(|lv| **lv != kept).unwrap();
    assert_eq!(all.len(), 2);

    // LVM activates what it may of a VG that has come.
    let activation = format!("lvm-activate-{}.service: Deactivated successfully", vg(DISK_POOL));
    wait_until("event activation has run", || {
        journal(&["--boot"]).contains(&activation)
    });
    assert_eq!(active(DISK_POOL), Vec::<String>::new());
    let status = scene.kdev(&["pool", "status"]).good();
    assert!(
        status.contains("kept, inactive") && status.contains("dead, inactive"),
        "{status}"
    );
    assert_no_trouble();
    let of_last_boot = trouble(&["--boot=-1"]);
    assert!(of_last_boot.is_empty(), "the shutdown: {of_last_boot:?}");

    let said = scene.kdev(&["pool", "start"]).good();
    let device = path(DISK_POOL, &kept);
    assert!(
        said.contains(&format!("activated {} (kept)", device.display())),
        "{said}"
    );
    assert_eq!(active(DISK_POOL).len(), 1, "not `{orphan}`");
    run("udevadm", &["settle"]);
    assert!(device_is_active(&device));
    systemctl(&["start", MOUNT_UNIT]);
    assert_content(Path::new(MOUNT_POINT));
    systemctl(&["stop", MOUNT_UNIT]);

    assert_eq!(property("kdev-cleanup.timer", "ActiveState"), "active");
    systemctl(&["start", "kdev-cleanup.service"]);
    assert_eq!(volumes(DISK_POOL), [kept]);
    assert_no_trouble();

    systemctl(&["disable", "--now", "kdev-cleanup.timer"]);
    scene.kdev(&["pool", "timer", "--remove"]).good();
    scene
        .kdev(&["pool", "teardown", "--pool=disk", "--force-kept"])
        .good();
    scene.assert_no_trace();
}

#[test]
fn thin_pool_on_a_file_comes_back_when_it_is_started() {
    let scene = Scene::lasting(FILE_POOL);
    let status = scene.kdev(&["pool", "status"]).good();
    assert!(status.contains("`kdev pool start --pool=file`"), "{status}");
    assert_eq!(scene.kdev(&["pool", "cleanup"]).say().code, Some(0));
    let records = scene.records();
    let kept = records[0]["lv_name"].as_str().unwrap();

    let said = scene.kdev(&["pool", "start"]).good();
    let device = path(FILE_POOL, kept);
    for done in ["is started", "activated its thin pool", device.to_str().unwrap()] {
        assert!(said.contains(done), "{done}: {said}");
    }
    let point = scene.mount_point().mount(&device);
    assert_content(&point.path);
    drop(point);
    scene.child("passes").good();
    let said = scene.kdev(&["pool", "start"]).good();
    assert!(said.contains("was started already"), "{said}");
    assert_no_trouble();
    let file = scene.path("pool");
    scene
        .kdev(&["pool", "teardown", "--pool=file", "--force-kept"])
        .good();
    assert!(!file.exists());
    assert_eq!(
        fs::read_dir("/dev")
            .unwrap()
            .filter(|entry| { entry.as_ref().unwrap().file_name() == vg(FILE_POOL).as_str() })
            .count(),
        0
    );
    scene.assert_no_trace();
}
