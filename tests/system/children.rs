//! Annotated tests that other tests start as processes of their own, kill, and look after.

use std::env;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::thread;

use kdev_volumes::{Session, Volume, kdev_volumes};

/// Tells the parent that the volumes are there, and waits to be killed.
fn wait_to_be_killed() -> ! {
    fs::write(env::var_os("CHILD_READY").unwrap(), "").unwrap();
    loop {
        thread::park();
    }
}

fn state_file() -> PathBuf {
    PathBuf::from(env::var_os("KDEV_STATE_DIR").unwrap()).join("lv-state.json")
}

fn succeed(program: &str, args: &[&Path]) {
    assert!(
        Command::new(program).args(args).status().unwrap().success(),
        "{program} {args:?}"
    );
}

fn make_filesystem(volume: &Volume) {
    succeed("mkfs.ext4", &["-q".as_ref(), "-F".as_ref(), volume.path()]);
}

#[kdev_volumes(test = "16M")]
#[test]
#[ignore = "started by other tests"]
fn passes(test: Volume) {
    println!("DEVICE={}", test.path().display());
}

#[kdev_volumes(test = "16M")]
#[test]
#[ignore = "started by other tests"]
fn fails() {
    panic!("as it should");
}

#[kdev_volumes(test = "16M")]
#[test]
#[ignore = "started by other tests"]
fn returns_an_error() -> Result<(), String> {
    Err("as it should".into())
}

#[kdev_volumes(test = "16M")]
#[test]
#[should_panic(expected = "as it should")]
#[ignore = "started by other tests"]
fn should_panic_and_does() {
    panic!("as it should");
}

#[kdev_volumes(test = "16M")]
#[test]
#[should_panic]
#[ignore = "started by other tests"]
fn should_panic_and_does_not() {}

/// Leaves a file system that was used and unmounted.
#[kdev_volumes(test = "32M", scratch = "32M")]
#[test]
#[ignore = "started by other tests"]
fn waits_after_unmounting(test: Volume, scratch: Volume) {
    make_filesystem(&scratch);
    make_filesystem(&test);
    let point = tempfile::tempdir().unwrap();
    succeed("mount", &[test.path(), point.path()]);
    fs::write(point.path().join("file"), "content").unwrap();
    succeed("umount", &[point.path()]);
    drop(point);
    wait_to_be_killed();
}

/// Leaves a mounted file system.
#[kdev_volumes(test = "32M")]
#[test]
#[ignore = "started by other tests"]
fn waits_while_mounted(test: Volume) {
    make_filesystem(&test);
    let point = env::var_os("CHILD_MOUNT_POINT").unwrap();
    succeed("mount", &[test.path(), point.as_ref()]);
    wait_to_be_killed();
}

#[kdev_volumes(test = "16M")]
#[test]
#[ignore = "started by other tests"]
fn waits() {
    wait_to_be_killed();
}

/// Passes, but leaves its volume mounted.
#[kdev_volumes(test = "32M")]
#[test]
#[ignore = "started by other tests"]
fn passes_while_mounted(test: Volume) {
    make_filesystem(&test);
    succeed(
        "mount",
        &[test.path(), env::var_os("CHILD_MOUNT_POINT").unwrap().as_ref()],
    );
}

/// Panics as it should, but leaves its volume mounted.
#[kdev_volumes(test = "32M")]
#[test]
#[should_panic(expected = "as it should")]
#[ignore = "started by other tests"]
fn should_panic_and_does_while_mounted(test: Volume) {
    make_filesystem(&test);
    succeed(
        "mount",
        &[test.path(), env::var_os("CHILD_MOUNT_POINT").unwrap().as_ref()],
    );
    panic!("as it should");
}

/// Gives one volume back while it holds another, after the records were lost.
#[kdev_volumes(test = "16M", scratch = "16M")]
#[test]
#[ignore = "started by other tests"]
fn waits_with_one_volume_and_no_records(test: Volume, scratch: Volume) -> kdev_volumes::Result<()> {
    fs::remove_file(state_file()).unwrap();
    scratch.close()?;
    println!("still have {}", test.path().display());
    wait_to_be_killed()
}

#[kdev_volumes(test = "16M", scratch = "16M")]
#[test]
#[ignore = "started by other tests"]
fn passes_with_two(volumes: &Session) {
    assert_eq!(volumes.volumes().len(), 2);
}

/// More than any pool of these tests holds.
#[kdev_volumes(test = "16M", scratch = "2T")]
#[test]
#[ignore = "started by other tests"]
fn wants_too_much() {
    panic!("got two terabytes");
}

/// A test that should panic must not pass because it got no volumes.
#[kdev_volumes(test = "16M", scratch = "2T")]
#[test]
#[should_panic]
#[ignore = "started by other tests"]
fn wants_too_much_and_should_panic() {
    panic!("got two terabytes");
}

/// Keeps one of its volumes by its own decision.
#[kdev_volumes(test = "16M", scratch = "16M")]
#[test]
#[ignore = "started by other tests"]
fn keeps_its_scratch(test: Volume, scratch: Volume) -> kdev_volumes::Result<()> {
    test.close()?;
    scratch.keep()
}

/// Forks a child that leaves through all destructors, as a panicking or returning one would.
#[kdev_volumes(test = "16M")]
#[test]
#[ignore = "started by other tests"]
fn forks(volumes: Session) {
    let name = volumes.volumes()[0].lv_name().to_owned();
    // SAFETY: no other thread of this process works meanwhile: libtest's own waits for this test.
    match unsafe { nix::unistd::fork() }.unwrap() {
        nix::unistd::ForkResult::Child => {
            // As a test's body would that returns, or says that it is done.
            let closed = volumes.close().is_ok();
            // SAFETY: leaves at once, without the test harness's own end.
            unsafe { nix::libc::_exit(if closed { 0 } else { 1 }) };
        }
        nix::unistd::ForkResult::Parent { child } => {
            let ended = nix::sys::wait::waitpid(child, None).unwrap();
            assert_eq!(ended, nix::sys::wait::WaitStatus::Exited(child, 0));
        }
    }
    let records = fs::read_to_string(state_file()).unwrap();
    assert!(records.contains(&name), "the child gave its parent's volume back");
    assert_eq!(volumes.close().map_err(|err| err.chain()), Ok(()));
}

/// Forks a child that has the parent's lease open still, and ends when its standard input does.
#[kdev_volumes(test = "16M")]
#[test]
#[ignore = "started by other tests"]
fn forks_a_child_that_stays() {
    // SAFETY: the child makes system calls only.
    match unsafe { nix::unistd::fork() }.unwrap() {
        nix::unistd::ForkResult::Child => {
            while nix::unistd::read(std::io::stdin(), &mut [0]).is_ok_and(|length| length > 0) {}
            // SAFETY: leaves at once, without the test harness's own end.
            unsafe { nix::libc::_exit(0) };
        }
        nix::unistd::ForkResult::Parent { .. } => wait_to_be_killed(),
    }
}

/// Gives up root for good.
#[kdev_volumes(test = "16M")]
#[test]
#[ignore = "started by other tests"]
fn waits_as_nobody() {
    let nobody = crate::scene::NOBODY;
    nix::unistd::setgid(nobody.into()).unwrap();
    nix::unistd::setuid(nobody.into()).unwrap();
    wait_to_be_killed();
}

extern "C" fn end_this_thread(_: nix::libc::c_int) {
    // SAFETY: a system call is allowed in a signal handler. It ends the thread, and not the process.
    unsafe { nix::libc::syscall(nix::libc::SYS_exit, 0) };
}

/// Lives on in its test's thread, without the first one, which only waits for the test.
#[kdev_volumes(test = "16M")]
#[test]
#[ignore = "started by other tests"]
fn waits_without_its_first_thread() {
    use nix::sys::signal::{SaFlags, SigAction, SigHandler, SigSet, Signal, sigaction};
    let end = SigAction::new(
        SigHandler::Handler(end_this_thread),
        SaFlags::empty(),
        SigSet::empty(),
    );
    let first = nix::unistd::getpid().as_raw();
    assert_ne!(nix::unistd::gettid().as_raw(), first);
    // SAFETY: the handler makes one system call. What the first thread has on its stack stays there.
    unsafe {
        sigaction(Signal::SIGUSR1, &end).unwrap();
        nix::libc::syscall(nix::libc::SYS_tgkill, first, first, nix::libc::SIGUSR1);
    }
    wait_to_be_killed();
}
