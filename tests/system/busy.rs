//! What the dead leave standing on their volumes: on loop devices here, and in `lvm` on LVs.

use std::path::Path;
use std::process::{Child, Command, Stdio};

use crate::scene::{MountPoint, Say, Scene, wait_until};

/// A program of the test's own, ended when that is over.
struct Background(Child);

impl Background {
    fn new(command: &mut Command) -> Self {
        Self(
            command
                .stdin(Stdio::null())
                .stdout(Stdio::null())
                .spawn()
                .unwrap(),
        )
    }
}

impl Drop for Background {
    fn drop(&mut self) {
        // It may have ended already.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// A test that is killed while its volume is mounted.
fn dies_while_mounted(scene: &Scene) -> MountPoint {
    let point = scene.mount_point();
    let mut child = scene.child("waits_while_mounted");
    scene
        .start_command(child.env("CHILD_MOUNT_POINT", &point.path))
        .kill();
    assert!(is_mounted(&point.path));
    point
}

pub(crate) fn is_mounted(point: &Path) -> bool {
    Command::new("mountpoint").arg("-q").arg(point).say().code == Some(0)
}

#[test]
fn what_a_dead_test_left_mounted_is_unmounted() {
    mount_is_undone(&Scene::embedded());
}

pub(crate) fn mount_is_undone(scene: &Scene) {
    let point = dies_while_mounted(scene);
    let removed = scene.kdev(&["pool", "cleanup"]).good();
    assert!(removed.starts_with("removed kdev-"), "{removed}");
    assert!(!is_mounted(&point.path));
    scene.assert_no_trace();
}

#[test]
fn it_is_unmounted_in_other_mount_namespaces_too() {
    mount_elsewhere_is_undone(&Scene::embedded());
}

/// The namespace of somebody's service was made while the volume was mounted, and has its own copy.
pub(crate) fn mount_elsewhere_is_undone(scene: &Scene) {
    let point = dies_while_mounted(scene);
    let ready = scene.path("elsewhere");
    let script = format!("touch {}; exec sleep infinity", ready.display());
    let elsewhere = Background::new(Command::new("unshare").args([
        "--mount",
        "--propagation",
        "private",
        "sh",
        "-c",
        &script,
    ]));
    wait_until("there is another namespace", || ready.exists());
    let sees = || {
        let mounts = std::fs::read_to_string(format!("/proc/{}/mountinfo", elsewhere.0.id())).unwrap();
        mounts.contains(point.path.to_str().unwrap())
    };
    assert!(sees());
    scene.kdev(&["pool", "cleanup"]).good();
    assert!(!sees());
    assert!(!is_mounted(&point.path));
    scene.assert_no_trace();
}

#[test]
fn what_somebody_uses_is_left_and_said() {
    mount_in_use_is_stuck(&Scene::embedded());
}

pub(crate) fn mount_in_use_is_stuck(scene: &Scene) {
    let point = dies_while_mounted(scene);
    let user = Background::new(Command::new("sleep").arg("infinity").current_dir(&point.path));
    let said = scene.kdev(&["pool", "cleanup"]).say();
    assert_eq!((said.code, said.out.as_str()), (Some(1), ""), "{}", said.err);
    let mounted = format!("mounted on {}", point.path.display());
    assert!(said.err.contains(&mounted), "{}", said.err);
    let [record] = scene.records().try_into().unwrap();
    assert!(
        record["failure"]["why"].as_str().unwrap().contains(&mounted),
        "{record}"
    );
    let status = scene.kdev(&["pool", "status"]).good();
    assert!(status.contains(&format!("stuck ({mounted}")), "{status}");
    let user_is_named = format!("in use by sleep (pid {})", user.0.id());
    assert!(status.contains(&user_is_named), "{status}");
    assert!(is_mounted(&point.path));

    // A process that starts does not try again at once; a cleanup does.
    let said = scene.child("passes").say();
    assert_eq!(said.code, Some(0), "{}", said.err);
    assert!(!said.err.contains("could not remove"), "{}", said.err);
    drop(user);
    scene.kdev(&["pool", "cleanup"]).good();
    assert!(!is_mounted(&point.path));
    scene.assert_no_trace();
}

#[test]
fn a_tower_of_devices_is_taken_down_from_the_top() {
    tower_is_undone(&Scene::embedded());
}

pub(crate) fn tower_is_undone(scene: &Scene) {
    let point = scene.mount_point();
    let upper = scene.mount_point();
    let mut child = scene.child("waits_under_a_tower");
    child
        .env("CHILD_MOUNT_POINT", &point.path)
        .env("CHILD_UPPER_MOUNT_POINT", &upper.path);
    scene.start_command(&mut child).kill();
    let swaps = || std::fs::read_to_string("/proc/swaps").unwrap().lines().count();
    assert!(is_mounted(&point.path) && is_mounted(&upper.path));
    let before = swaps();
    let removed = scene.kdev(&["pool", "cleanup"]).good();
    assert_eq!(removed.matches("removed kdev-").count(), 2, "{removed}");
    assert!(!is_mounted(&point.path) && !is_mounted(&upper.path));
    assert_eq!(swaps(), before - 1);
    scene.assert_no_trace();
}
