//! A disk, and the commands that make a pool of it and a disk again.

use std::process::Command;

use crate::disk::{Disk, run};
use crate::scene::{Say, Scene};

pub(crate) struct Site {
    pub(crate) scene: Scene,
    pub(crate) disk: Disk,
    pub(crate) pool: String,
}

impl Site {
    pub(crate) fn new(disk: Disk) -> Self {
        let number = disk.name().trim_start_matches("/dev/");
        let pool = format!("s{}{number}", std::process::id());
        Self {
            scene: Scene::with_pool_named(&pool),
            disk,
            pool,
        }
    }

    pub(crate) fn vg(&self) -> String {
        format!("kerneldev-{}-vg", self.pool)
    }

    pub(crate) fn kdev(&self, args: &[&str]) -> Command {
        let mut command = self.scene.kdev(&["pool"]);
        command.args(args).arg(format!("--pool={}", self.pool));
        command
    }

    /// `kdev pool setup` with the disk's name and more arguments.
    pub(crate) fn setup(&self, more: &[&str]) -> Command {
        let mut command = self.kdev(&["setup"]);
        command.arg(format!("--device={}", self.disk.name())).args(more);
        command
    }

    /// Overwrites what is on the disk without asking.
    pub(crate) fn wipe(&self) -> Command {
        self.setup(&[&format!("--yes-wipe={}", self.disk.name())])
    }

    pub(crate) fn teardown(&self) -> Command {
        self.kdev(&["teardown"])
    }

    pub(crate) fn is_on_record(&self) -> bool {
        self.scene.kdev(&["pool", "list"]).good().contains(&self.pool)
    }

    /// Nothing but the state's own files, and none that tells of anything unfinished.
    pub(crate) fn assert_settled(&self, when: &str) {
        for file in ["device-pool.intent", "device-pool.saved"] {
            assert!(!self.scene.state_dir().join(file).exists(), "{file} {when}");
        }
        assert!(
            !self.has_vg() || self.is_on_record(),
            "a VG that is no pool {when}"
        );
    }

    pub(crate) fn has_vg(&self) -> bool {
        run("vgs", &["--noheadings", "-o", "vg_name"])
            .lines()
            .any(|line| line.trim() == self.vg())
    }

    /// It must be refused, whatever the consent, with nothing written. Returns what was said.
    pub(crate) fn refused(&self, more: &[&str]) -> String {
        let before = self.disk.content();
        let said = self.setup(more).say();
        assert_eq!((said.code, said.out.as_str()), (Some(1), ""), "{}", said.err);
        assert!(
            self.disk.content() == before,
            "the disk has changed: {}",
            said.err
        );
        let heading = format!("kdev: `{}` was refused and not written to:", self.disk.name());
        assert_eq!(said.err.lines().next(), Some(heading.as_str()), "{}", said.err);
        assert!(!self.is_on_record());
        assert!(!self.scene.state_dir().exists(), "not even a directory was made");
        said.err
    }

    /// So it must be, also with consent to wipe: that changes nothing.
    pub(crate) fn never(&self) -> String {
        let plain = self.refused(&[]);
        let consent = format!("--yes-wipe={}", self.disk.name());
        assert_eq!(self.refused(&[&consent]), plain);
        assert_eq!(self.refused(&["--wipe", "--dry-run"]), plain);
        plain
    }
}

impl Drop for Site {
    fn drop(&mut self) {
        // Whatever a failed test left, so that the disk can be detached. This VG is the test's own.
        if std::thread::panicking() {
            let _ = Command::new("vgremove")
                .args(["--force", "--force", "--yes", &self.vg()])
                .output();
        }
    }
}

/// The findings, one a line, must be just these.
pub(crate) fn assert_findings(said: &str, expected: &[&str]) {
    let lines: Vec<&str> = said.lines().skip(1).collect();
    assert_eq!(lines.len(), expected.len(), "{said}");
    for (line, expected) in lines.iter().zip(expected) {
        assert!(
            line.starts_with("  - ") && line.contains(expected),
            "{expected}: {said}"
        );
        assert!(
            line.ends_with(')') && line.contains('('),
            "it has a remedy: {line}"
        );
    }
}
