//! The watchdog gives back what its owner held, however that died, and nobody notices it.

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

use crate::busy::is_mounted;
use crate::scene::{Say, Scene, wait_until};

/// The ways in which a test's process is ended from outside.
pub(crate) const SIGNALS: [Signal; 4] = [Signal::SIGKILL, Signal::SIGTERM, Signal::SIGINT, Signal::SIGQUIT];

#[test]
fn it_gives_back_after_every_signal_to_the_whole_group() {
    for signal in SIGNALS {
        let scene = Scene::embedded().with_watchdogs();
        let child = scene.start("waits");
        assert_eq!(scene.watchdogs().len(), 1, "{signal}");
        child.signal_group(signal);
        child.wait();
        scene.wait_for_watchdogs();
    }
}

#[test]
fn it_gives_back_what_a_process_leaves_that_ends_itself() {
    for end in ["aborts", "exits"] {
        let scene = Scene::embedded().with_watchdogs();
        scene.child(end).say();
        scene.wait_for_watchdogs();
    }
}

#[test]
fn one_watchdog_guards_all_sessions_of_a_process() {
    let scene = Scene::embedded().with_watchdogs();
    let child = scene.start("waits_with_two_sessions");
    assert_eq!(scene.leases().len(), 2);
    assert_eq!(scene.watchdogs().len(), 1);
    child.kill();
    scene.wait_for_watchdogs();
}

#[test]
fn it_unmounts_what_a_killed_test_had_mounted() {
    let scene = Scene::embedded().with_watchdogs();
    let point = scene.mount_point();
    let mut child = scene.child("waits_while_mounted");
    let child = scene.start_command(child.env("CHILD_MOUNT_POINT", &point.path));
    child.kill();
    scene.wait_for_watchdogs();
}

#[test]
fn it_needs_no_records() {
    let scene = Scene::embedded().with_watchdogs();
    let child = scene.start("waits");
    std::fs::remove_file(scene.state_dir().join("lv-state.json")).unwrap();
    child.kill();
    scene.wait_for_watchdogs();
}

#[test]
fn it_needs_no_key_of_ours_in_the_records() {
    let scene = Scene::embedded().with_watchdogs();
    let child = scene.start("waits");
    scene.rewrite_as_kerneldev_mcp();
    let status = scene.kdev(&["pool", "status"]).good();
    assert!(status.contains(" alive "), "{status}");
    child.kill();
    scene.wait_for_watchdogs();
}

#[test]
fn it_goes_quietly_when_its_owner_has_given_all_back() {
    let scene = Scene::embedded().with_watchdogs();
    let said = scene.child("passes").say();
    assert_eq!(said.code, Some(0), "{}", said.err);
    scene.wait_for_watchdogs();
}

#[test]
fn it_leaves_what_is_to_be_kept() {
    let scene = Scene::embedded().with_watchdogs();
    scene.child("passes").env("KDEV_KEEP", "always").good();
    wait_until("the watchdog is gone", || scene.watchdogs().is_empty());
    assert_eq!(scene.records().len(), 1);
    scene.kdev(&["pool", "cleanup", "--kept"]).good();
    scene.assert_no_trace();
}

#[test]
fn it_is_no_child_that_a_test_would_have_to_wait_for() {
    let scene = Scene::embedded().with_watchdogs();
    scene.child("has_no_child_to_wait_for").good();
    assert!(scene.path("ready").exists());
    scene.wait_for_watchdogs();
}

#[test]
fn it_holds_nothing_open_that_its_owner_had() {
    let scene = Scene::embedded().with_watchdogs();
    let child = scene.start("waits");
    let [watchdog] = scene.watchdogs().try_into().unwrap();
    let open: Vec<String> = std::fs::read_dir(format!("/proc/{watchdog}/fd"))
        .unwrap()
        .map(|entry| {
            let target = std::fs::read_link(entry.unwrap().path()).unwrap();
            target.to_string_lossy().into_owned()
        })
        .collect();
    assert_eq!(open.len(), 3, "{open:?}");
    assert!(open.iter().any(|target| target.contains("pidfd")), "{open:?}");
    assert_eq!(
        open.iter().filter(|target| *target == "/dev/null").count(),
        2,
        "{open:?}"
    );
    let at = std::fs::read_link(format!("/proc/{watchdog}/cwd")).unwrap();
    assert_eq!(at.to_str(), Some("/"));
    child.kill();
    scene.wait_for_watchdogs();
}

#[test]
fn it_can_be_switched_off() {
    let scene = Scene::embedded();
    let child = scene.start("waits");
    assert!(scene.watchdogs().is_empty());
    child.kill();
    scene.kdev(&["pool", "cleanup"]).good();
    scene.assert_no_trace();
}

#[test]
fn an_inherited_variable_makes_no_watchdog_of_a_test() {
    let scene = Scene::embedded().with_watchdogs();
    let said = scene.child("passes").env("KDEV_WATCHDOG_OF", "1.1").say();
    assert!(said.out.contains("DEVICE="), "{}{}", said.out, said.err);
    scene.wait_for_watchdogs();
}

#[test]
fn what_was_to_be_kept_stays_when_its_test_is_killed() {
    for keep in ["always", "failed"] {
        let scene = Scene::embedded().with_watchdogs();
        let mut child = scene.child("waits");
        let child = scene.start_command(child.env("KDEV_KEEP", keep));
        // It is not to be taken from a live test, whatever that wants to become of it.
        assert_eq!(
            scene.kdev(&["pool", "cleanup", "--kept"]).good(),
            "nothing to clean up\n"
        );
        child.kill();
        wait_until("the watchdog is gone", || scene.watchdogs().is_empty());
        scene.child("passes").good();
        assert_eq!(scene.kdev(&["pool", "cleanup"]).good(), "nothing to clean up\n");
        let status = scene.kdev(&["pool", "status"]).good();
        assert!(status.contains("kept"), "{status}");
        let removed = scene.kdev(&["pool", "cleanup", "--kept"]).good();
        assert!(removed.starts_with("removed kdev-"), "{removed}");
        scene.assert_no_trace();
    }
}

#[test]
fn a_kept_device_is_found_again_by_its_lease_when_the_records_are_lost() {
    let scene = Scene::embedded().with_watchdogs();
    scene.child("passes").env("KDEV_KEEP", "always").good();
    wait_until("the watchdog is gone", || scene.watchdogs().is_empty());
    let [before] = scene.records().try_into().unwrap();
    std::fs::remove_file(scene.state_dir().join("lv-state.json")).unwrap();
    // As while a watchdog looks: what is written down now must not be taken for a live test's.
    let [lease] = scene.leases().try_into().unwrap();
    let mut holder = scene
        .program("flock")
        .arg(&lease)
        .arg("cat")
        .stdin(std::process::Stdio::piped())
        .spawn()
        .unwrap();
    wait_until("the lease is held", || {
        let mut flock = scene.program("flock");
        flock.arg("--nonblock").arg(&lease).arg("true").say().code == Some(1)
    });
    scene.kdev(&["pool", "cleanup"]).good();
    drop(holder.stdin.take());
    holder.wait().unwrap();
    scene.kdev(&["pool", "cleanup"]).good();
    let [after] = scene.records().try_into().unwrap();
    for key in ["lv_name", "lv_path", "pid", "start_time", "size_bytes", "kind"] {
        assert_eq!(before[key], after[key], "{key}");
    }
    assert!(after["kept"].is_string());
    scene.kdev(&["pool", "cleanup", "--kept"]).good();
    scene.assert_no_trace();
}

#[test]
fn it_does_not_take_the_first_place_in_a_pid_namespace() {
    let scene = Scene::embedded().with_watchdogs();
    scene.child("takes_its_children_elsewhere").good();
    assert!(scene.watchdogs().is_empty());
    scene.assert_no_trace();
}

/// The kernel gives a dead test's loop device to the next who asks, before the watchdog has looked.
#[test]
fn it_leaves_alone_who_has_its_dead_owners_loop_device_now() {
    let scene = Scene::embedded().with_watchdogs();
    let dead = scene.start("waits");
    let [record] = scene.records().try_into().unwrap();
    let [watchdog] = scene.watchdogs().try_into().unwrap();
    let watchdog = Stopped::new(watchdog);
    dead.kill();
    // The lowest number that is free goes to the next, so those who got another one keep it.
    let mut others = Vec::new();
    let mut point = scene.mount_point();
    wait_until("another test has the device", || {
        point = scene.mount_point();
        let mut child = scene.child("waits_while_mounted");
        child
            .env("CHILD_MOUNT_POINT", &point.path)
            .env("KDEV_REAPER", "off");
        others.push(scene.start_command(&mut child));
        scene
            .records()
            .iter()
            .any(|other| other["lv_path"] == record["lv_path"] && other["lv_name"] != record["lv_name"])
    });
    drop(watchdog);
    wait_until("the first watchdog is done", || {
        scene.watchdogs().len() == others.len()
    });
    let left = scene.records();
    assert_eq!(left.len(), others.len());
    assert!(left.iter().all(|left| left["failure"].is_null()), "{left:?}");
    assert!(is_mounted(&point.path));
    drop(others);
    scene.wait_for_watchdogs();
}

/// A process that does not go on before this is dropped.
struct Stopped(Pid);

impl Stopped {
    fn new(pid: u32) -> Self {
        let pid = Pid::from_raw(i32::try_from(pid).unwrap());
        kill(pid, Signal::SIGSTOP).unwrap();
        Self(pid)
    }
}

impl Drop for Stopped {
    fn drop(&mut self) {
        kill(self.0, Signal::SIGCONT).unwrap();
    }
}
