//! What the environment names is a test's own volume, or is refused.

use std::fs::File;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::disk::detach;
use crate::scene::{Say, Scene, wait_until};

/// A loop device that is nobody's volume.
struct Foreign {
    device: PathBuf,
    file: PathBuf,
}

impl Foreign {
    fn new(scene: &Scene) -> Self {
        let file = scene.path("somebodys-disk");
        File::create(&file).unwrap().set_len(16 << 20).unwrap();
        let mut losetup = Command::new("losetup");
        let device = losetup.args(["--find", "--show"]).arg(&file).good();
        Self {
            device: device.trim().into(),
            file,
        }
    }
}

impl Drop for Foreign {
    fn drop(&mut self) {
        detach(&self.device, &self.file);
    }
}

/// What a program says that is told of a device.
pub(crate) fn said_of(scene: &Scene, device: Option<&Path>, session: Option<&str>) -> String {
    let mut child = scene.child("says_what_it_is_told");
    // What the dead had stays there, to be asked about.
    child.env_remove("TEST_DEV").env("KDEV_REAPER", "off");
    if let Some(device) = device {
        child.env("TEST_DEV", device);
    }
    if let Some(session) = session {
        child.env("KDEV_SESSION", session);
    }
    let said = child.good();
    let mut lines = said.lines();
    let line = lines.find_map(|line| line.find("OURS ").or(line.find("REFUSED ")).map(|at| &line[at..]));
    line.unwrap_or_else(|| panic!("it said nothing of it: {said}"))
        .to_owned()
}

/// The device of the first volume on record, its name, and its session.
pub(crate) fn first_volume(scene: &Scene) -> (PathBuf, String, String) {
    let record = scene.records().remove(0);
    let name = record["lv_name"].as_str().unwrap().to_owned();
    let session = name.strip_prefix("kdev-").unwrap().rsplit_once('-').unwrap().0;
    (
        record["lv_path"].as_str().unwrap().into(),
        name.clone(),
        session.to_owned(),
    )
}

#[test]
fn a_test_and_the_programs_that_it_starts_are_told_of_its_own_volumes() {
    let scene = Scene::embedded();
    scene.child("tells_a_program").good();
    scene.child("reads_the_environment_and_gives_back").good();
    scene.assert_no_trace();
}

#[test]
fn only_the_sessions_own_device_is_taken() {
    let scene = Scene::embedded();
    let owner = scene.start("waits");
    let (device, name, session) = first_volume(&scene);
    let foreign = Foreign::new(&scene);
    let link = scene.path("link");
    symlink(&device, &link).unwrap();
    let foreign_link = scene.path("foreign-link");
    symlink(&foreign.device, &foreign_link).unwrap();
    let file = scene.path("file");
    File::create(&file).unwrap();

    let (device, link, session) = (device.as_path(), link.as_path(), session.as_str());
    for path in [device, link] {
        assert_eq!(
            said_of(&scene, Some(path), Some(session)),
            format!("OURS {} 16M {name}", path.display())
        );
    }
    let nowhere = scene.path("nowhere");
    let [foreign, foreign_link, file, nowhere] =
        [&foreign.device, &foreign_link, &file, &nowhere].map(PathBuf::as_path);
    let other = "20251115103045-a3f9d2";
    let is_none_of_ours = "which is no volume's name";
    for (path, told, why) in [
        (None, Some(session), "`TEST_DEV` is not set"),
        (Some(Path::new("")), Some(session), "`TEST_DEV` is not set"),
        (Some(nowhere), Some(session), "there is no such file"),
        (Some(file), Some(session), "it is no block device"),
        (
            Some(Path::new("/dev/null")),
            Some(session),
            "it is no block device",
        ),
        (Some(foreign), None, "`KDEV_SESSION` is not set"),
        (Some(foreign), Some(session), is_none_of_ours),
        (Some(foreign_link), Some(session), is_none_of_ours),
        (Some(device), None, "`KDEV_SESSION` is not set"),
        (Some(device), Some("mine"), "`KDEV_SESSION=mine` names no session"),
        (
            Some(device),
            Some(other),
            "and `KDEV_SESSION` says 20251115103045-a3f9d2",
        ),
    ] {
        let said = said_of(&scene, path, told);
        assert!(
            said.starts_with("REFUSED ") && said.contains(why),
            "{why}: {said}"
        );
        if let Some(path) = path.filter(|path| !path.as_os_str().is_empty()) {
            let names_it = format!("`TEST_DEV={}` is not used", path.display());
            assert!(said.contains(&names_it), "{said}");
        }
    }
    owner.kill();
    scene.kdev(&["pool", "cleanup"]).good();
}

#[test]
fn a_device_without_a_record_is_its_leases() {
    let scene = Scene::embedded();
    let owner = scene.start("waits");
    let (device, name, session) = first_volume(&scene);
    std::fs::remove_file(scene.state_dir().join("lv-state.json")).unwrap();
    assert_eq!(
        said_of(&scene, Some(&device), Some(&session)),
        format!("OURS {} 16M {name}", device.display())
    );
    // Nor may it be any other's that only looks so: in another state directory nothing tells of it.
    let elsewhere = Scene::embedded();
    let said = said_of(&elsewhere, Some(&device), Some(&session));
    assert!(said.contains("neither a record in"), "{said}");
    owner.kill();
    scene.kdev(&["pool", "cleanup"]).good();
}

#[test]
fn what_the_dead_had_is_not_taken() {
    let scene = Scene::embedded();
    let owner = scene.start("waits");
    let (device, _, session) = first_volume(&scene);
    owner.kill();
    // It may be another test's by now; or it is none's, or just about to be.
    wait_until("the kernel has it no more", || {
        !said_of(&scene, Some(&device), Some(&session)).contains("has ended")
    });
    let said = said_of(&scene, Some(&device), Some(&session));
    assert!(said.starts_with("REFUSED "), "{said}");
    scene.kdev(&["pool", "cleanup"]).good();

    let mut kept = scene.child("waits");
    let owner = scene.start_command(kept.env("KDEV_KEEP", "failed"));
    let (device, _, session) = first_volume(&scene);
    owner.kill();
    let said = said_of(&scene, Some(&device), Some(&session));
    assert!(said.contains("its test has ended"), "{said}");
    scene.kdev(&["pool", "cleanup", "--kept"]).good();
    scene.assert_no_trace();
}
