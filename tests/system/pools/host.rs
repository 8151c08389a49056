//! Hosts on which a pool could never be used: nothing is written there, and the exit code says so.

use std::ffi::OsString;
use std::fs;
use std::path::Path;
use std::process::Command;

use crate::disk::{Disk, run};
use crate::pools::site::Site;
use crate::scene::{Say, has_device_mapper};

/// `EX_UNAVAILABLE` of sysexits(3).
const UNAVAILABLE: i32 = 69;

/// Runs the command in a mount namespace in which there is an empty file in the place of `missing`.
fn without(missing: &str, site: &Site, command: &Command) -> Command {
    let empty = site.scene.path("empty");
    fs::write(&empty, "").unwrap();
    hide(["--bind", empty.to_str().unwrap(), missing], command)
}

/// Runs the command in a mount namespace of its own, in which something is mounted before.
fn hide(mount: [&str; 3], command: &Command) -> Command {
    let script = "mount \"$1\" \"$2\" \"$3\" && shift 3 && exec \"$@\"";
    let mut inside = Command::new("unshare");
    inside
        .args(["--mount", "sh", "-c", script, "sh"])
        .args(mount)
        .arg(command.get_program())
        .args(command.get_args());
    for (name, value) in command.get_envs() {
        match value {
            Some(value) => inside.env(name, value),
            None => inside.env_remove(name),
        };
    }
    inside
}

fn without_device_mapper(site: &Site, mut command: Command) -> Command {
    command.env_remove("KDEV_ASSUME_DEVICE_MAPPER");
    if has_device_mapper() {
        without("/dev/mapper/control", site, &command)
    } else {
        command
    }
}

fn assert_refused(site: &Site, mut command: Command, remedy: &str) {
    let before = site.disk.content();
    let args: Vec<OsString> = command.get_args().map(OsString::from).collect();
    let said = command.say();
    assert_eq!(
        (said.code, said.out.as_str()),
        (Some(UNAVAILABLE), ""),
        "{args:?}: {}",
        said.err
    );
    assert!(said.err.contains(remedy), "{args:?}: {}", said.err);
    assert!(
        !site.scene.state_dir().exists(),
        "{args:?}: no directory was made"
    );
    assert!(site.disk.content() == before, "{args:?}: the disk has changed");
    assert!(
        !Path::new(&pool_file(site)).exists(),
        "{args:?}: no file was made"
    );
}

fn pool_file(site: &Site) -> String {
    site.scene.path("pool.img").to_str().unwrap().to_owned()
}

fn setup_on_file(site: &Site) -> Command {
    let mut command = site.kdev(&["setup", "--size=64M"]);
    command.arg(format!("--file={}", pool_file(site)));
    command
}

pub(crate) fn no_device_mapper_no_pool() {
    let site = Site::new(Disk::new(64));
    run("mkfs.ext4", &["-q", site.disk.name()]);
    for command in [
        site.setup(&[]),
        site.setup(&["--dry-run"]),
        site.setup(&["--thin"]),
        site.wipe(),
        setup_on_file(&site),
    ] {
        assert_refused(&site, without_device_mapper(&site, command), "`modprobe dm-mod`");
    }
}

#[test]
fn a_host_without_device_mapper_gets_no_pool() {
    no_device_mapper_no_pool();
}

/// Without udev LVM makes no nodes, unless it is told to.
#[cfg(feature = "test-bed")]
pub(crate) fn no_udev_no_pool_unless_lvm_makes_nodes() {
    let site = Site::new(Disk::new(64));
    let hidden = |command: &Command| hide(["-ttmpfs", "none", "/run/udev"], command);
    for command in [site.setup(&[]), site.setup(&["--dry-run"]), setup_on_file(&site)] {
        assert_refused(&site, hidden(&command), "start systemd-udevd");
    }
    let config = site.scene.path("lvm.conf");
    fs::write(&config, "activation {\n\tudev_rules = 0\n\tudev_sync = 0\n}\n").unwrap();
    let bind = ["--bind", config.to_str().unwrap(), "/etc/lvm/lvm.conf"];
    let configured = |command: &Command| hidden(&hide(bind, command));
    configured(&site.setup(&[])).good();
    configured(&site.scene.child("passes")).good();
    configured(&site.teardown()).good();
}

#[test]
fn a_host_without_lvm_gets_no_pool() {
    let site = Site::new(Disk::new(64));
    for command in [site.setup(&[]), site.setup(&["--dry-run"]), setup_on_file(&site)] {
        let command = without("/usr/sbin/lvm", &site, &command);
        assert_refused(&site, command, "apt-get install lvm2");
    }
}

#[test]
fn a_host_without_loop_devices_gets_no_pool_of_a_file() {
    let site = Site::new(Disk::new(64));
    for more in [&[][..], &["--dry-run"]] {
        let mut command = setup_on_file(&site);
        command.args(more);
        let command = without("/dev/loop-control", &site, &command);
        assert_refused(&site, command, "`modprobe loop`");
    }
}
