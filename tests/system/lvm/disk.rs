//! Pools of a test's own, for real LVM.

use std::fs;
use std::ops::Deref;
use std::process::Command;
use std::sync::atomic::{AtomicU32, Ordering};

use serde_json::Value;

pub(crate) use crate::disk::{Disk, run};
use crate::scene::{Say, Scene};

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

    /// One that gives out more than it has.
    pub(crate) fn thin(mib: u64, overcommit: u32) -> Self {
        let overcommit = format!("--overcommit={overcommit}");
        Self::of(mib, &["--thin", &overcommit], Scene::with_pool_named)
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

    /// The names of all LVs in the VG, but for those that a thin pool is made of.
    pub(crate) fn lvs(&self) -> Vec<String> {
        let lvs = run("lvs", &["--noheadings", "-o", "lv_name", &self.vg]);
        let names = lvs.lines().map(|line| line.trim().to_owned());
        names
            .filter(|name| !["kdev-thin", "kdev-keeper"].contains(&name.as_str()))
            .collect()
    }

    pub(crate) fn teardown(&self) -> Command {
        self.kdev(&["pool", "teardown", &format!("--pool={}", self.name)])
    }

    /// What `kdev pool status --json` says of how full the thin pool is.
    pub(crate) fn fullness(&self) -> Value {
        self.status()["pools"][0]["thin"].clone()
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
