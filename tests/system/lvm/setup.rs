//! Making a pool of a disk: only of one that is blank and nobody's.

use std::io::SeekFrom;

use crate::lvm::disk::{Disk, Pool, run};
use crate::scene::{Say, Scene};

/// Tries to make a pool of the disk; it must be refused, with nothing written. Returns what was said.
fn refused(disk: &Disk, device: &str) -> String {
    let scene = Scene::embedded();
    let before = disk.content();
    let said = scene
        .kdev(&["pool", "setup", &format!("--device={device}"), "--pool=refused"])
        .say();
    assert_eq!((said.code, said.out.as_str()), (Some(1), ""), "{}", said.err);
    assert!(disk.content() == before, "the disk has changed: {}", said.err);
    assert!(
        scene
            .kdev(&["pool", "list"])
            .good()
            .starts_with("no pool is set up")
    );
    assert!(
        said.err
            .contains(&format!("`{device}` was refused and not written to")),
        "{}",
        said.err
    );
    said.err
}

#[test]
fn a_disk_with_a_file_system_is_refused() {
    let disk = Disk::new(64);
    run("mkfs.ext4", &["-q", "-L", "photos", disk.name()]);
    let said = refused(&disk, disk.name());
    assert!(
        said.contains("ext4 signature labelled `photos`") && said.contains("wipefs --all"),
        "{said}"
    );
}

#[test]
fn a_mounted_disk_is_refused() {
    let disk = Disk::new(64);
    run("mkfs.ext4", &["-q", disk.name()]);
    let scene = Scene::embedded();
    let mounted = scene.mount_point().mount(&disk.device);
    let said = scene
        .kdev(&["pool", "setup", &format!("--device={}", disk.name())])
        .say();
    assert_eq!(said.code, Some(1));
    assert!(
        said.err
            .contains(&format!("in use: mounted on {}", mounted.path.display())),
        "{}",
        said.err
    );
    std::fs::write(mounted.path.join("still"), "here").unwrap();
}

#[test]
fn a_disk_in_use_as_swap_is_refused() {
    let disk = Disk::new(64);
    run("mkswap", &[disk.name()]);
    run("swapon", &[disk.name()]);
    let scene = Scene::embedded();
    let said = scene
        .kdev(&["pool", "setup", &format!("--device={}", disk.name())])
        .say();
    run("swapoff", &[disk.name()]);
    assert_eq!(said.code, Some(1));
    assert!(said.err.contains("is in use"), "{}", said.err);
    let said = refused(&disk, disk.name());
    assert!(said.contains("swap signature"), "{said}");
}

#[test]
fn a_disk_with_a_partition_table_is_refused() {
    let disk = Disk::new(64);
    // An MBR with one Linux partition from sector 2048 on.
    let mut entry = [0; 16];
    entry[4] = 0x83;
    entry[8..12].copy_from_slice(&2048_u32.to_le_bytes());
    entry[12..16].copy_from_slice(&4096_u32.to_le_bytes());
    disk.write_at(SeekFrom::Start(446), &entry);
    disk.write_at(SeekFrom::Start(510), &[0x55, 0xAA]);
    let said = refused(&disk, disk.name());
    assert!(said.contains("a dos partition table"), "{said}");
}

#[test]
fn a_disk_with_something_that_no_tool_knows_is_refused() {
    for at in [SeekFrom::Start(1 << 20), SeekFrom::End(-512)] {
        let disk = Disk::new(64);
        disk.write_at(at, b"somebody's data");
        let said = refused(&disk, disk.name());
        assert!(
            said.contains("it is not blank") && said.contains("blkdiscard --zeroout"),
            "{said}"
        );
    }
}

#[test]
fn the_pv_of_another_vg_is_refused() {
    let disk = Disk::new(64);
    let vg = format!("other-{}", std::process::id());
    run("vgcreate", &[&vg, disk.name()]);
    let said = refused(&disk, disk.name());
    run("vgremove", &[&vg]);
    assert!(said.contains("LVM2_member"), "{said}");
}

#[test]
fn a_disk_that_is_too_small_is_refused() {
    let disk = Disk::new(32);
    let said = refused(&disk, disk.name());
    assert!(
        said.contains("it has 32M, and a pool needs at least 64M"),
        "{said}"
    );
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
    child.kill();
    let said = pool.kdev(&teardown).say();
    assert_eq!(said.code, Some(1));
    assert!(!said.err.contains("alive"), "{}", said.err);
    pool.kdev(&["pool", "cleanup", "--kept"]).good();
    pool.kdev(&teardown).good();
}
