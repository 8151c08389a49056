//! Disks and pools of a test's own, for real LVM.

use std::fs::{self, File};
use std::io::{Read, Seek, SeekFrom, Write};
use std::ops::Deref;
use std::os::unix::fs::MetadataExt;
use std::path::PathBuf;
use std::process::Command;
use std::sync::atomic::{AtomicU32, Ordering};

use crate::scene::{Say, Scene};

/// A blank loop device over a sparse file, detached when the test ends.
pub(crate) struct Disk {
    pub(crate) device: PathBuf,
    file: tempfile::NamedTempFile,
}

impl Disk {
    pub(crate) fn new(mib: u64) -> Self {
        let file = tempfile::NamedTempFile::new().unwrap();
        file.as_file().set_len(mib << 20).unwrap();
        let device = run("losetup", &["--find", "--show", file.path().to_str().unwrap()]);
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

    pub(crate) fn is_blank_at_both_ends(&self) -> bool {
        let mut device = File::open(&self.device).unwrap();
        let mut ends = vec![0; 4 << 20];
        device.read_exact(&mut ends).unwrap();
        let mut tail = vec![0; 1 << 20];
        device.seek(SeekFrom::End(-(1 << 20))).unwrap();
        device.read_exact(&mut tail).unwrap();
        ends.extend(tail);
        ends.iter().all(|&byte| byte == 0)
    }
}

impl Drop for Disk {
    fn drop(&mut self) {
        // It goes with the machine if it cannot be detached.
        let _ = Command::new("losetup").arg("--detach").arg(&self.device).status();
    }
}

/// A scene with a pool on a disk of its own.
pub(crate) struct Pool {
    pub(crate) scene: Scene,
    pub(crate) name: String,
    pub(crate) vg: String,
    pub(crate) disk: Disk,
}

impl Pool {
    pub(crate) fn new(mib: u64) -> Self {
        Self::of(mib, &[], Scene::with_pool_named)
    }

    /// One that promises that of its new volumes.
    pub(crate) fn that_cleans(mib: u64, clean: &str) -> Self {
        Self::of(mib, &[&format!("--clean={clean}")], Scene::with_pool_named)
    }

    /// One whose children have watchdogs.
    pub(crate) fn with_watchdogs(mib: u64) -> Self {
        Self::of(mib, &[], |name| Scene::with_pool_named(name).with_watchdogs())
    }

    fn of(mib: u64, options: &[&str], scene: impl FnOnce(&str) -> Scene) -> Self {
        static COUNT: AtomicU32 = AtomicU32::new(0);
        let count = COUNT.fetch_add(1, Ordering::Relaxed);
        let name = format!("p{}x{count}", std::process::id());
        let vg = format!("kerneldev-{name}-vg");
        let pool = Self {
            scene: scene(&name),
            disk: Disk::new(mib),
            name,
            vg,
        };
        let device = format!("--device={}", pool.disk.name());
        let name = format!("--pool={}", pool.name);
        pool.kdev(&[&["pool", "setup", &device, &name], options].concat())
            .good();
        pool
    }

    /// The names of all LVs in the VG.
    pub(crate) fn lvs(&self) -> Vec<String> {
        let lvs = run("lvs", &["--noheadings", "-o", "lv_name", &self.vg]);
        lvs.lines().map(|line| line.trim().to_owned()).collect()
    }

    /// No LV, no record, no lease.
    pub(crate) fn assert_no_trace(&self) {
        assert_eq!(self.lvs(), Vec::<String>::new());
        self.scene.assert_no_trace();
    }

    pub(crate) fn forget_the_records(&self) {
        fs::remove_file(self.scene.state_dir().join("lv-state.json")).unwrap();
    }
}

impl Deref for Pool {
    type Target = Scene;

    fn deref(&self) -> &Scene {
        &self.scene
    }
}

impl Drop for Pool {
    fn drop(&mut self) {
        // Whatever a failed test left, so that the disk can be detached. This VG is the test's own.
        let _ = Command::new("vgremove")
            .args(["--force", "--force", "--yes", &self.vg])
            .output();
    }
}

/// Runs a program that must succeed, and returns its output.
pub(crate) fn run(program: &str, args: &[impl AsRef<std::ffi::OsStr>]) -> String {
    Command::new(program).args(args).good()
}
