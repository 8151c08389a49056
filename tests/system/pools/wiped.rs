//! Overwriting what is on a disk, by consent.

use std::io::{SeekFrom, Write};
use std::process::{Command, Stdio};

use crate::disk::{Disk, run};
use crate::pools::site::Site;
use crate::scene::Say;

/// A disk with a partition table, and with a file system and a foreign signature that are in the way.
pub(crate) fn used_disk() -> Disk {
    let disk = Disk::with(64, &["--partscan"]);
    disk.partition(64);
    let partition = disk.partition_path(64);
    run("mkfs.ext4", &["-q", "-L", "photos", &partition]);
    disk.write_at(SeekFrom::End(-512), b"$XIDE$");
    disk
}

#[test]
fn a_dry_run_tells_what_would_be_done_and_writes_nothing() {
    let site = Site::new(used_disk());
    let before = site.disk.content();
    let said = site.setup(&["--wipe", "--dry-run"]).good();
    for part in [
        &format!(
            "pool `{}` would be set up on {}, of 64M:",
            site.pool,
            site.disk.name()
        ),
        "lost: it holds a dos partition table at byte 510\n",
        "lost: it holds a lsi_mega_raid_member signature, of a RAID member, at byte 67108352\n",
        &format!("holds a ext4 signature labelled `photos` at byte {}", 1080),
        "1. save what will be overwritten",
        "overwrite what is on it with zeros",
        &format!("the VG `{}` with the tag `kdev.pool`", site.vg()),
        "nothing was written\n",
    ] {
        assert!(said.contains(part), "{part}: {said}");
    }
    assert!(site.disk.content() == before);
    assert!(!site.scene.state_dir().exists(), "not even a directory was made");
}

#[test]
fn a_disk_that_was_wiped_is_a_pool_and_has_no_partition_any_more() {
    let site = Site::new(used_disk());
    let partition = format!("{}p1", site.disk.name());
    let partition = std::path::Path::new(&partition);
    assert!(partition.exists());
    let said = site.wipe().good();
    assert!(said.contains("is set up"), "{said}");
    let sys = format!(
        "/sys/block/{0}/{0}p1",
        site.disk.name().trim_start_matches("/dev/")
    );
    assert!(
        !std::fs::exists(sys).unwrap(),
        "the kernel has forgotten the partition"
    );
    assert!(site.has_vg() && site.is_on_record());
    site.assert_settled("after a setup");
    site.teardown().good();
    assert!(site.disk.is_blank_at_both_ends());
    site.assert_settled("after a teardown");
}

/// Runs a command of the site's at a terminal, which script(1) makes, where somebody types. Returns its exit status
/// and all that is seen.
fn at_a_terminal(site: &Site, command: &Command, typed: &str, env: &[(&str, &str)]) -> (Option<i32>, String) {
    let words = std::iter::once(command.get_program()).chain(command.get_args());
    let words: Vec<&str> = words.map(|word| word.to_str().unwrap()).collect();
    let mut script = site.scene.program("script");
    script.args([
        "--quiet",
        "--return",
        "--echo",
        "never",
        "--command",
        &words.join(" "),
        "/dev/null",
    ]);
    script
        .env("TERM", "xterm")
        .env_remove("NO_COLOR")
        .envs(env.iter().copied());
    let mut script = script
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    script.stdin.take().unwrap().write_all(typed.as_bytes()).unwrap();
    let output = script.wait_with_output().unwrap();
    (output.status.code(), String::from_utf8(output.stdout).unwrap())
}

#[test]
fn the_devices_name_must_be_typed() {
    let site = Site::new(used_disk());
    let before = site.disk.content();
    let typing = |text: &str| at_a_terminal(&site, &site.setup(&["--wipe"]), text, &[]);
    for wrong in ["yes\n", "\n", "/dev/loop\n"] {
        let (code, said) = typing(wrong);
        assert_eq!(code, Some(1), "{said}");
        assert!(
            said.contains("labelled `photos`") && said.contains("type its name"),
            "{said}"
        );
        assert!(said.contains("nothing was written"), "{said}");
        assert!(site.disk.content() == before);
    }
    let (code, said) = typing(&format!("{}\n", site.disk.name()));
    assert_eq!(code, Some(0), "{said}");
    assert!(said.contains("is set up"), "{said}");
    site.teardown().good();
}

#[test]
fn a_blank_disk_needs_no_consent_and_a_partition_will_do() {
    let site = Site::new(Disk::with(128, &["--partscan"]));
    site.disk.partition(128);
    let partition = site.disk.partition_path(128);
    let device = format!("--device={partition}");
    // The kernel gives a partition of a disk that is open elsewhere, and the disk of one that is a pool to nobody.
    site.kdev(&["setup", &device, "--wipe"]).good();
    let said = site.setup(&["--yes-wipe", site.disk.name()]).say();
    assert_eq!(said.code, Some(1));
    assert!(said.err.contains("exists already"), "{}", said.err);
    let said = site
        .scene
        .kdev(&["pool", "setup", "--pool=other", "--yes-wipe", site.disk.name()])
        .arg(format!("--device={}", site.disk.name()))
        .say();
    let finding = format!("its partition {partition} is a PV of VG `{}` (", site.vg());
    assert!(
        said.err.contains(&finding) && said.err.contains("vgreduce"),
        "{}",
        said.err
    );
    site.teardown().good();
    let mut zeros = Command::new("cmp");
    zeros.args(["--bytes", "4194304", &partition, "/dev/zero"]).good();
}

/// udev makes these names of a disk's serial number; a loop device has none.
#[test]
fn the_name_that_stays_the_same_is_written_down() {
    let site = Site::new(Disk::new(64));
    let link = format!("/dev/disk/by-id/kdev-test-{}", site.pool);
    std::fs::create_dir_all("/dev/disk/by-id").unwrap();
    std::os::unix::fs::symlink(&site.disk.device, &link).unwrap();
    let made = site.setup(&[]).say();
    let listed = site.scene.kdev(&["pool", "list"]).good();
    let torn_down = site.teardown().say();
    std::fs::remove_file(&link).unwrap();
    assert_eq!(
        (made.code, torn_down.code),
        (Some(0), Some(0)),
        "{}{}",
        made.err,
        torn_down.err
    );
    assert!(listed.contains(&link), "{listed}");
    assert!(torn_down.out.contains(&link), "{}", torn_down.out);
}

#[test]
fn all_of_a_disk_is_overwritten_when_asked_for() {
    let site = Site::new(Disk::new(160));
    site.disk.write_at(SeekFrom::Start(80 << 20), b"left by a test");
    site.setup(&[]).good();
    let said = site.kdev(&["teardown", "--zero"]).say();
    assert_eq!(said.code, Some(0), "{}", said.err);
    assert!(said.out.contains("is all zeros"), "{}", said.out);
    let lines: Vec<&str> = said.err.lines().collect();
    assert_eq!(
        lines.first(),
        Some(&"kdev: 0B of 160M overwritten (0%)"),
        "{}",
        said.err
    );
    assert_eq!(
        lines.last(),
        Some(&"kdev: 160M of 160M overwritten (100%)"),
        "{}",
        said.err
    );
    assert!(site.disk.is_all_zeros());
    site.assert_settled("after a teardown");
}

#[test]
fn at_a_terminal_a_bar_shows_how_far_it_is_with_colours_if_they_are_wanted() {
    let site = Site::new(Disk::new(64));
    for (env, is_coloured) in [(&[][..], true), (&[("NO_COLOR", "1")], false)] {
        site.setup(&[]).good();
        let (code, seen) = at_a_terminal(&site, &site.kdev(&["teardown", "--zero"]), "", env);
        assert_eq!(code, Some(0), "{seen}");
        assert!(
            seen.contains("64M of 64M overwritten") && seen.contains("100%"),
            "{seen}"
        );
        assert_eq!(seen.contains("\x1b[32m"), is_coloured, "{seen:?}");
    }
}
