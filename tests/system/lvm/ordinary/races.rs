//! What others do between two steps of kdev-root's, which is stopped there until they have done it.

use std::fs;
use std::os::unix::ffi::OsStrExt;
use std::path::Path;
use std::process::{Child, Command, Stdio};

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

use crate::lvm::disk::run;
use crate::lvm::ordinary::{JOE, REFUSED, ROOT_PROGRAM, Shared, ask, dirty, owner_and_mode};
use crate::scene::wait_until;

/// A process that does nothing until this is dropped.
struct Stopped(Pid);

impl Stopped {
    fn new(pid: u32) -> Self {
        let pid = Pid::from_raw(pid.try_into().unwrap());
        kill(pid, Signal::SIGSTOP).unwrap();
        Self(pid)
    }
}

impl Drop for Stopped {
    fn drop(&mut self) {
        // It has ended if the test fails at something else.
        let _ = kill(self.0, Signal::SIGCONT);
    }
}

/// As sudo runs it for joe, who makes volumes of these sizes, in MiB.
fn create(shared: &Shared, tag: &str, volumes: &[(String, u64)]) -> Child {
    let mut command = Command::new(ROOT_PROGRAM);
    command.args(["create", &shared.pool.vg, tag, "drops"]);
    for (name, mib) in volumes {
        command.args([name, &(mib << 20).to_string()]);
    }
    command.env_clear().env("SUDO_UID", JOE.to_string());
    command.stdin(Stdio::null()).stdout(Stdio::null());
    command.stderr(Stdio::piped()).spawn().unwrap()
}

fn end_of(child: Child) -> (Option<i32>, String) {
    let output = child.wait_with_output().unwrap();
    (
        output.status.code(),
        String::from_utf8_lossy(&output.stderr).into_owned(),
    )
}

/// A process of that program that works on the device.
fn at_work(program: &str, node: &Path) -> Option<u32> {
    let processes = fs::read_dir("/proc").unwrap();
    let mut pids = processes.filter_map(|entry| entry.ok()?.file_name().to_str()?.parse().ok());
    pids.find(|pid| {
        let words = fs::read(format!("/proc/{pid}/cmdline")).unwrap_or_default();
        let words: Vec<&[u8]> = words.split(|&byte| byte == 0).collect();
        words[0].ends_with(program.as_bytes()) && words.contains(&node.as_os_str().as_bytes())
    })
}

#[test]
fn what_has_taken_a_new_volumes_name_is_neither_zeroed_nor_given_away() {
    let shared = Shared::new(128);
    let (joe, vg) = (&shared.joe, &shared.pool.vg);
    run("vgchange", &["--addtag=kdev.clean=zero", vg]);
    let child = joe.start_command(&mut joe.child_as(JOE, "waits"));
    let mine = shared.lv_of(joe);
    let tag = shared.tag_of(&mine);
    let volumes: Vec<(String, u64)> = (1..=8)
        .map(|number| (mine.replace("-test", &format!("-new{number}")), 4))
        .collect();
    let names: Vec<&str> = volumes.iter().map(|(name, _)| name.as_str()).collect();
    let dir = Path::new("/dev").join(vg);

    let creation = create(&shared, &tag, &volumes);
    wait_until("one is there", || dir.join(names[0]).exists());
    // LVM has been told of all eight, and goes on.
    let stopped = Stopped::new(creation.id());
    assert!(!dir.join(names[7]).exists(), "it was stopped in time");
    wait_until("all are there", || dir.join(names[7]).exists());
    let said = ask(JOE, &["remove", vg, &tag, names[0]]);
    assert_eq!(said.code, Some(0), "{}", said.err);
    run("lvcreate", &["--yes", "--size=8m", "--name", names[0], vg]);
    dirty(&shared.node(names[0]));
    drop(stopped);

    let (code, said) = end_of(creation);
    assert_eq!(code, REFUSED, "{said}");
    assert!(said.contains("has not the tag"), "{said}");
    let (owner, _) = owner_and_mode(&shared.node(names[0]));
    let content = fs::read(shared.node(names[0])).unwrap();
    assert!(owner == 0 && content.iter().all(|&byte| byte == 1));
    for name in &names[1..] {
        assert_eq!(owner_and_mode(&shared.node(name)).0, 0, "{name} was not cleaned");
    }
    let said = ask(JOE, &[&["remove", vg, &tag], &names[1..]].concat());
    assert_eq!(said.code, Some(0), "{}", said.err);
    run("lvremove", &["--yes", &format!("{vg}/{}", names[0])]);
    child.kill();
    joe.wait_for_watchdogs();
}

#[test]
fn a_new_volume_stays_while_those_before_it_are_zeroed() {
    let shared = Shared::new(512);
    let (joe, vg) = (&shared.joe, &shared.pool.vg);
    run("vgchange", &["--addtag=kdev.clean=zero", vg]);
    let child = joe.start_command(&mut joe.child_as(JOE, "waits"));
    let mine = shared.lv_of(joe);
    let tag = shared.tag_of(&mine);
    let [first, second] = ["-first", "-second"].map(|end| mine.replace("-test", end));

    let creation = create(&shared, &tag, &[(first.clone(), 256), (second.clone(), 4)]);
    let link = Path::new("/dev").join(vg).join(&first);
    let mut zeroing = None;
    wait_until("the first is zeroed", || {
        zeroing = fs::canonicalize(&link)
            .ok()
            .and_then(|node| at_work("blkdiscard", &node));
        zeroing.is_some()
    });
    let stopped = Stopped::new(zeroing.unwrap());
    let said = ask(JOE, &["remove", vg, &tag, &second]);
    assert_eq!(said.code, Some(5), "{}", said.err);
    assert!(said.err.contains("in use"), "{}", said.err);
    for name in [&first, &second] {
        assert_eq!(owner_and_mode(&shared.node(name)).0, 0, "{name} is nobody's yet");
    }
    drop(stopped);
    assert_eq!(end_of(creation), (Some(0), String::new()));
    for name in [&first, &second] {
        assert_eq!(owner_and_mode(&shared.node(name)), (JOE, 0o600));
    }
    let said = ask(JOE, &["remove", vg, &tag, &first, &second]);
    assert_eq!(said.code, Some(0), "{}", said.err);
    child.kill();
    joe.wait_for_watchdogs();
}

/// As a kdev-root leaves it that is killed before it has come to this one: with whatever was there before.
#[test]
fn a_volume_that_was_never_given_to_its_user_is_not_mounted() {
    let shared = Shared::new(128);
    let (joe, vg) = (&shared.joe, &shared.pool.vg);
    let child = joe.start_command(&mut joe.child_as(JOE, "waits"));
    let mine = shared.lv_of(joe);
    let tag = shared.tag_of(&mine);
    let new = mine.replace("-test", "-new");
    run(
        "lvcreate",
        &["--yes", "--size=16m", "--addtag", &tag, "--name", &new, vg],
    );
    let node = shared.node(&new);
    run("mkfs.ext4", &["-q", node.to_str().unwrap()]);
    let point = joe.tmp().join("point");
    fs::create_dir(&point).unwrap();
    joe.give_all_to(JOE);

    let mounts = fs::read_to_string("/proc/self/mountinfo").unwrap();
    let point = point.to_str().unwrap();
    let said = ask(JOE, &["mount", vg, &tag, &new, point, "ext4", "defaults"]);
    assert_eq!(said.code, REFUSED, "{}", said.err);
    assert!(said.err.contains("is not user 54321's"), "{}", said.err);
    assert_eq!(fs::read_to_string("/proc/self/mountinfo").unwrap(), mounts);
    let said = ask(JOE, &["remove", vg, &tag, &new]);
    assert_eq!(said.code, Some(0), "{}", said.err);
    child.kill();
    joe.wait_for_watchdogs();
}
