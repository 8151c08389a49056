//! What the tests of this suite share: programs that must succeed, mounts that end with the test, and
//! stamps by which a test knows its own volumes again.

use std::fs::{File, OpenOptions};
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::thread;

use kdev_volumes::Volume;

/// Runs a program, and panics with all that it said if it fails.
pub fn run(program: &str, args: &[&str]) {
    let output = Command::new(program)
        .args(args)
        .output()
        .unwrap_or_else(|err| panic!("{program}: {err}"));
    assert!(
        output.status.success(),
        "{program} {args:?}: {}\n{}{}",
        output.status,
        String::from_utf8_lossy(&output.stdout),
        String::from_utf8_lossy(&output.stderr)
    );
}

/// A file system that is mounted until this value is dropped.
#[derive(Debug)]
pub struct Mounted {
    point: tempfile::TempDir,
}

impl Mounted {
    /// Mounts a device on a new directory.
    pub fn new(device: impl AsRef<Path>) -> Self {
        let point = tempfile::tempdir().expect("a directory to mount on");
        run("mount", &[text(device.as_ref()), text(point.path())]);
        Self { point }
    }

    /// Returns the path of a file in it.
    pub fn file(&self, name: &str) -> PathBuf {
        self.point.path().join(name)
    }
}

impl Drop for Mounted {
    fn drop(&mut self) {
        let unmounted = Command::new("umount").arg(self.point.path()).status();
        if !unmounted.is_ok_and(|status| status.success()) {
            eprintln!("could not unmount {}", self.point.path().display());
        }
    }
}

/// Returns a path as text; all paths here are.
pub fn text(path: &Path) -> &str {
    path.to_str().expect("a path of plain characters")
}

/// Writes a text to a file and forces it to the disk.
///
/// # Errors
///
/// What the file system said.
pub fn write_and_sync(path: &Path, content: &str) -> io::Result<()> {
    let mut file = File::create(path)?;
    file.write_all(content.as_bytes())?;
    file.sync_all()
}

/// The distance between two copies of a stamp.
const STRIDE: u64 = 1 << 20;

/// A volume that has its own unique name written all over it.
#[derive(Debug)]
pub struct Stamped<'a> {
    volume: &'a Volume,
}

impl<'a> Stamped<'a> {
    /// Writes the volume's name to each MiB of it, and tells the demo who has which device.
    pub fn new(volume: &'a Volume) -> Self {
        tell(volume);
        let mut device = volume.open().expect("our own volume");
        for at in offsets(volume) {
            device
                .seek(SeekFrom::Start(at))
                .expect("an offset within the volume");
            device
                .write_all(volume.lv_name().as_bytes())
                .expect("room for a stamp");
        }
        device.sync_all().expect("a device that takes writes");
        Self { volume }
    }

    /// Finds the name again everywhere, past the page cache of this and any other opening of the device.
    pub fn check(&self) {
        let name = self.volume.lv_name();
        run("blockdev", &["--flushbufs", text(self.volume.path())]);
        let mut device = self.volume.open().expect("our own volume");
        for at in offsets(self.volume) {
            let mut found = vec![0; name.len()];
            device
                .seek(SeekFrom::Start(at))
                .expect("an offset within the volume");
            device.read_exact(&mut found).expect("a device that can be read");
            assert_eq!(
                String::from_utf8_lossy(&found),
                name,
                "someone else wrote to {name} at {at}"
            );
        }
    }
}

fn offsets(volume: &Volume) -> impl Iterator<Item = u64> + use<> {
    let size = volume.size().get();
    (0..size / STRIDE).map(|mib| mib * STRIDE)
}

/// The variable that names the file into which tests write which device they have.
pub const REPORT_VARIABLE: &str = "ANNOTATED_SUITE_REPORT";

/// Adds a line to the report, if one is wanted: test, volume, LV, device, size.
pub fn tell(volume: &Volume) {
    let Some(report) = std::env::var_os(REPORT_VARIABLE) else {
        return;
    };
    let test = thread::current().name().unwrap_or("?").to_owned();
    let device = volume.path().display();
    let line = format!(
        "{test}\t{}\t{}\t{device}\t{}\n",
        volume.name(),
        volume.lv_name(),
        volume.size()
    );
    let mut file = OpenOptions::new()
        .create(true)
        .append(true)
        .open(report)
        .expect("the report can be opened");
    // One write, so that the lines of tests that run at once do not mix.
    file.write_all(line.as_bytes())
        .expect("the report can be written");
}
