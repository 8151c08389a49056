//! Rules for udev. One spares our LVs what is done for disks that may hold anything; the other gives the nodes of
//! ordinary users' LVs to these, see `root/nodes`.
//!
//! udev opens each new disk to look for filesystems, RAID members and PVs, and again whenever somebody has
//! written to it. On a test's volume that is time, a device that is busy when it is to be removed, and links to what
//! the last test has left there. And where LVM waits for udev, two programs are run of which one says what we know.
//!
//! They are where udev keeps what holds until the next boot, so nothing is installed, and nothing stays.

use std::fs::{self, DirBuilder};
use std::io::{self, Write};
use std::os::unix::fs::{DirBuilderExt, PermissionsExt};
use std::path::Path;

use crate::command::Invocation;
use crate::error::{Error, Result};

/// Before the rules of device-mapper, which are 55 and 56 in Debian, 10 and 11 elsewhere.
const PATH: &str = "/run/udev/rules.d/09-kdev-volumes.rules";

/// What there is where udev runs.
const CONTROL: &str = "/run/udev/control";

/// An LV whose name is one of ours, and no part of one: these have a longer UUID.
///
/// Whoever waits for udev gives a cookie. To take it out has device-mapper's rules start no program that finds
/// out what it says: that the event is one of LVM's own, and what of the rules to pass over. Who waits is told by the
/// program that tells others too; where udev does not see that, all goes as it does without this rule.
const RULE: &str = r#"# Of kdev-volumes, and written again by it: logical volumes of tests, which nobody else is to look into.
ACTION!="add|change", GOTO="kdev_volumes_end"
KERNEL!="dm-[0-9]*", GOTO="kdev_volumes_end"
ATTR{dm/uuid}!="LVM-????????????????????????????????????????????????????????????????", GOTO="kdev_volumes_end"
ATTR{dm/name}!="?*-?*--[0-9][0-9][0-9][0-9][0-9][0-9][0-9][0-9][0-9][0-9][0-9][0-9][0-9][0-9]--[0-9a-f][0-9a-f][0-9a-f][0-9a-f][0-9a-f][0-9a-f]--?*", GOTO="kdev_volumes_end"
TEST!="/sbin/dmsetup", GOTO="kdev_volumes_end"
OPTIONS:="nowatch"
ENV{DM_COOKIE}!="?*", GOTO="kdev_volumes_end"
RUN+="/sbin/dmsetup udevcomplete $env{DM_COOKIE}"
ENV{DM_COOKIE}=""
ENV{DM_UDEV_PRIMARY_SOURCE_FLAG}="1"
ENV{DM_UDEV_DISABLE_DISK_RULES_FLAG}="1"
ENV{DM_UDEV_DISABLE_OTHER_RULES_FLAG}="1"
LABEL="kdev_volumes_end"
"#;

/// After the rules that give nodes to groups, in Debian and elsewhere.
const OWNERS_PATH: &str = "/run/udev/rules.d/90-kdev-volumes-owners.rules";

/// Each time that udev looks at a node it sets its rights, and it makes the node anew when an LV is activated again.
const OWNERS_RULE: &str = r#"# Of kdev-volumes, and written again by it: the volumes of ordinary users are theirs alone.
ACTION!="remove", ATTR{dm/uuid}=="LVM-?*", IMPORT{file}="/run/kdev-volumes/nodes/$attr{dm/uuid}"
ACTION!="remove", ATTR{dm/uuid}=="LVM-?*", ENV{KDEV_OWNER}=="?*", OWNER="$env{KDEV_OWNER}", GROUP="root", MODE="0600"
"#;

/// Makes sure that udev leaves our LVs alone, if there is udev.
///
/// # Errors
///
/// Those of writing a file in `/run`, and of telling udev; LVs can be made without.
pub(crate) fn ensure() -> Result<()> {
    have(PATH, RULE)
}

/// Makes sure that udev gives nodes to the owners that are written down, if there is udev.
///
/// # Errors
///
/// As [`ensure`]; without it nodes are root's as soon as an LV is activated again.
pub(crate) fn ensure_owners() -> Result<()> {
    have(OWNERS_PATH, OWNERS_RULE)
}

fn have(path: &str, rule: &str) -> Result<()> {
    if !Path::new(CONTROL).exists() || fs::read(path).is_ok_and(|found| found == rule.as_bytes()) {
        return Ok(());
    }
    write(Path::new(path), rule).map_err(|err| Error::io("write", path, err))?;
    Invocation::new("udevadm", "udev")?
        .args(["control", "--reload"])
        .run()?;
    Ok(())
}

/// By renaming, since udev may read at any time.
fn write(path: &Path, rule: &str) -> io::Result<()> {
    let dir = path.parent().expect("it has one");
    match DirBuilder::new().mode(0o755).create(dir) {
        Err(err) if err.kind() != io::ErrorKind::AlreadyExists => return Err(err),
        _ => {}
    }
    let mut file = tempfile::NamedTempFile::new_in(dir)?;
    file.write_all(rule.as_bytes())?;
    file.as_file()
        .set_permissions(fs::Permissions::from_mode(0o644))?;
    file.persist(path)?;
    Ok(())
}
