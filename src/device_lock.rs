//! The lock on a block device's node by which udev and programs that change the device exclude each other
//! (systemd, "Locking Block Device Access").
//!
//! A udev worker holds a shared lock on the node of the whole disk from before it opens the disk or a partition of it
//! until its rules and their programs have ended. So an exclusive lock waits for the worker, and while it is held udev
//! postpones other events of that disk. udev does not lock devices of device-mapper and MD. In a container `/dev` may have
//! other nodes than udev locks: there the lock is free at once, and excludes nothing.

use std::collections::BTreeSet;
use std::fs::File;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::thread;
use std::time::{Duration, Instant};

use crate::holders::Opener;
use crate::lock;
use crate::mounts::text_of;

/// How long udev is waited for. On a loaded machine one event takes seconds; udev itself kills a worker after 180 s.
const PATIENCE: Duration = Duration::from_secs(30);

/// After how long a message says what is waited for.
const REPORTED_AFTER: Duration = Duration::from_secs(5);

/// The pauses between two looks grow up to this.
const LONGEST_PAUSE: Duration = Duration::from_millis(50);

/// A wait for udev, with one deadline for all devices and attempts of one operation.
#[derive(Debug)]
pub(crate) struct UdevWait {
    begun: Instant,
    is_reported: bool,
}

impl UdevWait {
    pub(crate) fn new() -> Self {
        Self {
            begun: Instant::now(),
            is_reported: false,
        }
    }

    /// Locks an open device exclusively, until it is closed.
    ///
    /// If the lock is not free before the deadline, or cannot be had at all, the caller goes on without it: what it
    /// does then fails, or succeeds, as it does where udev takes no locks.
    pub(crate) fn lock(&mut self, device: &File, path: &Path) {
        self.wait_while("to lock", path, device, || {
            lock::try_lock(device).is_ok_and(|is_locked| !is_locked)
        });
    }

    /// Waits while a udev worker has a device open, for those devices that udev does not lock.
    pub(crate) fn until_not_open(&mut self, device: &File, path: &Path) {
        let numbers = device.metadata().map(|meta| BTreeSet::from([meta.rdev()]));
        let numbers = numbers.unwrap_or_default();
        self.wait_while("for udev to close", path, device, || {
            Opener::of(&numbers).iter().any(Opener::is_udev)
        });
    }

    fn wait_while(&mut self, what: &str, path: &Path, device: &File, mut is_held: impl FnMut() -> bool) {
        let mut pause = Duration::from_millis(1);
        while is_held() {
            let waited = self.begun.elapsed();
            if waited >= PATIENCE {
                return;
            }
            if waited >= REPORTED_AFTER && !self.is_reported {
                self.is_reported = true;
                eprintln!("{}", report(what, path, &openers(device)));
            }
            thread::sleep(pause);
            pause = (pause * 2).min(LONGEST_PAUSE);
        }
    }
}

/// Opens the whole disk of a device and locks it, until the file is closed. `None` if it cannot be opened.
pub(crate) fn lock_disk_of(device: &Path, number: u64) -> Option<File> {
    let path = whole_disk(device, number);
    // For reading only: udev looks at each device anew that is closed after it was open for writing.
    let disk = File::open(&path).ok()?;
    UdevWait::new().lock(&disk, &path);
    Some(disk)
}

/// Returns the path of the disk that a partition is on; any other device is its own disk.
fn whole_disk(device: &Path, number: u64) -> PathBuf {
    let directory = Path::new("/sys/dev/block").join(text_of(number));
    let is_partition = directory.join("partition").exists();
    let parent = is_partition.then(|| directory.canonicalize().ok()).flatten();
    let name = parent.as_deref().and_then(Path::parent).and_then(Path::file_name);
    // sysfs writes `!` for a slash in a name.
    name.map_or_else(
        || device.to_owned(),
        |name| Path::new("/dev").join(name.to_string_lossy().replace('!', "/")),
    )
}

fn openers(device: &File) -> Vec<String> {
    let meta = device.metadata().ok();
    let numbers = meta.map(|meta| BTreeSet::from([meta.rdev()])).unwrap_or_default();
    Opener::of(&numbers).iter().map(Opener::to_string).collect()
}

fn report(what: &str, device: &Path, openers: &[String]) -> String {
    let seconds = PATIENCE.as_secs();
    let device = device.display();
    match openers {
        [] => {
            format!("kdev: waiting up to {seconds} s {what} {device}; no process that has it open is visible")
        }
        _ => format!(
            "kdev: waiting up to {seconds} s {what} {device}, which is open in {}",
            openers.join(", ")
        ),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_lock_waits_for_the_other_holder() {
        let file = tempfile::NamedTempFile::new().unwrap();
        let (worker, own) = (file.reopen().unwrap(), file.reopen().unwrap());
        assert!(lock::try_lock(&worker).unwrap());
        let waiter = thread::spawn(move || {
            UdevWait::new().lock(&own, Path::new("/dev/none"));
            own
        });
        assert!(!waiter.is_finished());
        drop(worker);
        let own = waiter.join().unwrap();
        let other = file.reopen().unwrap();
        assert!(!lock::try_lock(&other).unwrap(), "it is held now");
        drop(own);
        assert!(lock::try_lock(&other).unwrap());
    }

    #[test]
    fn an_expired_wait_goes_on_without_the_lock() {
        let file = tempfile::NamedTempFile::new().unwrap();
        let (worker, own) = (file.reopen().unwrap(), file.reopen().unwrap());
        assert!(lock::try_lock(&worker).unwrap());
        let mut wait = UdevWait::new();
        wait.begun = Instant::now().checked_sub(PATIENCE).unwrap();
        wait.lock(&own, Path::new("/dev/none"));
        assert!(!lock::try_lock(&own).unwrap());
    }

    #[test]
    fn the_report_names_the_processes() {
        let openers = ["(udev-worker) (pid 7)".to_owned()];
        assert_eq!(
            report("to lock", Path::new("/dev/loop0"), &openers),
            "kdev: waiting up to 30 s to lock /dev/loop0, which is open in (udev-worker) (pid 7)"
        );
    }
}
