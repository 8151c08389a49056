//! Which programs are run: a user's own by the user's `PATH`, all others from where root alone can put one.

use std::fs::{self, Permissions};
use std::os::unix::fs::PermissionsExt;
use std::path::PathBuf;

use crate::disk::Disk;
use crate::scene::{AS_UNDER_NEXTEST, Say, Scene};

/// A directory of programs that write down that they were run, and their `PATH`.
struct Programs {
    dir: PathBuf,
}

impl Programs {
    fn new(scene: &Scene, names: &[&str]) -> Self {
        let dir = scene.path("built");
        fs::create_dir(&dir).unwrap();
        for name in names {
            let path = dir.join(name);
            let script = format!(
                "#!/bin/sh\nprintf '{name} %s' \"$PATH\" >{}\n",
                dir.join("ran").display()
            );
            fs::write(&path, script).unwrap();
            fs::set_permissions(&path, Permissions::from_mode(0o755)).unwrap();
        }
        Self { dir }
    }

    fn path(&self) -> String {
        format!("{}:/usr/bin:/bin", self.dir.display())
    }

    fn run(&self) -> Option<String> {
        fs::read_to_string(self.dir.join("ran")).ok()
    }
}

#[test]
fn mkfs_is_found_by_path_first() {
    for sudo in [None, Some("65534")] {
        let scene = Scene::images();
        let built = Programs::new(&scene, &["mkfs.kdev-built"]);
        let mut child = scene.child("passes_with_a_filesystem_that_was_just_built");
        child
            .envs(sudo.map(|uid| ("SUDO_UID", uid)))
            .env("PATH", built.path())
            .good();
        let run = built.run().expect("it was run");
        let start = format!("mkfs.kdev-built {}:", built.path());
        assert!(run.starts_with(&start) && run.contains(":/usr/sbin"), "{run}");
        scene.assert_no_trace();
    }
}

#[test]
fn mkfs_is_not_found_by_a_path_that_does_not_count() {
    let scene = Scene::images();
    let built = Programs::new(&scene, &["mkfs.kdev-built"]);
    let child = || {
        let mut child = scene.child("passes_with_a_filesystem_that_was_just_built");
        child.current_dir(scene.path(""));
        child
    };
    for (said, searched) in [
        (
            child().env("PATH", "built:/usr/bin").say(),
            "it is not in PATH, nor in /usr/local/sbin:",
        ),
        (
            child().env_remove("PATH").say(),
            "it is not in PATH, nor in /usr/local/sbin:",
        ),
    ] {
        assert_eq!(said.code, Some(101), "{}", said.out);
        let is_said = said.err.contains("cannot run `mkfs.kdev-built`") && said.err.contains(searched);
        assert!(is_said, "{searched}: {}", said.err);
        assert_eq!(built.run(), None);
    }
    scene.assert_no_trace();
}

#[test]
fn programs_that_change_shared_state_are_not_found_by_path() {
    let (scene, disk) = (Scene::embedded(), Disk::new(64));
    let fakes = Programs::new(
        &scene,
        &[
            "lvm", "dmsetup", "modprobe", "wipefs", "blkid", "udevadm", "mount",
        ],
    );
    let device = format!("--device={}", disk.name());
    let mut setup = scene.kdev(&["pool", "setup", "--dry-run", &device]);
    setup.env("PATH", fakes.path()).good();
    scene
        .child("mounts_and_unmounts")
        .env("PATH", fakes.path())
        .good();
    assert_eq!(fakes.run(), None);
    scene.assert_no_trace();
}

/// On Debian a user's `PATH` has none of the directories in which mkfs and fsck are.
#[test]
fn a_test_runs_programs_of_root_by_their_names() {
    let scene = Scene::images();
    for is_under_nextest in [true, false] {
        for path in [Some("/usr/bin:/bin"), None] {
            let mut child = scene.child("runs_mkfs_by_its_name");
            if !is_under_nextest {
                child.env_remove(AS_UNDER_NEXTEST.0);
            }
            match path {
                Some(path) => child.env("PATH", path),
                None => child.env_remove("PATH"),
            };
            child.good();
            scene.assert_no_trace();
        }
    }
}
