//! Annotated tests that other tests start as processes of their own, kill, and look after.

use std::env;
use std::fs;
use std::io::{Seek, SeekFrom, Write};
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::thread;

use kdev_volumes::{Bytes, Error, Pool, Session, Spec, TestDev, Volume, VolumeSpec, kdev_volumes};

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
fn passes_when_a_file_is_there() {
    let file = PathBuf::from(env::var_os("CHILD_FILE").unwrap());
    while !file.exists() {
        thread::sleep(std::time::Duration::from_millis(5));
    }
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

/// No test itself, and so nothing that a runner knows.
#[kdev_volumes(test = "16M")]
fn annotated(test: &Volume) {
    assert_eq!(env::var_os("TEST_DEV").as_deref(), Some(test.path().as_os_str()));
}

#[test]
#[ignore = "started by other tests"]
fn calls_an_annotated_function() {
    annotated();
}

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

/// Leaves one that the library has mounted.
#[kdev_volumes(test(size = "32M", mkfs = "ext4"))]
#[test]
#[ignore = "started by other tests"]
fn waits_while_mounted_by_guard(test: Volume) {
    let mount = test.mount().unwrap();
    fs::write(mount.path().join("file"), "content").unwrap();
    wait_to_be_killed();
}

#[kdev_volumes(test = "16M")]
#[test]
#[ignore = "started by other tests"]
fn waits() {
    wait_to_be_killed();
}

/// Holds a second session beside the one of the attribute.
#[kdev_volumes(test = "16M")]
#[test]
#[ignore = "started by other tests"]
fn waits_with_two_sessions() {
    let spec = Spec::new([VolumeSpec::new("more", "16M".parse().unwrap()).unwrap()]).unwrap();
    let _more = Pool::from_env().unwrap().allocate(&spec).unwrap();
    wait_to_be_killed();
}

#[kdev_volumes(test = "16M")]
#[test]
#[ignore = "started by other tests"]
fn aborts() {
    std::process::abort();
}

#[kdev_volumes(test = "16M")]
#[test]
#[ignore = "started by other tests"]
fn exits() {
    std::process::exit(0);
}

/// Hangs, until its runner loses patience.
#[kdev_volumes(test = "16M")]
#[test]
#[ignore = "started by other tests"]
fn hangs() {
    loop {
        thread::park();
    }
}

/// Waits for all of its children, as some tests do: its watchdog is none.
#[kdev_volumes(test = "16M")]
#[test]
#[ignore = "started by other tests"]
fn has_no_child_to_wait_for() {
    let at_once = Some(nix::sys::wait::WaitPidFlag::WNOHANG);
    let ended = nix::sys::wait::waitpid(None::<nix::unistd::Pid>, at_once);
    assert_eq!(ended, Err(nix::errno::Errno::ECHILD));
    fs::write(env::var_os("CHILD_READY").unwrap(), "").unwrap();
}

/// Its first child is to be the first process of another pid namespace, and its volumes come before it.
#[test]
#[ignore = "started by other tests"]
fn takes_its_children_elsewhere() {
    nix::sched::unshare(nix::sched::CloneFlags::CLONE_NEWPID).unwrap();
    let spec = Spec::new([VolumeSpec::new("test", "16M".parse().unwrap()).unwrap()]).unwrap();
    let session = Pool::from_env().unwrap().allocate(&spec).unwrap();
    let first = Command::new("sh").args(["-c", "echo $$"]).output().unwrap();
    assert_eq!(first.stdout, b"1\n", "the namespace is the test's own");
    session.close().unwrap();
}

/// Writes its own name all over its volumes, and looks whether it is still there.
#[test]
#[ignore = "started by other tests"]
fn stamps() {
    let number = |variable: &str| env::var(variable).unwrap().parse::<u64>().unwrap();
    let specs = (0..number("CHILD_VOLUMES"))
        .map(|count| VolumeSpec::new(&format!("v{count}"), "8M".parse().unwrap()).unwrap());
    let session = Pool::from_env()
        .unwrap()
        .allocate(&Spec::new(specs).unwrap())
        .unwrap();
    let places = |volume: &Volume| [0, volume.size().get() / 2, volume.size().get() - 4096];
    let stamp = |volume: &Volume, at: u64| {
        let text = format!("{} {} {at} ", std::process::id(), volume.lv_name());
        text.bytes().cycle().take(4096).collect::<Vec<u8>>()
    };
    for volume in session.volumes() {
        let device = volume.open().unwrap();
        let mut first = [1; 4096];
        device.read_exact_at(&mut first, 0).unwrap();
        assert_eq!(first, [0; 4096], "{} is not fresh", volume.lv_name());
        for at in places(volume) {
            device.write_all_at(&stamp(volume, at), at).unwrap();
        }
        device.sync_all().unwrap();
    }
    thread::sleep(std::time::Duration::from_millis(number("CHILD_HOLDS_MS")));
    for volume in session.volumes() {
        let device = volume.open().unwrap();
        // From the device, not from what was cached of it.
        nix::fcntl::posix_fadvise(&device, 0, 0, nix::fcntl::PosixFadviseAdvice::POSIX_FADV_DONTNEED)
            .unwrap();
        for at in places(volume) {
            let mut found = vec![0; 4096];
            device.read_exact_at(&mut found, at).unwrap();
            assert!(
                found == stamp(volume, at),
                "{} has not its stamp at {at}, but {:?}",
                volume.lv_name(),
                String::from_utf8_lossy(&found[..80])
            );
        }
    }
    session.close().unwrap();
}

/// Has a copy of its standard output open that programs which it starts inherit, and leaves a volume
/// behind that takes its time to be removed.
#[test]
#[ignore = "started by other tests"]
fn exits_with_a_leaky_descriptor() {
    std::mem::forget(nix::unistd::dup(std::io::stdout()).unwrap());
    let spec = Spec::new([VolumeSpec::new("test", "16M".parse().unwrap()).unwrap()]).unwrap();
    let _session = Pool::from_env().unwrap().allocate(&spec).unwrap();
    std::process::exit(0);
}

/// Stacks a device on both of its volumes, and one on a volume and somebody else's device.
#[cfg(feature = "test-bed")]
#[kdev_volumes(test = "16M", scratch = "16M", shared = "16M")]
#[test]
#[ignore = "started by other tests"]
fn waits_under_mapped_devices(test: Volume, scratch: Volume, shared: Volume) {
    let map = |name: &str, below: [&Path; 2]| {
        let [one, two] = below.map(|path| path.display().to_string());
        let table = format!("0 8192 linear {one} 0\n8192 8192 linear {two} 0\n");
        let mut dmsetup = Command::new("dmsetup");
        let name = format!("{}-{name}", env::var("CHILD_MAPPED").unwrap());
        dmsetup.args(["create", &name, "--table", &table]);
        assert!(dmsetup.status().unwrap().success());
    };
    let foreign = PathBuf::from(env::var_os("CHILD_FOREIGN_DEVICE").unwrap());
    map("own", [test.path(), scratch.path()]);
    map("shared", [shared.path(), &foreign]);
    wait_to_be_killed();
}

/// Leaves a file system on its volume, in that a file, on that a loop device, and on that another
/// mounted file system; and swaps to its second volume.
#[kdev_volumes(test = "64M", swap = "16M")]
#[test]
#[ignore = "started by other tests"]
fn waits_under_a_tower(test: Volume, swap: Volume) {
    let point = PathBuf::from(env::var_os("CHILD_MOUNT_POINT").unwrap());
    let upper = PathBuf::from(env::var_os("CHILD_UPPER_MOUNT_POINT").unwrap());
    make_filesystem(&test);
    succeed("mount", &[test.path(), &point]);
    let file = point.join("image");
    fs::File::create(&file).unwrap().set_len(16 << 20).unwrap();
    succeed("mkfs.ext4", &["-q".as_ref(), "-F".as_ref(), &file]);
    succeed("mount", &["-oloop".as_ref(), &file, &upper]);
    succeed("mkswap", &["-q".as_ref(), swap.path()]);
    succeed("swapon", &[swap.path()]);
    wait_to_be_killed();
}

/// The file system that is mounted of its volume holds another, which is mounted too.
#[kdev_volumes(test = "64M")]
#[test]
#[ignore = "started by other tests"]
fn waits_under_an_inner_image(test: Volume) {
    let [point, upper] = ["CHILD_MOUNT_POINT", "CHILD_UPPER_MOUNT_POINT"]
        .map(|variable| PathBuf::from(env::var_os(variable).unwrap()));
    make_filesystem(&test);
    succeed("mount", &[test.path(), &point]);
    let file = point.join("image");
    fs::File::create(&file).unwrap().set_len(16 << 20).unwrap();
    succeed("mkfs.ext4", &["-q".as_ref(), "-F".as_ref(), &file]);
    succeed("mount", &["-oloop".as_ref(), &file, &upper]);
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

/// Takes images by their constructor, of a size that is not whole.
#[test]
#[ignore = "started by other tests"]
fn takes_an_image_by_name() {
    let spec = Spec::new([VolumeSpec::new("odd", "5000".parse().unwrap()).unwrap()]).unwrap();
    let pool = Pool::images().unwrap();
    assert_eq!(pool.name(), Pool::named("images").unwrap().name());
    let session = pool.allocate(&spec).unwrap();
    let volume = session.volume("odd").unwrap();
    assert_eq!(volume.size().get(), 8192);
    assert_eq!(fs::metadata(volume.path()).unwrap().len(), 8192);
    session.close().unwrap();
}

/// What can be done with an image without any rights.
#[kdev_volumes(test(size = "16M", mkfs = "ext4"))]
#[test]
#[ignore = "started by other tests"]
fn checks_its_image_and_cannot_mount_it(test: Volume) {
    succeed("e2fsck", &["-fn".as_ref(), test.path()]);
    let err = test.mount().unwrap_err();
    assert!(matches!(err, Error::NotRoot { .. }), "{err}");
    test.close().unwrap();
}

/// Keeps its volume by its own decision.
#[kdev_volumes(test = "16M")]
#[test]
#[ignore = "started by other tests"]
fn keeps(test: Volume) -> kdev_volumes::Result<()> {
    test.keep()
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

/// Says what the device in the environment is. No annotated test: as any program that is told of a device.
#[test]
#[ignore = "started by other tests"]
fn says_what_it_is_told() {
    let variable = env::var("CHILD_VARIABLE").unwrap_or("TEST_DEV".into());
    match TestDev::from_var(&variable) {
        Ok(device) => {
            assert!(device.open().unwrap().metadata().is_ok());
            println!(
                "OURS {} {} {}",
                device.path().display(),
                device.size(),
                device.lv_name()
            );
        }
        Err(err) => println!("REFUSED {}", err.chain()),
    }
}

/// Has other programs say what they are told of its volumes.
#[kdev_volumes(test = "16M", scratch = "32M")]
#[test]
#[ignore = "started by other tests"]
fn tells_a_program(test: Volume, scratch: Volume) {
    for (variable, volume) in [("TEST_DEV", &test), ("SCRATCH_DEV", &scratch)] {
        let mut program = Command::new(env::current_exe().unwrap());
        program.args(["--exact", "children::says_what_it_is_told", "--ignored"]);
        program.arg("--nocapture").env("CHILD_VARIABLE", variable);
        let said = String::from_utf8(program.output().unwrap().stdout).unwrap();
        let path = volume.path().display();
        let expected = format!("OURS {path} {} {}\n", volume.size(), volume.lv_name());
        assert!(said.contains(&expected), "{said}");
    }
}

/// Reads the environment itself, and gives its volume back meanwhile.
#[kdev_volumes(test = "16M")]
#[test]
#[ignore = "started by other tests"]
fn reads_the_environment_and_gives_back(test: Volume) {
    let device = TestDev::from_env().unwrap();
    assert_eq!(
        (device.path(), device.size(), device.lv_name()),
        (test.path(), test.size(), test.lv_name())
    );
    drop(device.open().unwrap());
    test.close().unwrap();
    assert!(device.open().is_err(), "there may be another device by now");
    assert!(TestDev::from_env().is_err());
}

/// Writes into each of its filesystems, and reads it after it was mounted anew.
#[kdev_volumes(
    ext(size = "16M", mkfs = "ext4", mkfs_args = ["-L", "a label"]),
    xfs(size = "320M", mkfs = "xfs"),
    btrfs(size = "128M", mkfs = "btrfs"),
    empty = "16M",
)]
#[test]
#[ignore = "started by other tests"]
fn writes_to_its_filesystems(mut all: Session) -> kdev_volumes::Result<()> {
    let about = |tag: &str, volume: &Volume| {
        let args = ["--probe", "--output", "value", "--match-tag", tag];
        let mut blkid = Command::new("blkid");
        let output = blkid.args(args).arg(volume.path()).output().unwrap();
        String::from_utf8(output.stdout).unwrap().trim().to_owned()
    };
    let types: Vec<String> = all.volumes().iter().map(|volume| about("TYPE", volume)).collect();
    assert_eq!(types, ["ext4", "xfs", "btrfs", ""]);
    assert_eq!(about("LABEL", &all.volumes()[0]), "a label");
    for name in ["ext", "xfs", "btrfs"] {
        let volume = all.take(name).unwrap();
        let mount = volume.mount()?;
        assert_eq!(mount.path().file_name().unwrap(), volume.lv_name());
        fs::write(mount.path().join("file"), name).unwrap();
        mount.unmount()?;
        let mount = volume.mount_with("ro,noatime")?;
        let lv_name = volume.lv_name().to_owned();
        drop(volume);
        assert_eq!(fs::read_to_string(mount.path().join("file")).unwrap(), name);
        let refused = fs::write(mount.path().join("file"), "more").unwrap_err();
        assert_eq!(refused.kind(), std::io::ErrorKind::ReadOnlyFilesystem);
        let again = all.volumes().iter().all(|volume| volume.lv_name() != lv_name);
        assert!(again && mount.path().exists());
    }
    let Err(Error::Command { stderr, .. }) = all.volume("empty").unwrap().mount() else {
        panic!("there is nothing to mount");
    };
    assert!(stderr.contains("wrong fs type"), "{stderr}");
    Ok(())
}

#[kdev_volumes(test(size = "16M", mkfs = "ext4"))]
#[test]
#[ignore = "started by other tests"]
fn passes_with_a_filesystem() {}

#[kdev_volumes(test(size = "16M", mkfs = "kdev-built"))]
#[test]
#[ignore = "started by other tests"]
fn passes_with_a_filesystem_that_was_just_built() {}

/// The first example of all.
#[kdev_volumes(test = "16M")]
#[test]
#[ignore = "started by other tests"]
fn runs_mkfs_by_its_name(test: Volume) {
    succeed("mkfs.ext4", &["-q".as_ref(), test.path()]);
    succeed("true", &[]);
}

/// The smallest life of a filesystem.
#[kdev_volumes(test(size = "16M", mkfs = "ext4"))]
#[test]
#[ignore = "started by other tests"]
fn mounts_and_unmounts(test: Volume) {
    let mount = test.mount().unwrap();
    fs::write(mount.path().join("file"), "content").unwrap();
}

#[kdev_volumes(test(size = "16M", mkfs = "ext4"), scratch(size = "16M", mkfs = "xfs"))]
#[test]
#[ignore = "started by other tests"]
fn wants_a_filesystem_that_does_not_fit() {
    panic!("got an XFS of 16 MiB");
}

#[kdev_volumes(test(size = "16M", mkfs = "ext4"), scratch(size = "16M", mkfs = "kdev-none"))]
#[test]
#[ignore = "started by other tests"]
fn wants_a_filesystem_that_nobody_makes() {
    panic!("got a filesystem that there is not");
}

/// What it has open is closed while its mount is waited for.
#[kdev_volumes(test(size = "16M", mkfs = "ext4"))]
#[test]
#[ignore = "started by other tests"]
fn is_in_use_for_a_moment(test: Volume) -> kdev_volumes::Result<()> {
    let mount = test.mount()?;
    let file = fs::File::create(mount.path().join("file")).unwrap();
    let unmounts = format!("/proc/self/task/{}/stat", nix::unistd::gettid());
    let (ready, begun) = std::sync::mpsc::channel();
    let closes = thread::spawn(move || {
        begun.recv().unwrap();
        crate::scene::wait_until("it waits", || {
            let stat = fs::read_to_string(&unmounts).unwrap();
            stat.rsplit_once(") ").unwrap().1.starts_with('S')
        });
        drop(file);
    });
    ready.send(()).unwrap();
    mount.unmount()?;
    closes.join().unwrap();
    Ok(())
}

/// A program of a test's own that is in a directory until this is dropped.
struct Sitting(std::process::Child);

impl Sitting {
    fn new(command: &mut Command) -> Self {
        use std::process::Stdio;
        let quiet = command
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null());
        Self(quiet.spawn().unwrap())
    }
}

impl Drop for Sitting {
    fn drop(&mut self) {
        self.0.kill().unwrap();
        self.0.wait().unwrap();
    }
}

/// Its filesystem is in use for ever: neither the test nor its end takes it from its user.
#[kdev_volumes(test(size = "16M", mkfs = "ext4"))]
#[test]
#[ignore = "started by other tests"]
fn is_in_use_for_ever(test: Volume) -> kdev_volumes::Result<()> {
    let mount = test.mount()?;
    let point = mount.path().to_owned();
    fs::write(point.join("file"), "content").unwrap();
    let user = Sitting::new(Command::new("sleep").arg("infinity").current_dir(&point));
    let err = mount.unmount().unwrap_err();
    assert!(matches!(err, Error::StillMounted { .. }), "{err}");
    let user_is_named = format!("is in use by sleep (pid {})", user.0.id());
    assert!(err.to_string().contains(&user_is_named), "{err}");
    assert_eq!(fs::read_to_string(point.join("file")).unwrap(), "content");
    // A second mount, whose guard is dropped while it is in use.
    let mount = test.mount()?;
    let second = Sitting::new(Command::new("sleep").arg("infinity").current_dir(&mount));
    drop(mount);
    println!("SECOND={}", second.0.id());
    let err = test.close().unwrap_err();
    let mounted = format!("mounted on {}", point.display());
    assert!(
        matches!(err, Error::Busy { .. }) && err.to_string().contains(&mounted),
        "{err}"
    );
    Ok(())
}

/// A mount namespace that is made meanwhile has a copy of the mount.
#[kdev_volumes(test(size = "16M", mkfs = "ext4"))]
#[test]
#[ignore = "started by other tests"]
fn is_mounted_elsewhere_too(test: Volume) -> kdev_volumes::Result<()> {
    let mount = test.mount()?;
    let ready = env::var_os("CHILD_READY").unwrap();
    let script = format!("touch {}; exec sleep infinity", ready.display());
    let private = ["--mount", "--propagation", "private", "sh", "-c", &script];
    let _elsewhere = Sitting::new(Command::new("unshare").args(private));
    crate::scene::wait_until("there is another namespace", || Path::new(&ready).exists());
    mount.unmount()?;
    test.close()
}

/// Closes its volume while it is mounted, which is refused, and then unmounts.
#[kdev_volumes(test(size = "16M", mkfs = "ext4"))]
#[test]
#[ignore = "started by other tests"]
fn closes_while_mounted(test: Volume) -> kdev_volumes::Result<()> {
    let mount = test.mount()?;
    let err = test.close().unwrap_err();
    let mounted = format!("mounted on {}", mount.path().display());
    assert!(
        matches!(err, Error::Busy { .. }) && err.to_string().contains(&mounted),
        "{err}"
    );
    mount.unmount()
}

/// Forks a child that drops its copy of the guard.
#[kdev_volumes(test(size = "16M", mkfs = "ext4"))]
#[test]
#[ignore = "started by other tests"]
fn forks_while_mounted(test: Volume) -> kdev_volumes::Result<()> {
    let mount = test.mount()?;
    let file = mount.path().join("file");
    fs::write(&file, "content").unwrap();
    // SAFETY: no other thread of this process works meanwhile: libtest's own waits for this test.
    match unsafe { nix::unistd::fork() }.unwrap() {
        nix::unistd::ForkResult::Child => {
            drop(mount);
            // SAFETY: leaves at once, without the test harness's own end.
            unsafe { nix::libc::_exit(0) };
        }
        nix::unistd::ForkResult::Parent { child } => {
            nix::sys::wait::waitpid(child, None).unwrap();
        }
    }
    assert_eq!(fs::read_to_string(file).unwrap(), "content");
    mount.unmount()
}

#[kdev_volumes(test(size = "16M", mkfs = "ext4"))]
#[test]
#[ignore = "started by other tests"]
fn waits_in_its_mount(test: Volume) {
    let mount = test.mount().unwrap();
    fs::write(mount.path().join("file"), "content").unwrap();
    wait_to_be_killed();
}

/// Holds its volumes, and says so, until the parent has seen enough.
fn hold() {
    let directory = PathBuf::from(env::var_os("CHILD_HOLDERS").unwrap());
    fs::write(directory.join(std::process::id().to_string()), "").unwrap();
    while !directory.join("enough").exists() {
        thread::sleep(std::time::Duration::from_millis(20));
    }
}

#[kdev_volumes(test = "16M", scratch = "16M")]
#[test]
#[ignore = "started by other tests"]
fn holds_two() {
    hold();
}

#[kdev_volumes(test = "16M")]
#[test]
#[ignore = "started by other tests"]
fn holds_one() {
    hold();
}

#[kdev_volumes(test = "13M")]
#[test]
#[ignore = "started by other tests"]
fn holds_one_that_is_rounded_up() {
    hold();
}

/// What is looked for on the next volume at that place.
const SECRET: &str = "the last test's data";

/// Large enough for a copy of the superblock at block 32768.
#[kdev_volumes(test = "144M")]
#[test]
#[ignore = "started by other tests"]
fn leaves_a_filesystem_behind(test: Volume) {
    let content = tempfile::tempdir().unwrap();
    fs::write(content.path().join("file"), SECRET).unwrap();
    let args = ["-q", "-F", "-b", "4096", "-d"].map(Path::new);
    succeed("mkfs.ext4", &[&args[..], &[content.path(), test.path()]].concat());
    println!("DEVICE={}", test.path().display());
}

/// Says what is there, and what can be brought back.
#[kdev_volumes(test = "144M")]
#[test]
#[ignore = "started by other tests"]
fn looks_for_the_last_filesystem(test: Volume) {
    let holds = |command: &mut Command| command.output().unwrap().status.success();
    println!(
        "KNOWN={}",
        holds(Command::new("blkid").arg("--probe").arg(test.path()))
    );
    let size = format!("--bytes={}", test.size().get());
    println!(
        "ZEROS={}",
        holds(Command::new("cmp").arg(size).arg(test.path()).arg("/dev/zero"))
    );
    let repair = Command::new("e2fsck")
        .args(["-f", "-y", "-b", "32768", "-B", "4096"])
        .arg(test.path())
        .output();
    let read = Command::new("debugfs")
        .args(["-R", "cat /file"])
        .arg(test.path())
        .output()
        .unwrap();
    let is_back = read.stdout == SECRET.as_bytes();
    println!("REPAIRED={is_back}");
    println!("{:?}", repair.unwrap());
}

#[kdev_volumes(test = "16M")]
#[test]
#[ignore = "started by other tests"]
fn fills_its_volume(test: Volume) {
    let device = test.open().unwrap();
    for at in 0..16 {
        device.write_all_at(&[0xa5; 1 << 20], at << 20).unwrap();
    }
    device.sync_all().unwrap();
}

/// Says that it has its volume, and holds it until the parent has seen enough.
#[kdev_volumes(test = "24M")]
#[test]
#[ignore = "started by other tests"]
fn takes_its_turn() {
    let directory = PathBuf::from(env::var_os("CHILD_HOLDERS").unwrap());
    let order = fs::OpenOptions::new()
        .create(true)
        .append(true)
        .open(directory.join("order"));
    writeln!(order.unwrap(), "{}", env::var("CHILD_NAME").unwrap()).unwrap();
    hold();
}

/// On a pool that has less, and gives out more: no test of that volume's own fault.
#[kdev_volumes(test = "200M")]
#[test]
#[ignore = "started by other tests"]
fn overfills_its_pool(test: Volume) {
    // What goes through the page cache fails as it is written back, and as an I/O error.
    let mut dd = Command::new("dd");
    dd.args(["if=/dev/zero", "bs=1M", "oflag=direct"]);
    let status = dd.arg(format!("of={}", test.path().display())).status();
    assert!(status.unwrap().success());
}

#[kdev_volumes(test = "100M")]
#[test]
#[ignore = "started by other tests"]
fn writes_60_mib_and_waits(test: Volume) {
    let device = test.open().unwrap();
    for at in 0..60 {
        device.write_all_at(&[0xa5; 1 << 20], at << 20).unwrap();
    }
    device.sync_data().unwrap();
    drop(device);
    wait_to_be_killed();
}

fn stamp(volume: &Volume, byte: u8) {
    let device = volume.open().unwrap();
    device.write_all_at(&[byte; 1 << 20], 4 << 20).unwrap();
    device.sync_all().unwrap();
}

fn has_stamp(volume: &Volume, byte: u8) -> bool {
    let mut found = vec![0; 1 << 20];
    let device = volume.open().unwrap();
    device.read_exact_at(&mut found, 4 << 20).unwrap();
    found == [byte; 1 << 20]
}

/// Its real size, by its end.
fn end_of(volume: &Volume) -> u64 {
    volume.open().unwrap().seek(SeekFrom::End(0)).unwrap()
}

#[kdev_volumes(test = "16M", scratch = "16M")]
#[test]
#[ignore = "started by other tests"]
fn takes_snapshots_and_resizes(mut test: Volume, scratch: Volume) -> kdev_volumes::Result<()> {
    stamp(&test, 1);
    let before = test.snapshot("before")?;
    assert_eq!((before.size(), before.name()), (test.size(), "before"));
    assert_eq!(end_of(&before), end_of(&test));
    stamp(&test, 2);
    let found = (has_stamp(&before, 1), has_stamp(&test, 2));
    assert_eq!(found, (true, true), "the snapshot stays as it was");
    stamp(&before, 3);
    let found = (has_stamp(&before, 3), has_stamp(&test, 2));
    assert_eq!(found, (true, true), "and can be written to");
    for (name, why) in [
        ("before", "already (choose another name)"),
        ("scratch", "already (choose another name)"),
        ("be-fore", "volume name"),
    ] {
        let err = test.snapshot(name).unwrap_err().to_string();
        println!("REFUSED={err}");
        assert!(err.contains(why), "{name}: {err}");
    }
    before.close()?;

    let (less, more) = ("8M".parse().unwrap(), "24M".parse().unwrap());
    test.resize(more)?;
    assert_eq!((test.size(), end_of(&test)), (more, more.get()));
    assert!(has_stamp(&test, 2));
    let mut added = vec![1; 8 << 20];
    test.open().unwrap().read_exact_at(&mut added, 16 << 20).unwrap();
    println!("ADDED_ZEROS={}", added.iter().all(|&byte| byte == 0));
    test.resize(less)?;
    assert_eq!((test.size(), end_of(&test)), (less, less.get()));
    assert!(has_stamp(&test, 2));
    assert_eq!(end_of(&scratch), 16 << 20);
    let record = fs::read_to_string(state_file()).unwrap();
    assert!(
        record.contains(&format!("\"size_bytes\":{},", less.get())),
        "{record}"
    );
    assert!(test.resize(Bytes::new(0)).is_err());
    if let Ok(program) = env::var("CHILD_PROGRAM") {
        // As a test runs its script: this is its own session.
        let mut program = Command::new(program);
        program.args(["volume", "snapshot", test.lv_name(), "after"]);
        assert!(program.status().unwrap().success());
    }
    Ok(())
}

/// Its snapshot is kept, whatever becomes of the rest.
#[kdev_volumes(test = "16M", scratch = "16M")]
#[test]
#[ignore = "started by other tests"]
fn keeps_its_snapshot(test: Volume) -> kdev_volumes::Result<()> {
    stamp(&test, 1);
    let before = test.snapshot("before")?;
    stamp(&test, 2);
    before.keep()
}

#[kdev_volumes(test = "32M")]
#[test]
#[ignore = "started by other tests"]
fn resizes_and_copies_while_mounted(mut test: Volume) -> kdev_volumes::Result<()> {
    make_filesystem(&test);
    let mount = test.mount()?;
    fs::write(mount.path().join("file"), "content").unwrap();
    let err = test.resize("16M".parse().unwrap()).unwrap_err().to_string();
    assert!(
        err.contains("would be cut off") && err.contains("mounted on"),
        "{err}"
    );
    assert_eq!(end_of(&test), 32 << 20);
    match test.snapshot("before") {
        // Only LVM stops what is mounted.
        Err(err) => println!("REFUSED={err}"),
        Ok(before) => {
            let mounted = before.mount()?;
            let found = fs::read_to_string(mounted.path().join("file")).unwrap();
            assert_eq!(found, "content");
            mounted.unmount()?;
            println!("MOUNTED=true");
        }
    }
    drop(mount);
    Ok(())
}

#[kdev_volumes(test = "16M", scratch = "16M")]
#[test]
#[ignore = "started by other tests"]
fn takes_a_snapshot_by_a_taken_name_without_records(test: Volume, scratch: Volume) {
    stamp(&scratch, 1);
    let state = env::var("KDEV_STATE_DIR").unwrap();
    fs::remove_file(Path::new(&state).join("lv-state.json")).unwrap();
    let err = test.snapshot("scratch").unwrap_err().to_string();
    assert!(err.contains("-scratch` already (choose another name)"), "{err}");
    assert!(has_stamp(&scratch, 1), "it is there still");
}

#[kdev_volumes(test = "16M")]
#[test]
#[ignore = "started by other tests"]
fn waits_with_a_snapshot(test: Volume) -> kdev_volumes::Result<()> {
    let _before = test.snapshot("before")?;
    wait_to_be_killed();
}
