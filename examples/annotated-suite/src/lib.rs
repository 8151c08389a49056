//! What the tests of this suite share: programs that must succeed, and stamps by which a test knows its own
//! volumes again. Nothing here needs root: an ordinary user can run it, see `kdev setup-sudo`.

use std::fs::{File, OpenOptions};
use std::io::{self, Seek, SeekFrom, Write};
use std::os::unix::fs::{FileExt, OpenOptionsExt};
use std::path::Path;
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

/// Direct I/O is in whole blocks, and from and to memory that begins where a block could.
const BLOCK: usize = 4096;

#[repr(align(4096))]
struct Block([u8; BLOCK]);

/// `O_DIRECT` of open(2), where it has the number that most architectures give it.
const O_DIRECT: i32 = 0o40000;

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
        let device = OpenOptions::new()
            .read(true)
            .custom_flags(O_DIRECT)
            .open(self.volume.path())
            .expect("our own volume");
        let mut block = Block([0; BLOCK]);
        for at in offsets(self.volume) {
            device
                .read_exact_at(&mut block.0, at)
                .expect("a device that can be read");
            let found = &block.0[..name.len()];
            assert_eq!(
                String::from_utf8_lossy(found),
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
