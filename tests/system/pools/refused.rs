//! What a device can be in the way of becoming a pool: refused with a list of all, and not written to.

use std::fs::File;
use std::io::SeekFrom;

use crate::disk::{Disk, run};
use crate::pools::site::{Site, assert_findings};
use crate::scene::Say;

/// What libblkid knows by these bytes alone.
const LUKS: &[u8] = b"LUKS\xba\xbe\x00\x01";
const LSI_RAID: &[u8] = b"$XIDE$";

/// The superblock of a member of a RAID that is not running, version 1.2 (md(4), `linux/raid/md_p.h`).
pub(crate) fn md_superblock() -> [u8; 256] {
    let mut block = [0; 256];
    block[..4].copy_from_slice(&0xa92b_4efc_u32.to_le_bytes());
    block[4..8].copy_from_slice(&1_u32.to_le_bytes());
    block[16..32].copy_from_slice(b"0123456789abcdef");
    // Its own place, in sectors.
    block[144..152].copy_from_slice(&8_u64.to_le_bytes());
    let words = block
        .chunks(4)
        .map(|word| u64::from(u32::from_le_bytes(word.try_into().unwrap())));
    let sum: u64 = words.sum();
    let folded = u32::try_from((sum & 0xffff_ffff) + (sum >> 32)).unwrap();
    block[216..220].copy_from_slice(&folded.to_le_bytes());
    block
}

#[test]
fn what_is_on_a_disk_is_listed_and_refused_without_consent() {
    let site = Site::new(Disk::new(64));
    site.disk.write_at(SeekFrom::Start(0), LUKS);
    site.disk.write_at(SeekFrom::Start(4096), &md_superblock());
    site.disk.write_at(SeekFrom::End(-512), LSI_RAID);
    let said = site.refused(&[]);
    for part in [
        "it holds a crypto_LUKS signature, of something encrypted, at byte 0 (",
        "it holds a linux_raid_member signature, of a RAID member, at byte 4096 (",
        "it holds a lsi_mega_raid_member signature, of a RAID member, at byte 67108352 (",
    ] {
        assert!(said.contains(part), "{part}: {said}");
    }
    assert_eq!(said.lines().count(), 4, "{said}");
    assert!(said.contains("`--wipe` overwrites it"), "{said}");
}

#[test]
fn a_signature_in_the_last_sector_alone_is_found() {
    let site = Site::new(Disk::new(64));
    site.disk.write_at(SeekFrom::End(-512), LSI_RAID);
    assert_findings(
        &site.refused(&[]),
        &["it holds a lsi_mega_raid_member signature, of a RAID member, at byte 67108352"],
    );
}

#[test]
fn bytes_that_no_tool_knows_are_found_at_both_ends() {
    for (at, byte) in [
        (SeekFrom::Start(1 << 20), 1 << 20),
        (SeekFrom::End(-512), (64 << 20) - 512),
    ] {
        let site = Site::new(Disk::new(64));
        site.disk.write_at(at, b"somebody's data");
        let finding = format!("it is not blank: at byte {byte} there is something that no tool here knows");
        assert_findings(&site.refused(&[]), &[&finding]);
    }
}

#[test]
fn a_mounted_disk_is_refused_whoever_sees_the_mount() {
    let site = Site::new(Disk::new(64));
    run("mkfs.ext4", &["-q", "-L", "photos", site.disk.name()]);
    let signature = "it holds a ext4 signature labelled `photos` at byte 1080";
    // For reading only: a file system that is mounted for more is written to by itself.
    let mounted = site.scene.mount_point();
    let point = mounted.path.clone();
    let ro = ["-o", "ro,noload", site.disk.name(), point.to_str().unwrap()];
    run("mount", &ro);
    let finding = format!("it is mounted on {0} (`umount {0}`)", point.display());
    assert_findings(&site.never(), &[&finding, signature]);
    drop(mounted);

    // In a mount namespace of somebody else's, of which only a process tells.
    let script = format!(
        "mount {} && touch {} && exec sleep 1000",
        ro.join(" "),
        site.scene.path("ready").display()
    );
    let mut elsewhere = site.scene.program("unshare");
    let elsewhere = site
        .scene
        .start_command(elsewhere.args(["--mount", "sh", "-c", &script]));
    assert_findings(&site.refused(&[]), &[&finding, signature]);
    elsewhere.kill();
}

#[test]
fn a_disk_with_a_mounted_partition_is_refused() {
    let site = Site::new(Disk::with(64, &["--partscan"]));
    site.disk.partition(64);
    let partition = site.disk.partition_path(64);
    run("mkfs.ext4", &["-q", &partition]);
    let mounted = site.scene.mount_point();
    let point = mounted.path.to_str().unwrap();
    run("mount", &["-o", "ro,noload", &partition, point]);
    assert_findings(
        &site.never(),
        &[
            &format!("its partition {partition} is mounted on {point} (`umount {point}`)"),
            "it holds a dos partition table at byte 510",
            &format!("its partition {partition} holds a ext4 signature at byte 1080"),
            &format!("it has the partitions {partition}"),
        ],
    );
}

#[test]
fn a_disk_in_use_as_swap_is_refused() {
    let site = Site::new(Disk::new(64));
    run("mkswap", &[site.disk.name()]);
    // What the kernel swaps out goes behind the header.
    let header = || site.disk.content()[..4096].to_vec();
    let before = header();
    run("swapon", &[site.disk.name()]);
    let said = site.setup(&["--yes-wipe", site.disk.name()]).say();
    run("swapoff", &[site.disk.name()]);
    assert!(header() == before, "the disk has changed: {}", said.err);
    assert_findings(
        &said.err,
        &[
            "the system stands on it: swap",
            &format!("it is in use as swap (`swapoff {}`)", site.disk.name()),
            "it holds a swap signature at byte 4086",
        ],
    );
}

#[test]
fn a_disk_that_somebody_has_open_is_refused() {
    let site = Site::new(Disk::new(64));
    // Not exclusively: the kernel would give it to us.
    let mut dd = site.scene.program("sh");
    let script = format!(
        "exec 3<{}; touch {}; exec sleep 1000",
        site.disk.name(),
        site.scene.path("ready").display()
    );
    let dd = site.scene.start_command(dd.args(["-c", &script]));
    let finding = format!("it is open in sleep (pid {}) (end that process)", dd.pid());
    assert_findings(&site.never(), &[&finding]);
    dd.kill();

    // And exclusively, by this process.
    use std::os::unix::fs::OpenOptionsExt;
    let alone = File::options()
        .read(true)
        .custom_flags(nix::libc::O_EXCL)
        .open(&site.disk.device)
        .unwrap();
    let said = site.never();
    assert!(
        said.contains(&format!("(pid {}) (end that process)", std::process::id())),
        "{said}"
    );
    drop(alone);
}

#[test]
fn a_disk_under_another_device_is_refused() {
    let site = Site::new(Disk::new(64));
    let over = run("losetup", &["--find", "--show", site.disk.name()]);
    let said = site.never();
    run("losetup", &["--detach", over.trim()]);
    assert_findings(&said, &[&format!("it is used by {}", over.trim())]);
}

#[test]
fn a_disk_that_is_read_only_and_too_small_is_told_both() {
    let site = Site::new(Disk::with(32, &["--read-only"]));
    assert_findings(
        &site.never(),
        &["it is read-only", "it has 32M, and a pool needs at least 64M"],
    );
}

#[test]
fn consent_must_name_the_same_device() {
    let site = Site::new(Disk::new(64));
    let other = Disk::new(64);
    site.disk.write_at(SeekFrom::Start(0), LUKS);
    let said = site.refused(&["--yes-wipe", other.name()]);
    assert_findings(
        &said,
        &[
            &format!(
                "`{}` was named to be wiped, which is not the same device",
                other.name()
            ),
            "it holds a crypto_LUKS signature",
        ],
    );
    // Without a terminal nobody can type its name.
    let before = site.disk.content();
    let said = site.setup(&["--wipe"]).say();
    assert_eq!(said.code, Some(1));
    assert!(
        said.err
            .contains("and there is none: nothing was written (`--yes-wipe="),
        "{}",
        said.err
    );
    assert!(site.disk.content() == before);
}

#[test]
fn the_pv_of_a_vg_is_refused_whatever_the_consent_and_one_of_none_is_a_signature() {
    let site = Site::new(Disk::new(64));
    let (vg, name) = (format!("other-{}", std::process::id()), site.disk.name());
    run("vgcreate", &[&vg, name]);
    let consent = format!("--yes-wipe={name}");
    let (plain, forced) = (site.refused(&[]), site.refused(&[&consent]));
    run("vgremove", &[&vg]);
    let finding = format!(
        "it is a PV of VG `{vg}` (if that can do without it: `vgreduce {vg} {name}` and `pvremove {name}`"
    );
    assert_findings(
        &plain,
        &[&finding, "it holds a LVM2_member signature at byte 536"],
    );
    assert_eq!(plain, forced);
    assert_findings(
        &site.refused(&[]),
        &["it holds a LVM2_member signature at byte 536"],
    );
    site.wipe().good();
    site.teardown().good();
}

/// `/etc` of the host is left alone: the process sees another in a mount namespace of its own.
#[test]
fn a_disk_that_the_systems_tables_name_is_refused() {
    let site = Site::new(Disk::with(64, &["--partscan"]));
    site.disk.partition(64);
    let partition = site.disk.partition_path(64);
    run(
        "mkfs.ext4",
        &[
            "-q",
            "-L",
            "photos",
            "-U",
            "0ad565ff-d783-4a89-bade-47dcb406267f",
            &partition,
        ],
    );
    // Of an MBR: the disk's signature, which is none here, and the partition's number.
    site.disk
        .write_at(SeekFrom::Start(440), &0x1234_abcd_u32.to_le_bytes());
    let partuuid = "1234abcd-01";
    let on_it = [
        "it holds a dos partition table",
        "holds a ext4 signature labelled `photos`",
        "it has the partitions",
    ];
    for spec in [
        "UUID=0ad565ff-d783-4a89-bade-47dcb406267f".to_owned(),
        "LABEL=\"photos\"".to_owned(),
        format!("PARTUUID={partuuid}"),
        partition.clone(),
        site.disk.name().to_owned(),
    ] {
        let table = site.scene.path("fstab");
        std::fs::write(&table, format!("# a comment\n{spec} /data ext4 noauto 0 0\n")).unwrap();
        let setup = site.setup(&["--yes-wipe", site.disk.name()]);
        let script = format!(
            "touch /etc/fstab; mount --bind {} /etc/fstab && exec \"$@\"",
            table.display()
        );
        let before = site.disk.content();
        let mut command = site.scene.program("unshare");
        command.args(["--mount", "sh", "-c", &script, "sh"]);
        let said = command.arg(setup.get_program()).args(setup.get_args()).say();
        let finding = format!("/etc/fstab names it: `{spec}` for `/data`");
        assert_findings(&said.err, &[&[finding.as_str()], &on_it[..]].concat());
        assert!(site.disk.content() == before, "{spec}");
    }
}

/// Where there is device-mapper it is told what would be done, elsewhere why it cannot be; nothing is written.
#[test]
fn a_thin_pool_wants_a_kernel_that_has_them_and_zeros_without_being_asked() {
    let site = Site::new(Disk::new(64));
    let said = site.setup(&["--thin", "--overcommit=7", "--dry-run"]).say();
    if std::fs::read_to_string("/proc/misc")
        .unwrap()
        .contains("device-mapper")
    {
        let step = "make a thin pool of all its room, which gives out at most 7 times that";
        assert_eq!(said.code, Some(0), "{}", said.err);
        assert!(said.out.contains(step), "{}", said.out);
    } else {
        let said = [said, site.setup(&["--thin"]).say()];
        for said in said {
            assert_eq!(said.code, Some(69), "{}", said.err);
            assert!(
                said.err.contains("the kernel has no device-mapper"),
                "{}",
                said.err
            );
        }
    }
    for bad in [
        &["--thin", "--overcommit=0"][..],
        &["--thin", "--overcommit=101"],
        &["--overcommit=2"],
        &["--thin", "--clean=discard"],
    ] {
        assert_eq!(site.setup(bad).say().code, Some(2), "{bad:?}");
    }
    assert!(site.disk.is_all_zeros());
    assert!(!site.scene.state_dir().exists(), "not even a directory was made");
}
