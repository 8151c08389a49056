//! Whether this host has what LVs need, asked before anything is written to a disk.

use std::fs;

use crate::command::Invocation;
use crate::error::{Error, Result};
use crate::fault;
use crate::lvm::{ioctl, reading};
use crate::udev;

/// Checks that LVM is installed and can make LVs here; and thin ones, for a pool of such.
///
/// Modules that are missing are loaded: LVM loads those of targets by itself, but device-mapper's own it does not.
///
/// # Errors
///
/// [`Error::NotInstalled`], [`Error::NoDeviceMapper`], [`Error::NoUdev`], [`Error::NoThinPools`].
pub(crate) fn check_host(is_thin: bool) -> Result<()> {
    Invocation::new("lvm", "lvm2")?;
    if !has_device_mapper() {
        let is_enough = fault::is_device_mapper_assumed() && !is_thin;
        return if is_enough {
            Ok(())
        } else {
            Err(Error::NoDeviceMapper)
        };
    }
    check_nodes()?;
    if is_thin { check_thin_target() } else { Ok(()) }
}

fn has_device_mapper() -> bool {
    let answers = || ioctl::check_version().is_ok();
    if answers() {
        return true;
    }
    load("dm-mod");
    // Where udev does not make the node, LVM's library makes it. Without device-mapper it makes one too, that is of no use.
    let misc = fs::read_to_string("/proc/misc").unwrap_or_default();
    answers()
        || misc.contains("device-mapper")
            && Invocation::new("dmsetup", "dmsetup")
                .and_then(|dmsetup| dmsetup.arg("version").finish())
                .is_ok_and(|done| done.status.success())
}

/// Checks that LVs get their nodes: from udev, or where it does not run from LVM, if `lvm.conf` says so. Otherwise each
/// `lvcreate` fails, since LVM does not find the device that it has made.
fn check_nodes() -> Result<()> {
    if udev::runs() {
        return Ok(());
    }
    let done = reading("lvmconfig")?
        .args(["--typeconfig", "full"])
        .args(["activation/udev_rules", "activation/verify_udev_operations"])
        .run()?;
    if makes_nodes(&String::from_utf8_lossy(&done.stdout)) {
        Ok(())
    } else {
        Err(Error::NoUdev)
    }
}

/// Reads whether LVM makes nodes itself where udev does not.
fn makes_nodes(config: &str) -> bool {
    config
        .lines()
        .any(|line| matches!(line.trim(), "udev_rules=0" | "verify_udev_operations=1"))
}

fn check_thin_target() -> Result<()> {
    let known = || -> Result<bool> {
        let done = Invocation::new("dmsetup", "dmsetup")?.arg("targets").finish()?;
        if !done.status.success() {
            return Err(Error::NoDeviceMapper);
        }
        let targets = String::from_utf8_lossy(&done.stdout);
        Ok(targets.lines().any(|line| line.starts_with("thin-pool ")))
    };
    if known()? {
        return Ok(());
    }
    load("dm-thin-pool");
    if known()? { Ok(()) } else { Err(Error::NoThinPools) }
}

/// Whatever modprobe reports, the kernel is asked after.
fn load(module: &str) {
    let _ = Invocation::new("modprobe", "kmod").and_then(|modprobe| modprobe.arg(module).finish());
}

#[cfg(test)]
mod tests {
    use rstest::rstest;

    use super::*;

    #[rstest]
    #[case::default("udev_rules=1\nverify_udev_operations=0\n", false)]
    #[case::lvm_alone("udev_rules=0\nverify_udev_operations=0\n", true)]
    #[case::lvm_after_udev("udev_rules=1\nverify_udev_operations=1\n", true)]
    #[case::nothing("", false)]
    fn lvm_makes_nodes_if_its_configuration_says_so(#[case] config: &str, #[case] expected: bool) {
        assert_eq!(makes_nodes(config), expected);
    }
}
