//! Disks of a test's own.

use std::fs::{self, File};
use std::io::{Read, Seek, SeekFrom, Write};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::scene::{Say, wait_until};

/// A blank loop device over a sparse file, detached when the test ends.
pub(crate) struct Disk {
    pub(crate) device: PathBuf,
    file: tempfile::NamedTempFile,
}

impl Disk {
    pub(crate) fn new(mib: u64) -> Self {
        Self::with(mib, &[])
    }

    /// With options for losetup.
    pub(crate) fn with(mib: u64, options: &[&str]) -> Self {
        let file = tempfile::NamedTempFile::new().unwrap();
        file.as_file().set_len(mib << 20).unwrap();
        let mut args = vec!["--find", "--show"];
        args.extend(options);
        args.push(file.path().to_str().unwrap());
        let device = run("losetup", &args);
        Self {
            device: device.trim().into(),
            file,
        }
    }

    pub(crate) fn name(&self) -> &str {
        self.device.to_str().unwrap()
    }

    /// All that is on it.
    pub(crate) fn content(&self) -> Vec<u8> {
        run("blockdev", &["--flushbufs", self.name()]);
        fs::read(&self.device).unwrap()
    }

    /// How many bytes of the file behind it take room.
    pub(crate) fn allocated(&self) -> u64 {
        run("blockdev", &["--flushbufs", self.name()]);
        self.file.as_file().sync_all().unwrap();
        self.file.as_file().metadata().unwrap().blocks() * 512
    }

    pub(crate) fn write_at(&self, at: SeekFrom, bytes: &[u8]) {
        let mut device = File::options().write(true).open(&self.device).unwrap();
        device.seek(at).unwrap();
        device.write_all(bytes).unwrap();
        device.sync_all().unwrap();
    }

    pub(crate) fn is_all_zeros(&self) -> bool {
        let content = self.content();
        content == vec![0; content.len()]
    }

    /// Makes it what it was, and lets the kernel know of its partitions.
    pub(crate) fn write_all(&self, content: &[u8]) {
        self.write_at(SeekFrom::Start(0), content);
        // A loop device without partitions refuses, and has none.
        let _ = Command::new("blockdev")
            .args(["--rereadpt", self.name()])
            .output();
    }

    /// An MBR with one Linux partition, from 1 MiB to the end.
    pub(crate) fn partition(&self, mib: u32) {
        let mut entry = [0; 16];
        entry[4] = 0x83;
        entry[8..12].copy_from_slice(&2048_u32.to_le_bytes());
        entry[12..16].copy_from_slice(&((mib - 1) * 2048).to_le_bytes());
        self.write_at(SeekFrom::Start(446), &entry);
        self.write_at(SeekFrom::Start(510), &[0x55, 0xAA]);
    }

    /// Has the kernel know the partition of [`partition`](Self::partition), and returns its path.
    pub(crate) fn partition_path(&self, mib: u32) -> String {
        run("blockdev", &["--rereadpt", self.name()]);
        let number = self.name().trim_start_matches("/dev/");
        // Not every kernel reads such tables itself.
        if !Path::new(&format!("/sys/block/{number}/{number}p1")).exists() {
            run(
                "addpart",
                &[self.name(), "1", "2048", &((mib - 1) * 2048).to_string()],
            );
        }
        let path = format!("{}p1", self.name());
        wait_until("the partition is there", || Path::new(&path).exists());
        path
    }

    pub(crate) fn is_blank_at_both_ends(&self) -> bool {
        let mut device = File::open(&self.device).unwrap();
        let mut ends = vec![0; 4 << 20];
        device.read_exact(&mut ends).unwrap();
        let mut tail = vec![0; 1 << 20];
        device.seek(SeekFrom::End(-(1 << 20))).unwrap();
        device.read_exact(&mut tail).unwrap();
        ends.extend(tail);
        ends == vec![0; ends.len()]
    }
}

impl Drop for Disk {
    fn drop(&mut self) {
        // With partitions that it was told of, since the next disk under its number has none.
        let name = self.device.file_name().unwrap().to_string_lossy().into_owned();
        if is_over(&self.device, self.file.path()) {
            for entry in fs::read_dir(format!("/sys/block/{name}"))
                .into_iter()
                .flatten()
                .flatten()
            {
                let partition = entry.file_name().to_string_lossy().into_owned();
                if let Some(number) = partition.strip_prefix(&format!("{name}p")) {
                    let _ = Command::new("delpart").arg(&self.device).arg(number).status();
                }
            }
        }
        detach(&self.device, self.file.path());
    }
}

/// Detaches a loop device, if it is still over that file: under its number there may be another's by now. It
/// goes with the machine if it cannot be detached.
pub(crate) fn detach(device: &Path, file: &Path) {
    if is_over(device, file) {
        let _ = Command::new("losetup").arg("--detach").arg(device).status();
    }
}

fn is_over(device: &Path, file: &Path) -> bool {
    let name = device.file_name().unwrap().to_string_lossy();
    let over = fs::read_to_string(format!("/sys/block/{name}/loop/backing_file")).unwrap_or_default();
    Path::new(over.trim_end().trim_end_matches(" (deleted)")) == file
}

/// Runs a program that must succeed, and returns its output.
pub(crate) fn run(program: &str, args: &[impl AsRef<std::ffi::OsStr>]) -> String {
    Command::new(program).args(args).good()
}
