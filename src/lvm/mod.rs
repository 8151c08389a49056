//! LVM, through its own commands. The one folder that names them.

mod by_sudo;
mod change;
mod group;
mod host;
mod ioctl;
mod lv;
mod mapped;
mod physical;
mod report;
mod shell;
mod thin;

pub(crate) use by_sudo::{MountBySudo, is_the_way};
pub(crate) use change::NewLv;
pub(crate) use group::{Group, Listing, Reported, Room};
pub(crate) use host::check_host;
pub use lv::Activation;
pub(crate) use lv::Lv;
pub(crate) use mapped::{Mapped, MappedName, mapped_name, unmap};
pub(crate) use physical::{
    Physical, Promise, announce, complete_group, make_group, physical_at, physical_by_uuid, physicals_of,
    unmake_group, unmake_if_begun,
};
pub(crate) use shell::Shell;
pub(crate) use thin::OVERWRITTEN;

use crate::command::Invocation;
use crate::error::{Error, Result};

/// The tag of a VG that is a pool of ours.
pub(crate) const POOL_TAG: &str = "kdev.pool";

/// The tag of an LV that was kept.
const KEPT_TAG: &str = "kdev.kept";

/// The tag of an LV that is as clean as its pool promises, and so was given to its user, who is not root.
const GIVEN_TAG: &str = "kdev.given";

/// Archives of each metadata change would outnumber everything else in `/etc/lvm`, and cost two
/// fsyncs each; these volumes are not worth restoring.
const NO_ARCHIVE: &str = "backup{backup=0 archive=0}";

/// LVM remembers in `/run/lvm/hints` on which devices PVs are (lvm.conf(5), `devices/hints`), and looks nowhere
/// else as long as there are devices of the same names. A loop device that has another file now is of the
/// same name; udev tells LVM so, a moment later, and in a container nobody does.
const NO_HINTS: &str = "devices{hints=\"none\"}";

/// Begins a command of LVM's that reads.
fn reading(verb: &str) -> Result<Invocation> {
    if !nix::unistd::geteuid().is_root() {
        return Err(Error::NotRoot { doing: "using LVM" });
    }
    Ok(Invocation::new("lvm", "lvm2")?.arg(verb))
}

/// Begins a command of LVM's that changes metadata.
fn writing(verb: &str) -> Result<Invocation> {
    Ok(reading(verb)?.args(["--config", NO_ARCHIVE]).changing())
}

/// Begins a command of LVM's that changes metadata and says itself that nothing is to be archived.
fn changing(words: &[String]) -> Result<Invocation> {
    let (verb, rest) = words.split_first().expect("a command has a name");
    Ok(reading(verb)?.args(rest).changing())
}
