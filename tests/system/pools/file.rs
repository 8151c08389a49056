//! A pool on a file, for those without a spare disk.

use std::fs;
use std::os::unix::fs::{FileExt, MetadataExt};
use std::path::PathBuf;
use std::process::Command;

use crate::disk::{Disk, run};
use crate::matrix::{Matrix, assert_passed};
use crate::scene::{Say, Scene, wait_until};

struct Site {
    scene: Scene,
    file: PathBuf,
    pool: String,
}

impl Site {
    fn new(name: &str) -> Self {
        let pool = format!("f{}{name}", std::process::id());
        let scene = Scene::with_pool_named(&pool);
        // As the program finds it, which follows links.
        let file = fs::canonicalize(scene.path("")).unwrap().join("pool.img");
        Self { scene, file, pool }
    }

    fn kdev(&self, verb: &str) -> Command {
        let mut command = self.scene.kdev(&["pool", verb]);
        command.arg(format!("--pool={}", self.pool));
        command
    }

    fn setup(&self) -> Command {
        let mut command = self.kdev("setup");
        command.args(["--file", self.file.to_str().unwrap(), "--size=256M"]);
        command
    }

    /// The loop devices over the file.
    fn loops(&self) -> Vec<String> {
        let listed = run(
            "losetup",
            &[
                "--list",
                "--noheadings",
                "--output",
                "NAME",
                "--associated",
                self.file.to_str().unwrap(),
            ],
        );
        listed.lines().map(|line| line.trim().to_owned()).collect()
    }

    fn detach(&self) {
        for device in self.loops() {
            run("losetup", &["--detach", &device]);
        }
        // Somebody may look at it just now.
        wait_until("it is detached", || self.loops().is_empty());
    }

    fn is_on_record(&self) -> bool {
        self.scene.kdev(&["pool", "list"]).good().contains(&self.pool)
    }

    fn assert_gone(&self, when: &str) {
        assert!(!self.file.exists(), "{when}");
        assert_eq!(self.loops(), Vec::<String>::new(), "{when}");
        assert!(!self.is_on_record(), "{when}");
        assert!(
            !self.scene.state_dir().join("device-pool.intent").exists(),
            "{when}"
        );
    }
}

impl Drop for Site {
    fn drop(&mut self) {
        // Whatever a failed test left.
        for device in self.loops() {
            let _ = Command::new("losetup").args(["--detach", &device]).output();
        }
    }
}

#[test]
fn a_pool_on_a_file_is_private_sparse_and_comes_back_after_a_boot() {
    let site = Site::new("a");
    let said = site.setup().good();
    assert!(said.contains(&format!("on {}", site.file.display())), "{said}");
    let meta = fs::metadata(&site.file).unwrap();
    assert_eq!((meta.mode() & 0o7777, meta.len()), (0o600, 256 << 20));
    assert!(meta.blocks() * 512 < 64 << 20, "it is sparse");
    let [device] = site.loops().try_into().unwrap();
    let sys = |file: &str| {
        fs::read_to_string(format!(
            "/sys/block/{}/loop/{file}",
            device.trim_start_matches("/dev/")
        ))
        .unwrap()
    };
    assert_eq!(sys("autoclear").trim(), "0", "it stays when nobody has it open");
    let started = site.kdev("start").good();
    assert!(started.contains("was started already"), "{started}");

    // As a boot does.
    site.detach();
    let status = site.kdev("status").good();
    for said in [
        status,
        site.scene.child("passes").say().err,
        site.kdev("teardown").say().err,
    ] {
        assert!(
            said.contains(&format!("`kdev pool start --pool={}`", site.pool)),
            "{said}"
        );
        assert!(said.contains("is not attached to a loop device"), "{said}");
    }
    // A timer does not fail of it.
    let cleaned = site.scene.kdev(&["pool", "cleanup"]).say();
    let passed_over = format!("pool `{}` is not started and was passed over", site.pool);
    assert_eq!(cleaned.code, Some(0), "{}", cleaned.err);
    assert!(cleaned.err.contains(&passed_over), "{}", cleaned.err);
    assert_eq!(site.kdev("cleanup").say().code, Some(1));

    let started = site.kdev("start").good();
    assert!(started.contains("is started"), "{started}");
    assert_eq!(site.scene.kdev(&["pool", "start"]).good().lines().count(), 1);
    assert_eq!(site.loops().len(), 1, "only once");
    assert!(site.kdev("status").good().contains("free"));
    let said = site.kdev("teardown").good();
    assert!(said.contains("is removed"), "{said}");
    site.assert_gone("after a teardown");
}

/// LVM looks only where it has seen PVs, as long as all devices have the names that they had.
#[test]
fn a_pool_whose_file_takes_the_place_of_another_device_is_found() {
    let (site, other) = (Site::new("h"), Site::new("o"));
    other.setup().good();
    site.setup().good();
    site.detach();
    let blank = Disk::new(64);
    run("pvs", &[] as &[&str]);
    drop(blank);
    site.kdev("start").good();
    let status = site.kdev("status").good();
    assert!(
        status.contains("free") && !status.contains("cannot be looked at"),
        "{status}"
    );
    for site in [site, other] {
        site.kdev("teardown").good();
        site.assert_gone("after a teardown");
    }
}

#[test]
fn a_file_that_is_there_and_a_size_that_will_not_do_are_refused() {
    let site = Site::new("b");
    fs::write(&site.file, "somebody's").unwrap();
    let said = site.setup().say();
    assert_eq!(said.code, Some(1));
    assert!(
        said.err.contains("\n  - it exists already (choose another name"),
        "{}",
        said.err
    );
    assert_eq!(fs::read(&site.file).unwrap(), b"somebody's");
    fs::remove_file(&site.file).unwrap();
    let mut small = site.kdev("setup");
    let said = small.args(["--file", "/dev/pool.img", "--size=1000001"]).say();
    assert_eq!(
        said.err.lines().filter(|line| line.starts_with("  - ")).count(),
        3,
        "{}",
        said.err
    );
    let said = site.setup().arg("--dry-run").good();
    assert!(
        said.contains("make the sparse file, of 256M") && said.ends_with("nothing was written\n"),
        "{said}"
    );
    site.assert_gone("after refusals");
    assert!(!site.scene.state_dir().exists());
}

#[test]
fn a_file_that_is_not_the_pools_is_not_attached() {
    let site = Site::new("c");
    site.setup().good();
    site.detach();
    let aside = site.file.with_extension("aside");
    fs::rename(&site.file, &aside).unwrap();
    let imposter = fs::File::create(&site.file).unwrap();
    imposter.set_len(256 << 20).unwrap();
    let chmod = |mode: &str| run("chmod", &[mode, site.file.to_str().unwrap()]);
    chmod("644");
    let said = site.kdev("start").say();
    assert!(
        said.code == Some(1) && said.err.contains("only root can read and write"),
        "{}",
        said.err
    );
    chmod("600");
    let said = site.kdev("start").say();
    assert!(
        said.code == Some(1) && said.err.contains("does not hold the PV of VG"),
        "{}",
        said.err
    );
    assert_eq!(site.loops(), Vec::<String>::new());
    imposter.write_all_at(b"x", 0).unwrap();
    fs::rename(&aside, &site.file).unwrap();
    site.kdev("start").good();
    let said = site.kdev("teardown").arg("--zero").say();
    assert!(said.err.contains("leave out `--zero`"), "{}", said.err);
    site.kdev("teardown").good();
    site.assert_gone("after a teardown");
}

#[test]
fn a_setup_on_a_file_that_fails_anywhere_leaves_none() {
    let site = Site::new("d");
    let log = site.scene.path("steps");
    site.setup().env("KDEV_FAULT_STEPS", &log).good();
    site.kdev("teardown").good();
    let steps = fs::read_to_string(&log).unwrap();
    let steps: Vec<String> = steps.lines().map(str::to_owned).collect();
    for (number, step) in steps.iter().enumerate() {
        let said = site.setup().env("KDEV_FAULT_FAIL", number.to_string()).say();
        assert!(said.err.contains("a test had this fail"), "{step}: {}", said.err);
        if said.code == Some(0) {
            assert!(step.contains("removed"), "{step}: {}", said.err);
            site.kdev("teardown").good();
        }
        site.assert_gone(&format!("after failing at `{step}`"));
    }
    assert_passed(
        &steps,
        &[
            "file replaced",
            "file made",
            "file has its size",
            "pool's file attached",
            "done: lvm vgcreate",
            "file replaced",
        ],
    );
}

#[test]
fn a_pool_on_a_file_whose_setup_or_teardown_dies_anywhere_is_finished_by_the_next_command() {
    let site = Site::new("e");
    for (is_set_up, verb) in [(false, "setup"), (true, "teardown")] {
        let places = Matrix {
            scene: &site.scene,
            prepare: &|| {
                if is_set_up {
                    site.setup().good();
                }
            },
            command: &|| {
                if is_set_up {
                    site.kdev("teardown")
                } else {
                    site.setup()
                }
            },
            known: 0,
            check: &|place| {
                // A boot may be between, unless LVM is at work still.
                if place.starts_with("done: lvm") {
                    site.detach();
                }
                site.scene.kdev(&["pool", "cleanup"]).say();
                if site.is_on_record() {
                    site.kdev("start").good();
                    site.kdev("teardown").good();
                }
                site.assert_gone(&format!("{verb} after dying at `{place}`"));
            },
        }
        .run();
        let expected: &[&str] = match is_set_up {
            false => &[
                "file made",
                "pool's file attached",
                "begun: lvm vgcreate",
                "intent removed",
            ],
            true => &[
                "begun: lvm vgremove",
                "loop device detached",
                "pool's file removed",
                "intent removed",
            ],
        };
        assert_passed(&places, expected);
    }
}
