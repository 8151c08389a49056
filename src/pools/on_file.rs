//! A pool of a file, for those without a spare disk.

use std::fs::{self, File, Metadata, OpenOptions};
use std::io::{self, ErrorKind};
use std::os::unix::fs::{MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::thread;
use std::time::Duration;

use kdev_volumes_spec::Bytes;
use nix::libc;

use crate::blank;
use crate::error::{Error, Result};
use crate::fault;
use crate::holders::holders;
use crate::loops;
use crate::lvm::{self, Promise};
use crate::pools::finish;
use crate::pools::intent;
use crate::pools_file::{Locked, PoolEntry};

/// Finds where a file will be that need not exist yet: its directory, without links, and its name.
pub(super) fn absolute(path: &Path) -> Result<PathBuf> {
    let absolute = std::path::absolute(path).map_err(|err| Error::io("find", path, err))?;
    match (absolute.parent(), absolute.file_name()) {
        (Some(directory), Some(name)) => {
            let directory =
                fs::canonicalize(directory).map_err(|err| Error::io("find the directory", directory, err))?;
            Ok(directory.join(name))
        }
        _ => Err(refused(
            path,
            vec!["it is not the name of a file (choose another)".to_owned()],
        )),
    }
}

fn refused(path: &Path, findings: Vec<String>) -> Error {
    Error::Refused {
        device: path.to_owned(),
        findings,
    }
}

/// Makes sure that a pool can be made of a new file of that name and size.
pub(super) fn check(path: &Path, size: Bytes) -> Result<()> {
    let mut findings = Vec::new();
    if fs::symlink_metadata(path).is_ok() {
        findings.push(
            "it exists already (choose another name, or remove it if nothing in it is needed)".to_owned(),
        );
    }
    if path.starts_with("/dev") {
        findings.push("it would be among the devices (choose another directory)".to_owned());
    }
    // With a pool's name it is a line of JSON, and of the kernel's.
    if path.to_str().is_none_or(|path| path.contains(char::is_control)) {
        findings.push("its path is not text of one line (choose another)".to_owned());
    }
    if size < blank::LEAST {
        findings.push(format!(
            "{size} are too few, a pool needs at least {} (choose a larger size)",
            blank::LEAST
        ));
    }
    if size.get() % 4096 != 0 {
        findings.push(format!(
            "{size} are no whole number of 4 KiB (choose such a size)"
        ));
    }
    match findings.is_empty() {
        true => Ok(()),
        false => Err(refused(path, findings)),
    }
}

/// Makes the file and the pool. If anything fails, both are gone.
pub(super) fn set_up(
    pools: &Locked,
    entry: &PoolEntry,
    path: &Path,
    size: Bytes,
    promise: Promise,
) -> Result<()> {
    intent::will_make_file(pools, entry, size)?;
    let mut is_ours = false;
    let made = make_file(path, size, &mut is_ours).and_then(|()| {
        let device = attach(path, &entry.pool_name)?;
        lvm::make_group(&entry.lvm_config.vg_name, &device, promise, &|| pools.shared())?;
        intent::put_in(pools, entry)
    });
    if made.is_ok() {
        intent::done_or_said(pools);
        return Ok(());
    }
    let undone = match is_ours {
        true => undo(pools, entry, path).and_then(|()| intent::done(pools)),
        // Somebody else has made it meanwhile.
        false => intent::done(pools),
    };
    say_what_is_not_undone(path, undone);
    made
}

/// Undoes a setup that has failed as somebody finished it, and says so if it cannot.
pub(super) fn undo_or_say(pools: &Locked, entry: &PoolEntry, path: &Path) {
    let undone = undo(pools, entry, path).and_then(|()| intent::done(pools));
    say_what_is_not_undone(path, undone);
}

fn say_what_is_not_undone(path: &Path, undone: Result<()>) {
    if let Err(err) = undone {
        eprintln!(
            "kdev: while undoing the setup of {}: {} (`kdev pool cleanup` tries again)",
            path.display(),
            err.chain()
        );
    }
}

fn undo(pools: &Locked, entry: &PoolEntry, path: &Path) -> Result<()> {
    for over in loops::over_file(path) {
        finish::unmake(pools, entry, &over.path)?;
    }
    remove(path)
}

fn make_file(path: &Path, size: Bytes, is_ours: &mut bool) -> Result<()> {
    let failed = |err| Error::io("make", path, err);
    let file = OpenOptions::new()
        .read(true)
        .write(true)
        .create_new(true)
        .mode(0o600)
        .open(path)
        .map_err(failed)?;
    *is_ours = true;
    fault::step("file made").map_err(failed)?;
    file.set_len(size.get()).map_err(failed)?;
    file.sync_all().map_err(failed)?;
    fault::step("file has its size").map_err(failed)
}

/// Opens a pool's file, if nobody but root can have written to it.
fn open(path: &Path) -> Result<File> {
    let failed = |err| Error::io("open", path, err);
    let file = OpenOptions::new()
        .read(true)
        .write(true)
        .custom_flags(libc::O_NOFOLLOW | libc::O_NONBLOCK)
        .open(path)
        .map_err(failed)?;
    match is_private(&file.metadata().map_err(failed)?) {
        true => Ok(file),
        false => Err(Error::NotOurs {
            what: format!("`{}`", path.display()),
            why: "a pool's file is a regular one that only root can read and write (`chown root` and `chmod 600` it, if you know that nobody else has written to it)".to_owned(),
        }),
    }
}

fn is_private(found: &Metadata) -> bool {
    found.is_file() && found.uid() == nix::unistd::geteuid().as_raw() && found.mode() & 0o077 == 0
}

/// Attaches a pool's file to a loop device, which stays; to none other if it has one already.
///
/// To be called under the pools' lock: twice attached, it would be two PVs of one UUID.
pub(super) fn attach(path: &Path, pool: &str) -> Result<PathBuf> {
    if let Some(attached) = attached(path)? {
        // Whoever has attached it may have died before LVM was told.
        lvm::announce(&attached)?;
        return Ok(attached);
    }
    if !nix::unistd::geteuid().is_root() {
        return Err(Error::NotRoot {
            doing: "attaching a pool's file to a loop device",
        });
    }
    let device = loops::attach_file(&open(path)?, &format!("kdev pool {pool}"))?;
    fault::step("pool's file attached").map_err(|err| Error::io("attach", path, err))?;
    lvm::announce(&device)?;
    Ok(device)
}

/// Finds the loop device that a pool's file is attached to. One that is being detached, and that another process still has
/// open, is waited for: udev by its lock, any other for four seconds.
fn attached(path: &Path) -> Result<Option<PathBuf>> {
    for pause in [0, 1, 10, 50, 200, 500, 1000, 2000] {
        thread::sleep(Duration::from_millis(pause));
        match loops::over_file(path).into_iter().next() {
            None => return Ok(None),
            Some(over) if over.is_autoclear => loops::wait_for_udev(&over.path),
            Some(over) => return Ok(Some(over.path)),
        }
    }
    let busy = io::Error::other("its loop device is being detached, and somebody has it open still");
    Err(Error::io("attach", path, busy))
}

/// Tells whether a file is what an interrupted setup has left: of that size, with nothing in it or our PV.
pub(super) fn is_unfinished(path: &Path, size: Bytes) -> Result<bool> {
    // What is not as we make it, somebody else has made meanwhile.
    if !fs::symlink_metadata(path).is_ok_and(|found| is_private(&found)) {
        return Ok(false);
    }
    let mut file = open(path)?;
    let failed = |err| Error::io("look at", path, err);
    let length = file.metadata().map_err(failed)?.len();
    // Its size comes after its name.
    if length == 0 || (length == size.get() && blank::is_untouched(&mut file).map_err(failed)?) {
        return Ok(true);
    }
    Ok(length == size.get() && blank::has_label(&mut file).map_err(failed)?)
}

/// Detaches a pool's file and removes it, with all that is in it.
pub(super) fn remove(path: &Path) -> Result<()> {
    detach(path)?;
    match fs::remove_file(path) {
        Err(err) if err.kind() != ErrorKind::NotFound => Err(Error::io("remove", path, err)),
        _ => {
            fault::point("pool's file removed");
            Ok(())
        }
    }
}

/// Detaches a pool's file.
pub(super) fn detach(path: &Path) -> Result<()> {
    match loops::detach_file(path)? {
        true => Ok(()),
        false => Err(Error::Busy {
            volumes: vec![format!("`{}`: {}", path.display(), holders(path).join(", "))],
        }),
    }
}
