//! Who lives and who is dead, with processes that really live and die.

use std::fs::{self, File, Permissions};
use std::os::unix::fs::{PermissionsExt, chown};
use std::path::PathBuf;
use std::process::{Command, Stdio};

use nix::errno::Errno;
use nix::libc;
use nix::sys::signal::{Signal, kill};
use nix::sys::wait::waitpid;
use nix::unistd::Pid;
use serde_json::{Value, json};

use crate::scene::{AS_UNDER_NEXTEST, NOBODY, Say, Scene, find_volume, wait_until};

/// A volume of a process that may die, attached for as long as this test looks at it.
struct Watched<'a> {
    scene: &'a Scene,
    lv_name: String,
    lease: PathBuf,
    /// The kernel keeps the device while this is open. Without it the volume would be gone with its owner.
    _device: File,
}

impl<'a> Watched<'a> {
    /// Watches the one volume of the scene.
    fn new(scene: &'a Scene) -> Self {
        let [record] = scene.records().try_into().unwrap();
        let [lease] = scene.leases().try_into().unwrap();
        Self {
            scene,
            lv_name: record["lv_name"].as_str().unwrap().to_owned(),
            lease,
            _device: File::open(record["lv_path"].as_str().unwrap()).unwrap(),
        }
    }

    fn verdict(&self) -> String {
        let status = self.scene.volume_status(&self.lv_name);
        status["verdict"].as_str().unwrap().to_owned()
    }

    /// Makes sure that the owner counts as unknown, for this reason, and that a cleanup leaves it alone.
    fn assert_unknown(&self, why: &str) {
        let status = self.scene.volume_status(&self.lv_name);
        assert_eq!(status["verdict"], "unknown", "{status}");
        assert!(status["why"].as_str().unwrap().contains(why), "{status}");
        self.assert_left_alone();
    }

    fn assert_alive(&self) {
        assert_eq!(self.verdict(), "alive");
        self.assert_left_alone();
    }

    fn assert_left_alone(&self) {
        let cleaned = self.scene.kdev(&["pool", "cleanup"]).good();
        assert_eq!(cleaned, "nothing to clean up\n");
        assert_eq!(self.scene.records().len(), 1);
    }

    fn assert_dead(&self) {
        assert_eq!(self.verdict(), "dead");
    }

    fn record(&self) -> Value {
        let [record] = self.scene.records().try_into().unwrap();
        record
    }

    /// Changes one key of the record, as if it had been written so.
    fn write(&self, key: &str, value: impl Into<Value>) {
        let mut record = self.record();
        record[key] = value.into();
        let text = json!({"version": 1, "allocations": [record]}).to_string();
        fs::write(self.scene.state_dir().join("lv-state.json"), text).unwrap();
    }

    /// Makes sure of something while the lease is somewhere else.
    fn without_lease(&self, check: impl FnOnce()) {
        let aside = self.scene.path("lease-aside");
        fs::rename(&self.lease, &aside).unwrap();
        check();
        fs::rename(&aside, &self.lease).unwrap();
    }
}

fn to_pid(pid: u32) -> Pid {
    Pid::from_raw(pid.try_into().unwrap())
}

/// What `/proc` says of a process: its state, and when it started.
fn stat(pid: u32) -> (String, u64) {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).unwrap();
    let fields: Vec<&str> = stat.rsplit_once(')').unwrap().1.split_whitespace().collect();
    (fields[0].to_owned(), fields[19].parse().unwrap())
}

fn end_of(scene: &Scene, watched: Watched<'_>) {
    drop(watched);
    scene.kdev(&["pool", "cleanup"]).good();
    scene.assert_no_trace();
}

#[test]
fn a_process_that_runs_is_alive_with_and_without_its_lease() {
    let scene = Scene::embedded();
    let child = scene.start("waits");
    let watched = Watched::new(&scene);
    watched.assert_alive();
    watched.without_lease(|| watched.assert_alive());
    child.kill();
    watched.assert_dead();
    watched.without_lease(|| watched.assert_dead());
    end_of(&scene, watched);
}

#[test]
fn what_somebody_is_removing_is_said_to_be() {
    let scene = Scene::embedded();
    let child = scene.start("waits");
    let watched = Watched::new(&scene);
    watched.write("phase", "removing");
    assert_eq!(watched.verdict(), "removing", "by its owner");
    child.kill();
    assert_eq!(watched.verdict(), "dead", "nobody is at it any more");
    let mut reaper = Command::new("flock")
        .args(["--shared", watched.lease.to_str().unwrap(), "cat"])
        .stdin(Stdio::piped())
        .stdout(Stdio::null())
        .spawn()
        .unwrap();
    wait_until("a reaper has the lease too", || watched.verdict() == "removing");
    drop(reaper.stdin.take());
    reaper.wait().unwrap();
    end_of(&scene, watched);
}

#[test]
fn a_zombie_is_dead() {
    let scene = Scene::embedded();
    let child = scene.start("waits");
    let watched = Watched::new(&scene);
    kill(to_pid(child.pid()), Signal::SIGKILL).unwrap();
    // Its first thread is shown as one while another is still dying, with all that the process has open.
    let threads = || {
        fs::read_dir(format!("/proc/{}/task", child.pid()))
            .unwrap()
            .count()
    };
    wait_until("it is a zombie", || stat(child.pid()).0 == "Z" && threads() == 1);
    watched.assert_dead();
    watched.without_lease(|| watched.assert_dead());
    assert_eq!(stat(child.pid()).0, "Z", "nobody has waited for it yet");
    drop(child);
    end_of(&scene, watched);
}

/// The kernel shows such a process as a zombie too.
#[test]
fn a_process_whose_first_thread_has_ended_is_alive() {
    let scene = Scene::embedded();
    let child = scene.start("waits_without_its_first_thread");
    let watched = Watched::new(&scene);
    wait_until("its first thread has ended", || stat(child.pid()).0 == "Z");
    watched.assert_alive();
    watched.without_lease(|| watched.assert_alive());
    child.kill();
    watched.without_lease(|| watched.assert_dead());
    end_of(&scene, watched);
}

#[test]
fn a_forked_child_keeps_its_dead_parents_session_alive_for_as_long_as_it_lives() {
    let scene = Scene::embedded();
    let mut child = scene.child("forks_a_child_that_stays");
    let mut child = scene.start_command(child.stdin(Stdio::piped()));
    let watched = Watched::new(&scene);
    // The forked one ends with this, so also if this test fails.
    let input = child.take_input();
    let pid = child.pid();
    child.kill();
    assert_eq!(
        watched.record()["pid"],
        pid,
        "the owner on record is the dead one"
    );
    watched.assert_alive();
    drop(input);
    wait_until("the forked child's end is seen", || watched.verdict() == "dead");
    end_of(&scene, watched);
}

#[test]
fn an_owner_that_gave_up_root_is_alive_to_root() {
    let scene = Scene::embedded();
    fs::set_permissions(scene.path(""), Permissions::from_mode(0o777)).unwrap();
    let child = scene.start("waits_as_nobody");
    let watched = Watched::new(&scene);
    let status = fs::read_to_string(format!("/proc/{}/status", child.pid())).unwrap();
    assert!(
        status.contains("\nUid:\t65534\t65534\t65534\t65534\n"),
        "{status}"
    );
    watched.assert_alive();
    watched.without_lease(|| watched.assert_alive());
    child.kill();
    watched.without_lease(|| watched.assert_dead());
    end_of(&scene, watched);
}

/// The user has a record of root's process, and no lease.
#[test]
fn a_process_of_roots_is_alive_to_a_user_and_where_proc_hides_it_it_is_unknown() {
    let scene = Scene::embedded();
    let child = scene.start("waits");
    let watched = Watched::new(&scene);
    let theirs = scene.path("theirs");
    fs::create_dir(&theirs).unwrap();
    fs::copy(
        scene.state_dir().join("lv-state.json"),
        theirs.join("lv-state.json"),
    )
    .unwrap();
    for path in [&theirs, &theirs.join("lv-state.json")] {
        chown(path, Some(NOBODY), Some(NOBODY)).unwrap();
    }
    let seen = |command: &mut Command| {
        let said = command.env("KDEV_STATE_DIR", &theirs).good();
        find_volume(&serde_json::from_str(&said).unwrap(), &watched.lv_name)
    };
    let status = ["pool", "status", "--json"];
    assert_eq!(seen(&mut scene.kdev_as_nobody(&status))["verdict"], "alive");

    let hidden = "mount -t proc -o hidepid=2 proc /proc && exec setpriv --reuid=65534 --regid=65534 --clear-groups \"$@\"";
    let hiding = || {
        let mut command = scene.program("unshare");
        command.args(["--mount", "sh", "-c", hidden, "sh"]);
        command.arg(scene.path("kdev")).args(status);
        command
    };
    let volume = seen(&mut hiding());
    assert_eq!(volume["verdict"], "unknown", "{volume}");
    assert!(volume["why"].as_str().unwrap().contains("hidden"), "{volume}");

    child.kill();
    assert_eq!(seen(&mut scene.kdev_as_nobody(&status))["verdict"], "dead");
    assert_eq!(
        seen(&mut hiding())["verdict"],
        "dead",
        "that there is none is not hidden"
    );
    end_of(&scene, watched);
}

#[test]
fn an_owner_in_another_pid_namespace_is_known_by_its_lease_alone() {
    let scene = Scene::embedded();
    let child = scene.child("waits");
    let mut inside = scene.program("unshare");
    inside
        .args(["--pid", "--fork", "--kill-child", "--mount-proc"])
        .arg(child.get_program())
        .args(child.get_args())
        .env(AS_UNDER_NEXTEST.0, AS_UNDER_NEXTEST.1);
    let child = scene.start_command(&mut inside);
    let watched = Watched::new(&scene);
    assert_eq!(watched.record()["pid"], 1, "as it knows itself");
    watched.assert_alive();
    watched.without_lease(|| watched.assert_unknown("another pid namespace"));
    watched.assert_alive();
    child.kill();
    wait_until("the end of the namespace is seen", || watched.verdict() == "dead");
    watched.without_lease(|| watched.assert_unknown("another pid namespace"));
    end_of(&scene, watched);
}

#[test]
fn another_process_with_the_pid_of_the_dead_does_not_bring_it_to_life() {
    let scene = Scene::embedded();
    let child = scene.start("waits");
    let watched = Watched::new(&scene);
    let (pid, started) = (child.pid(), watched.record()["start_time"].as_u64().unwrap());
    child.kill();
    let recycled = Recycled::new(pid, started);
    watched.assert_dead();
    watched.without_lease(|| watched.assert_dead());
    // It is the time alone that tells the two apart.
    watched.write("start_time", stat(pid).1);
    watched.without_lease(|| watched.assert_alive());
    drop(recycled);
    end_of(&scene, watched);
}

/// A process that has the pid of one that is dead.
struct Recycled {
    pid: Pid,
    is_mine: bool,
}

impl Recycled {
    /// Makes one that started at another time, in the kernel's ticks.
    fn new(pid: u32, not_started: u64) -> Self {
        loop {
            let recycled = Self::start(pid);
            if stat(pid).1 != not_started {
                return recycled;
            }
        }
    }

    /// clone3(2) with `set_tid`, which every kernel from 5.5 on has.
    fn start(pid: u32) -> Self {
        let pid = to_pid(pid);
        let set_tid = [pid.as_raw()];
        // SAFETY: all fields are numbers, for which 0 stands for nothing wanted.
        let mut args: libc::clone_args = unsafe { std::mem::zeroed() };
        args.exit_signal = libc::SIGCHLD as u64;
        args.set_tid = set_tid.as_ptr() as u64;
        args.set_tid_size = 1;
        // SAFETY: without flags this is fork(2); the child makes system calls only, until it is killed.
        match unsafe { libc::syscall(libc::SYS_clone3, &raw const args, size_of_val(&args)) } {
            // SAFETY: as above. It dies with the thread that made it, should this test fail early.
            0 => unsafe {
                libc::prctl(libc::PR_SET_PDEATHSIG, libc::SIGKILL);
                loop {
                    libc::pause();
                }
            },
            // Somebody else has it already, which is as good.
            -1 if Errno::last() == Errno::EEXIST => Self { pid, is_mine: false },
            made => {
                assert_eq!(made, i64::from(pid.as_raw()), "{}", Errno::last());
                Self { pid, is_mine: true }
            }
        }
    }
}

impl Drop for Recycled {
    fn drop(&mut self) {
        if self.is_mine {
            // There is nothing else to be done about it.
            let _ = kill(self.pid, Signal::SIGKILL).and_then(|()| waitpid(self.pid, None));
        }
    }
}

const ANOTHER_BOOT: &str = "00000000-0000-4000-8000-000000000000";

#[test]
fn an_owner_of_another_boot_of_this_host_is_dead_unless_its_lease_is_held() {
    let scene = Scene::embedded();
    let child = scene.start("waits");
    let watched = Watched::new(&scene);
    watched.write("boot_id", ANOTHER_BOOT);
    watched.assert_alive();
    watched.without_lease(|| watched.assert_dead());
    child.kill();
    watched.assert_dead();
    end_of(&scene, watched);
}

#[test]
fn an_owner_on_another_host_is_unknown_whatever_a_lock_or_a_pid_says_here() {
    let scene = Scene::embedded();
    let child = scene.start("waits");
    let watched = Watched::new(&scene);
    watched.write("boot_id", ANOTHER_BOOT);
    watched.write("host", "00000000");
    watched.without_lease(|| watched.assert_unknown("another host"));
    child.kill();
    watched.assert_unknown("another host");
    watched.without_lease(|| watched.assert_unknown("another host"));
    end_of(&scene, watched);
}

#[test]
fn an_owner_of_whom_nothing_but_a_pid_is_said_is_unknown_unless_its_lease_is_free() {
    let scene = Scene::embedded();
    let child = scene.start("waits");
    let watched = Watched::new(&scene);
    for key in ["boot_id", "pid_ns", "host", "start_time", "uid"] {
        watched.write(key, Value::Null);
    }
    watched.assert_alive();
    watched.without_lease(|| watched.assert_unknown("does not say enough"));
    child.kill();
    watched.without_lease(|| watched.assert_unknown("does not say enough"));
    watched.assert_dead();
    end_of(&scene, watched);
}
