//! Before the reboot. What is set up here `after` finds again.

use std::fs;
use std::mem;
use std::process::Stdio;

use super::*;
use crate::scene::wait_until;

#[test]
fn timer_removes_orphans_and_systemd_mounts_volumes() {
    let scene = Scene::lasting(DISK_POOL);
    let device = format!("--device={}", disk());
    scene.kdev(&["pool", "setup", &device, "--pool=disk"]).good();
    let kept = keep_one(&scene, DISK_POOL);

    mounts_by_systemd(&kept);
    timer_cleans_up(&scene, &kept);

    // The reboot kills it.
    let mut child = scene.child("waits");
    mem::forget(scene.start_command(child.stderr(Stdio::null())));
    assert_eq!(volumes(DISK_POOL).len(), 2);
    assert_no_trouble();
}

fn mounts_by_systemd(kept: &str) {
    let device = path(DISK_POOL, kept);
    let name = device.to_str().unwrap();
    run("udevadm", &["settle"]);
    assert!(device_is_active(&device));
    run("systemd-mount", &["--quiet", name, "/srv/kdev-by-hand"]);
    assert_content(Path::new("/srv/kdev-by-hand"));
    // An event on a mounted volume does not have systemd unmount it.
    run("udevadm", &["trigger", "--settle", "--action=change", name]);
    run("lvchange", &["--refresh", &format!("{}/{kept}", vg(DISK_POOL))]);
    run("udevadm", &["settle"]);
    assert!(device_is_active(&device));
    assert_content(Path::new("/srv/kdev-by-hand"));
    run("systemd-mount", &["--quiet", "--umount", "/srv/kdev-by-hand"]);

    let unit = format!("[Mount]\nWhat={name}\nWhere={MOUNT_POINT}\nType=ext4\n");
    fs::write(unit_file(MOUNT_UNIT), unit).unwrap();
    systemctl(&["daemon-reload"]);
    systemctl(&["start", MOUNT_UNIT]);
    assert_content(Path::new(MOUNT_POINT));
    systemctl(&["stop", MOUNT_UNIT]);
}

/// Its service runs with all that its unit takes away from it.
fn timer_cleans_up(scene: &Scene, kept: &str) {
    scene.start("waits_while_mounted_by_guard").kill();
    assert!(volumes(DISK_POOL).len() > 1);
    assert_eq!(scene.mount_points().len(), 1);
    let rights = scene.path("rights");
    let look = format!(
        "ExecStartPre=/bin/sh -c 'cat /proc/self/status >{}'",
        rights.display()
    );
    drop_in("service", &format!("[Service]\n{look}\n"));
    let soon = drop_in(
        "timer",
        "[Timer]\nOnActiveSec=1s\nRandomizedDelaySec=0\nAccuracySec=100ms\n",
    );

    // Not at a time that may come between the reboot and what is seen after it.
    let said = scene
        .kdev(&["pool", "timer", "--install", "--enable", "--every=1d"])
        .good();
    assert!(said.contains("kdev-cleanup.timer"), "{said}");
    assert_eq!(property("kdev-cleanup.timer", "UnitFileState"), "enabled");
    wait_until("the timer has removed the orphan", || {
        volumes(DISK_POOL) == [kept]
    });
    wait_until("the service has ended", || {
        property("kdev-cleanup.service", "ActiveState") == "inactive"
    });
    assert_eq!(property("kdev-cleanup.service", "Result"), "success");
    assert_eq!(property("kdev-cleanup.timer", "ActiveState"), "active");
    fs::remove_file(soon).unwrap();
    systemctl(&["daemon-reload"]);
    assert_eq!(scene.mount_points(), Vec::<PathBuf>::new());
    assert_eq!(scene.records().len(), 1, "the kept one");

    let rights = fs::read_to_string(rights).unwrap();
    let of_status = |key: &str| {
        let line = rights.lines().find_map(|line| line.strip_prefix(key));
        line.unwrap().trim().to_owned()
    };
    assert_eq!(of_status("NoNewPrivs:"), "1");
    assert_ne!(of_status("Seccomp:"), "0");
    let bounds = u64::from_str_radix(&of_status("CapBnd:"), 16).unwrap();
    // capabilities(7): CAP_NET_ADMIN, CAP_SYS_MODULE and CAP_SYS_ADMIN.
    assert_eq!([12, 16, 21].map(|bit| bounds >> bit & 1), [0, 0, 1]);
}

fn drop_in(kind: &str, text: &str) -> PathBuf {
    let directory = unit_file(&format!("kdev-cleanup.{kind}.d"));
    fs::create_dir_all(&directory).unwrap();
    let file = directory.join("test.conf");
    fs::write(&file, text).unwrap();
    file
}

#[test]
fn thin_pool_on_a_file_is_set_up_and_cleaned() {
    let scene = Scene::lasting(FILE_POOL);
    let file = format!("--file={}", scene.path("pool").display());
    scene
        .kdev(&["pool", "setup", &file, "--size=256M", "--thin", "--pool=file"])
        .good();
    let kept = keep_one(&scene, FILE_POOL);

    // Its service, which the timer starts, may do what a thin volume takes.
    scene.kdev(&["pool", "timer", "--install", "--pool=file"]).good();
    systemctl(&["daemon-reload"]);
    scene.start("waits").kill();
    assert_eq!(volumes(FILE_POOL).len(), 2);
    systemctl(&["start", "kdev-cleanup-file.service"]);
    assert_eq!(volumes(FILE_POOL), [kept]);
    scene.kdev(&["pool", "timer", "--remove", "--pool=file"]).good();
    assert_no_trouble();
}
