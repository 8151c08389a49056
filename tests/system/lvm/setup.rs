//! Making a pool of a disk: only of one that is blank and nobody's.

use crate::lvm::disk::{Disk, Pool, run};
use crate::pools::{
    Site, assert_findings, no_device_mapper_no_pool, no_udev_no_pool_unless_lvm_makes_nodes, used_disk,
};
use crate::scene::{Say, Scene};

/// As a system that stands on LVM: seen by the one process that is asked to make a pool of its disk.
#[test]
fn the_disk_that_the_system_stands_on_is_refused_also_through_lvm() {
    let site = Site::new(Disk::new(96));
    let (vg, name) = (format!("system-{}", std::process::id()), site.disk.name());
    run("vgcreate", &[&vg, name]);
    run("lvcreate", &["--yes", "--size", "32M", "--name", "boot", &vg]);
    let volume = format!("/dev/{vg}/boot");
    run("mkfs.ext4", &["-q", &volume]);
    let setup = site.wipe();
    let before = site.disk.content();
    let script = format!("mount -o ro,noload {volume} /boot && exec \"$@\"");
    let mut command = site.scene.program("unshare");
    command.args(["--mount", "sh", "-c", &script, "sh"]);
    let said = command.arg(setup.get_program()).args(setup.get_args()).say();
    let is_as_before = site.disk.content() == before;
    run("vgremove", &["--yes", "--force", &vg]);
    assert_eq!(said.code, Some(1));
    assert_findings(
        &said.err,
        &[
            "the system stands on it: /boot",
            "it is used by /dev/dm-",
            &format!("it is a PV of VG `{vg}`"),
            "it holds a LVM2_member signature",
        ],
    );
    assert!(is_as_before, "the disk has changed");
}

/// With real udev, which looks at the disk and its partition whenever they are written to.
#[test]
fn a_disk_that_udev_looks_at_is_wiped_and_what_it_was_again() {
    let site = Site::new(used_disk());
    let before = site.disk.content();
    let partition = site.disk.partition_path(64);
    let log = site.scene.path("steps");
    site.wipe().env("KDEV_FAULT_STEPS", &log).good();
    site.teardown().good();
    site.disk.write_all(&before);
    let steps = std::fs::read_to_string(&log).unwrap();
    for step in ["partitions forgotten", "done: lvm vgcreate"] {
        let number = steps.lines().position(|passed| passed.contains(step)).unwrap();
        let said = site.wipe().env("KDEV_FAULT_FAIL", number.to_string()).say();
        assert_eq!(said.code, Some(1), "{step}: {}", said.err);
        assert!(site.disk.content() == before, "{step}: {}", said.err);
        assert!(
            std::path::Path::new(&partition).exists(),
            "the kernel knows the partition again: {step}"
        );
        site.assert_settled(step);
    }
}

#[test]
fn a_pool_on_a_file_gives_volumes_before_and_after_a_boot() {
    let name = format!("file{}", std::process::id());
    let scene = Scene::with_pool_named(&name);
    let file = scene.path("pool.img");
    let path = format!("--file={}", file.display());
    let pool = format!("--pool={name}");
    scene.kdev(&["pool", "setup", &path, "--size=128M", &pool]).good();
    scene.child("passes").good();
    let device = run(
        "losetup",
        &[
            "--list",
            "--noheadings",
            "--output",
            "NAME",
            "--associated",
            file.to_str().unwrap(),
        ],
    );
    run("losetup", &["--detach", device.trim()]);
    let said = scene.child("passes").say();
    assert!(
        said.err.contains(&format!("`kdev pool start --pool={name}`")),
        "{}",
        said.err
    );
    scene.kdev(&["pool", "start"]).good();
    scene.child("passes").good();
    scene.kdev(&["pool", "teardown", &pool]).good();
    assert!(!file.exists());
    scene.assert_no_trace();
}

/// As on the test's own machine, where the kernel may really lack it.
#[test]
fn a_container_without_device_mapper_gets_no_pool() {
    no_device_mapper_no_pool();
}

#[test]
fn a_container_without_udev_gets_no_pool_unless_lvm_makes_nodes() {
    no_udev_no_pool_unless_lvm_makes_nodes();
}

/// The module of thin pools, unloaded until the test is over, however it ends.
struct ThinModuleUnloaded;

impl ThinModuleUnloaded {
    fn new() -> Self {
        run("modprobe", &["--remove", "dm-thin-pool"]);
        Self
    }
}

impl Drop for ThinModuleUnloaded {
    fn drop(&mut self) {
        run("modprobe", &["dm-thin-pool"]);
    }
}

/// The command finds no modules, and so cannot load the one that is unloaded.
#[test]
fn a_kernel_without_the_thin_target_gets_no_thin_pool() {
    let site = Site::new(Disk::new(64));
    let _unloaded = ThinModuleUnloaded::new();
    for options in [&["--thin", "--dry-run"][..], &["--thin"]] {
        let setup = site.setup(options);
        let script = "mount -t tmpfs none /lib/modules && exec \"$@\"";
        let mut command = site.scene.program("unshare");
        command.args(["--mount", "sh", "-c", script, "sh"]);
        let said = command.arg(setup.get_program()).args(setup.get_args()).say();
        assert_eq!(said.code, Some(69), "{}", said.err);
        assert!(said.err.contains("this kernel has no"), "{}", said.err);
    }
    assert!(site.disk.is_all_zeros());
    assert!(!site.scene.state_dir().exists(), "not even a directory was made");
}

#[test]
fn a_link_is_followed_once_and_a_file_is_refused() {
    let disk = Disk::new(64);
    let scene = Scene::embedded();
    let link = scene.path("link");
    std::os::unix::fs::symlink(&disk.device, &link).unwrap();
    let pool = format!("linked{}", std::process::id());
    scene
        .kdev(&[
            "pool",
            "setup",
            &format!("--device={}", link.display()),
            &format!("--pool={pool}"),
        ])
        .good();
    assert!(scene.kdev(&["pool", "status"]).good().contains("free"));
    scene
        .kdev(&["pool", "teardown", &format!("--pool={pool}")])
        .good();

    std::fs::write(scene.path("file"), [0; 512]).unwrap();
    let device = format!("--device={}", scene.path("file").display());
    let said = scene.kdev(&["pool", "setup", &device]).say();
    assert_eq!(said.code, Some(1));
    assert!(said.err.contains("not a block device"), "{}", said.err);
}

#[test]
fn a_name_that_is_taken_is_refused_before_the_disk_is_looked_at() {
    let pool = Pool::new(64);
    let disk = Disk::new(64);
    let device = format!("--device={}", disk.name());
    let before = disk.content();
    for args in [
        [format!("--pool={}", pool.name), "--vg-name=fresh".to_owned()],
        ["--pool=fresh".to_owned(), format!("--vg-name={}", pool.vg)],
    ] {
        let said = pool.kdev(&["pool", "setup", &device, &args[0], &args[1]]).say();
        assert_eq!(said.code, Some(1), "{args:?}");
        assert!(
            said.err.contains(&format!("pool `{}` exists already", pool.name)),
            "{}",
            said.err
        );
    }
    // Another state directory knows nothing of the pool, but LVM does.
    let other = Scene::embedded();
    let said = other
        .kdev(&["pool", "setup", &device, &format!("--vg-name={}", pool.vg)])
        .say();
    assert_eq!(said.code, Some(1));
    assert!(
        said.err.contains("there is a VG of that name already"),
        "{}",
        said.err
    );
    assert!(disk.content() == before);
}

#[test]
fn a_setup_that_cannot_be_written_down_is_taken_back() {
    let disk = Disk::new(64);
    let before = disk.content();
    let scene = Scene::embedded();
    let full = scene.mount_point();
    run(
        "mount",
        &[
            "-t",
            "tmpfs",
            "-o",
            "size=4k",
            "tmpfs",
            full.path.to_str().unwrap(),
        ],
    );
    std::fs::write(full.path.join("full"), [1; 4096]).unwrap();
    let vg = format!("full-{}", std::process::id());
    let said = scene
        .kdev(&[
            "pool",
            "setup",
            &format!("--device={}", disk.name()),
            &format!("--vg-name={vg}"),
        ])
        .env("KDEV_STATE_DIR", &full.path)
        .say();
    assert_eq!(said.code, Some(1));
    assert!(
        said.err.contains("could not write") && said.err.contains("No space left"),
        "{}",
        said.err
    );
    assert!(!run("vgs", &["--noheadings", "-o", "vg_name"]).contains(&vg));
    assert!(disk.content() == before, "the disk is blank again, to the byte");
}

#[test]
fn a_pool_that_is_taken_down_leaves_a_blank_disk() {
    let pool = Pool::new(128);
    pool.child("passes").good();
    pool.start("waits_after_unmounting").kill();
    assert!(!pool.disk.is_blank_at_both_ends());
    let teardown = ["pool", "teardown", &format!("--pool={}", pool.name)];
    let said = pool.kdev(&teardown).good();
    assert!(said.contains("is gone") && said.contains("is blank"), "{said}");
    assert!(pool.disk.is_blank_at_both_ends());
    pool.scene.assert_no_trace();
    let device = format!("--device={}", pool.disk.name());
    pool.kdev(&["pool", "setup", &device, &format!("--pool={}", pool.name)])
        .good();
    pool.kdev(&teardown).good();
}

#[test]
fn a_pool_with_live_or_kept_volumes_is_not_taken_down() {
    let pool = Pool::new(128);
    let teardown = ["pool", "teardown", &format!("--pool={}", pool.name)];
    pool.child("passes").env("KDEV_KEEP", "1").good();
    let child = pool.start("waits");
    let before = pool.lvs();
    let said = pool.kdev(&teardown).say();
    assert_eq!(said.code, Some(1));
    assert!(said.err.contains("is alive (wait for its test)"), "{}", said.err);
    assert!(
        said.err.contains("is kept (`kdev pool cleanup --kept"),
        "{}",
        said.err
    );
    assert_eq!(pool.lvs(), before);
    // A live one stops it, and so the kept ones stay.
    let forced = [&teardown[..], &["--force-kept"]].concat();
    let said = pool.kdev(&forced).say();
    assert_eq!(said.code, Some(1));
    assert!(
        said.err.contains("is alive") && !said.err.contains("is kept"),
        "{}",
        said.err
    );
    assert_eq!(pool.lvs(), before);
    child.kill();
    let said = pool.kdev(&teardown).say();
    assert_eq!(said.code, Some(1));
    assert!(!said.err.contains("alive"), "{}", said.err);
    pool.kdev(&forced).good();
}
