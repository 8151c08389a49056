//! A rule for udev, which spares our LVs what is done for disks that may hold anything.
//!
//! udev opens each new disk to look for filesystems, RAID members and PVs, and again whenever somebody has
//! written to it. On a test's volume that is time, a device that is busy when it is to be removed, and links to what
//! the last test has left there. And where LVM waits for udev, two programs are run of which one says what we know.
//!
//! The rule is where udev keeps what holds until the next boot, so nothing is installed, and nothing stays.

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

/// Makes sure that udev has the rule, if there is udev.
///
/// # Errors
///
/// Those of writing a file in `/run`, and of telling udev; LVs can be made without.
pub(crate) fn ensure() -> Result<()> {
    if !Path::new(CONTROL).exists() || fs::read(PATH).is_ok_and(|rule| rule == RULE.as_bytes()) {
        return Ok(());
    }
    write().map_err(|err| Error::io("write", PATH, err))?;
    Invocation::new("udevadm", "udev")?
        .args(["control", "--reload"])
        .run()?;
    Ok(())
}

/// By renaming, since udev may read at any time.
fn write() -> io::Result<()> {
    let path = Path::new(PATH);
    let dir = path.parent().expect("it has one");
    match DirBuilder::new().mode(0o755).create(dir) {
        Err(err) if err.kind() != io::ErrorKind::AlreadyExists => return Err(err),
        _ => {}
    }
    let mut file = tempfile::NamedTempFile::new_in(dir)?;
    file.write_all(RULE.as_bytes())?;
    file.as_file()
        .set_permissions(fs::Permissions::from_mode(0o644))?;
    file.persist(path)?;
    Ok(())
}
