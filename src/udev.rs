//! Rules for udev. One spares our LVs what is done for disks that may hold anything; the second tells their names;
//! the third reports them to systemd as ready; the fourth gives the nodes of ordinary users' LVs to these, see
//! `root/nodes`.
//!
//! udev opens each new disk to look for filesystems, RAID members and PVs, and again whenever somebody has
//! written to it. On a test's volume that is time, a device that is busy when it is to be removed, and links to what
//! the last test has left there. And where LVM waits for udev, two programs are run of which one says what we know.
//!
//! They are where udev keeps what holds until the next boot, so nothing is installed, and nothing stays.

use std::fs::{self, DirBuilder};
use std::io::{self, Write};
use std::os::unix::fs::{DirBuilderExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use crate::command::Invocation;
use crate::error::{Error, Result};
use crate::lvm::mapped_name;

/// Before the rules of device-mapper, which are 55 and 56 in Debian, 10 and 11 elsewhere.
const PATH: &str = "/run/udev/rules.d/09-kdev-volumes.rules";

/// What there is where udev runs.
const CONTROL: &str = "/run/udev/control";

/// An LV whose name is one of ours, and no part of one: these have a longer UUID. [`READY_RULE`] knows it by
/// `.KDEV_VOLUME`, which udev does not store.
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
ENV{.KDEV_VOLUME}="1"
ENV{DM_COOKIE}!="?*", GOTO="kdev_volumes_end"
RUN+="/sbin/dmsetup udevcomplete $env{DM_COOKIE}"
ENV{DM_COOKIE}=""
ENV{DM_UDEV_PRIMARY_SOURCE_FLAG}="1"
ENV{DM_UDEV_DISABLE_DISK_RULES_FLAG}="1"
ENV{DM_UDEV_DISABLE_OTHER_RULES_FLAG}="1"
LABEL="kdev_volumes_end"
"#;

/// Right after the rules of device-mapper, in Debian and elsewhere, and before those of LVM. Where there are none
/// before it the rule does nothing.
const NAMES_PATHS: [&str; 2] = [
    "/run/udev/rules.d/10-kdev-volumes-names.rules",
    "/run/udev/rules.d/55-kdev-volumes-names.rules",
];

/// A file for each LV that is about to be made, named as device-mapper will name it.
const NAMES_DIR: &str = "/run/kdev-volumes/names";

/// How long such a file can be of use to anybody.
const NAMES_LAST: Duration = Duration::from_secs(3600);

/// LVM's rules start a program that takes a name apart which we have put together. They do nothing where
/// device-mapper's seem not to have run.
const NAMES_RULE: &str = r#"# Of kdev-volumes, and written again by it: the names of logical volumes that are being made.
ACTION!="add|change", GOTO="kdev_names_end"
KERNEL!="dm-[0-9]*", GOTO="kdev_names_end"
ENV{DM_UDEV_RULES_VSN}!="?*", GOTO="kdev_names_end"
ENV{DM_UUID}!="LVM-????????????????????????????????????????????????????????????????", GOTO="kdev_names_end"
IMPORT{file}="/run/kdev-volumes/names/$env{DM_NAME}"
ENV{DM_VG_NAME}!="?*", GOTO="kdev_names_end"
ENV{DM_LV_NAME}!="?*", GOTO="kdev_names_end"
ENV{DM_UDEV_DISABLE_SUBSYSTEM_RULES_FLAG}!="1", SYMLINK+="$env{DM_VG_NAME}/$env{DM_LV_NAME}"
ENV{DM_UDEV_RULES_VSN}=""
LABEL="kdev_names_end"
"#;

/// After the rules of systemd, which are 99-systemd in every distribution.
const READY_PATH: &str = "/run/udev/rules.d/99-zz-kdev-volumes-ready.rules";

/// systemd takes a device that other rules must not probe for one that is not ready. systemd 257 imports the state
/// of the first event, at which no LV has a table, for ever; older ones set it at each coldplug. A mount unit would
/// wait for such a device until it times out.
///
/// A suspended device keeps its state: systemd unmounts what is mounted from a device that is not ready.
const READY_RULE: &str = r#"# Of kdev-volumes, and written again by it: logical volumes of tests are ready for systemd once they have a table.
ACTION!="add|change", GOTO="kdev_ready_end"
ENV{.KDEV_VOLUME}!="1", GOTO="kdev_ready_end"
ATTR{dm/suspended}!="0", IMPORT{db}="SYSTEMD_READY"
ATTR{dm/suspended}!="0", GOTO="kdev_ready_end"
ATTR{size}=="0", GOTO="kdev_ready_end"
TAG+="systemd", ENV{SYSTEMD_READY}="1"
LABEL="kdev_ready_end"
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
    have(&[
        (PATH, RULE),
        (NAMES_PATHS[0], NAMES_RULE),
        (NAMES_PATHS[1], NAMES_RULE),
        (READY_PATH, READY_RULE),
    ])
}

/// Makes sure that udev gives nodes to the owners that are written down, if there is udev.
///
/// # Errors
///
/// As [`ensure`]; without it nodes are root's as soon as an LV is activated again.
pub(crate) fn ensure_owners() -> Result<()> {
    have(&[(OWNERS_PATH, OWNERS_RULE)])
}

/// Tells whether udev runs.
pub(crate) fn runs() -> bool {
    Path::new(CONTROL).exists()
}

/// Waits until udev has done what it was told before, but no longer than five seconds.
///
/// # Errors
///
/// If it has not by then.
pub(crate) fn settle() -> Result<()> {
    Invocation::new("udevadm", "udev")?
        .args(["settle", "--timeout=5"])
        .run()?;
    Ok(())
}

fn have(rules: &[(&str, &str)]) -> Result<()> {
    let is_there = |path: &str, rule: &str| fs::read(path).is_ok_and(|found| found == rule.as_bytes());
    if !runs() || rules.iter().all(|(path, rule)| is_there(path, rule)) {
        return Ok(());
    }
    for (path, rule) in rules {
        replace(Path::new(path), rule).map_err(|err| Error::io("write", path, err))?;
    }
    Invocation::new("udevadm", "udev")?
        .args(["control", "--reload"])
        .run()?;
    Ok(())
}

/// The names of LVs that udev has been told, until this is dropped. What is left by who dies before is of no harm,
/// as it is true of any LV of that name, and is removed by the next.
#[derive(Debug)]
pub(crate) struct Foretold(Vec<PathBuf>);

/// Tells udev the names of LVs that are about to be made; without it that takes longer.
pub(crate) fn foretell<'a>(vg_name: &str, lv_names: impl Iterator<Item = &'a str>) -> Foretold {
    let dir = Path::new(NAMES_DIR);
    if !Path::new(NAMES_PATHS[0]).exists() {
        return Foretold(Vec::new());
    }
    remove_old(dir);
    let tell = |lv_name: &str| {
        let file = dir.join(mapped_name(vg_name, lv_name));
        let text = format!("DM_VG_NAME={vg_name}\nDM_LV_NAME={lv_name}\n");
        replace(&file, &text).ok().map(|()| file)
    };
    Foretold(lv_names.filter_map(tell).collect())
}

impl Drop for Foretold {
    fn drop(&mut self) {
        for file in &self.0 {
            // As if we had died before.
            let _ = fs::remove_file(file);
        }
    }
}

fn remove_old(dir: &Path) {
    let now = SystemTime::now();
    for entry in fs::read_dir(dir).into_iter().flatten().flatten() {
        let written = entry.metadata().and_then(|meta| meta.modified());
        let age = written.ok().and_then(|at| now.duration_since(at).ok());
        if age.is_some_and(|age| age > NAMES_LAST) {
            // The next tries again.
            let _ = fs::remove_file(entry.path());
        }
    }
}

/// By renaming, since udev may read at any time.
pub(crate) fn replace(path: &Path, text: &str) -> io::Result<()> {
    let dir = path.parent().expect("it has one");
    DirBuilder::new().mode(0o755).recursive(true).create(dir)?;
    let mut file = tempfile::NamedTempFile::new_in(dir)?;
    file.write_all(text.as_bytes())?;
    file.as_file()
        .set_permissions(fs::Permissions::from_mode(0o644))?;
    file.persist(path)?;
    Ok(())
}
