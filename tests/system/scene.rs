//! A state directory of a test's own, and the processes that the test lets loose on it.

use std::env;
use std::fs::{self, Permissions};
use std::os::unix::fs::PermissionsExt;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, Command, Output, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use nix::sys::signal::{Signal, killpg};
use nix::unistd::Pid;
use serde_json::Value;
use tempfile::TempDir;

/// Long enough for a busy machine: nothing is measured by it, it ends a test that hangs.
const PATIENCE: Duration = Duration::from_secs(120);

/// What nextest says, so that a process which is started for a test runs it itself.
pub(crate) const AS_UNDER_NEXTEST: (&str, &str) = ("NEXTEST_EXECUTION_MODE", "process-per-test");

/// A user who is not root, and has no rights of any kind.
pub(crate) const NOBODY: u32 = 65534;

pub(crate) struct Scene {
    dir: Dir,
    pool: Option<String>,
    has_watchdogs: bool,
}

impl Scene {
    /// Without a pool: volumes are loop devices.
    pub(crate) fn embedded() -> Self {
        Self {
            dir: Dir::Temporary(tempfile::tempdir().unwrap()),
            pool: None,
            has_watchdogs: false,
        }
    }

    /// Lets the children have watchdogs. Elsewhere they have none, so that the dead stay as they died
    /// until the test has somebody look.
    pub(crate) fn with_watchdogs(mut self) -> Self {
        self.has_watchdogs = true;
        self
    }

    /// With `KERNELDEV_DEVICE_POOL` set to a name, whether there is such a pool or not.
    pub(crate) fn with_pool_named(pool: &str) -> Self {
        let mut scene = Self::embedded();
        scene.pool = Some(pool.to_owned());
        scene
    }

    /// One whose files outlive this process and a reboot, found again by its name.
    #[cfg(feature = "test-bed")]
    pub(crate) fn lasting(pool: &str) -> Self {
        let path = env::temp_dir().join("scenes").join(pool);
        fs::create_dir_all(path.join("tmp")).unwrap();
        let mut scene = Self::with_pool_named(pool);
        scene.dir = Dir::Lasting(path);
        scene
    }

    /// Volumes are image files, in a directory below this scene's own.
    pub(crate) fn images() -> Self {
        let scene = Self::with_pool_named("images");
        scene.make_tmp();
        scene
    }

    /// The files of images and marks of kept ones, of all users.
    pub(crate) fn image_files(&self) -> Vec<PathBuf> {
        let entries = fs::read_dir(self.tmp()).into_iter().flatten();
        let directories = entries
            .map(|entry| entry.unwrap().path())
            .filter(|path| is_for_images(path) && path.is_dir());
        let files = directories.flat_map(|directory| fs::read_dir(directory).unwrap());
        let mut files: Vec<PathBuf> = files.map(|entry| entry.unwrap().path()).collect();
        files.sort();
        files
    }

    /// The names of the volumes whose images are there.
    pub(crate) fn image_names(&self) -> Vec<String> {
        let files = self.image_files().into_iter();
        let names = files.filter_map(|path| path.file_name()?.to_str().map(str::to_owned));
        names
            .filter_map(|name| name.strip_suffix(".img").map(str::to_owned))
            .collect()
    }

    /// Makes all of the scene another user's.
    pub(crate) fn give_all_to(&self, user: u32) {
        let owner = format!("{user}:{user}");
        let mut chown = Command::new("chown");
        chown.args(["--recursive", &owner]).arg(self.path("")).good();
    }

    pub(crate) fn state_dir(&self) -> PathBuf {
        self.dir.path().join("state")
    }

    /// Makes the state directory, if there is one, and what is in it another user's.
    pub(crate) fn give_state_to(&self, user: u32) {
        if self.state_dir().exists() {
            let owner = format!("{user}:{user}");
            self.program("chown")
                .args(["--recursive", &owner])
                .arg(self.state_dir())
                .good();
        }
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    /// Where mount points are made, and nothing else is left: this scene's own, for what runs after this.
    pub(crate) fn make_tmp(&self) {
        fs::create_dir(self.tmp()).unwrap();
    }

    pub(crate) fn tmp(&self) -> PathBuf {
        self.path("tmp")
    }

    /// What is in it, but for images.
    pub(crate) fn mount_points(&self) -> Vec<PathBuf> {
        let entries = fs::read_dir(self.tmp()).unwrap();
        let paths = entries.map(|entry| entry.unwrap().path());
        paths.filter(|path| !is_for_images(path)).collect()
    }

    /// A program in the environment of this scene, and nothing else of ours or of the test runner's.
    pub(crate) fn program(&self, program: impl AsRef<Path>) -> Command {
        let mut command = Command::new(program.as_ref());
        for (name, _) in env::vars_os() {
            let name_text = name.to_string_lossy();
            if ["NEXTEST", "KDEV_", "KERNELDEV_", "SUDO_"]
                .iter()
                .any(|prefix| name_text.starts_with(prefix))
            {
                command.env_remove(&name);
            }
        }
        command
            .env("KDEV_STATE_DIR", self.state_dir())
            .env("CHILD_READY", self.path("ready"))
            // A pool that is full against expectation fails the test, and does not hang it. What is to wait
            // says so.
            .env("KDEV_WAIT", "0")
            .stdin(Stdio::null());
        // LVM makes PVs and VGs there too, which is what is tested then.
        if !has_device_mapper() {
            command.env("KDEV_ASSUME_DEVICE_MAPPER", "1");
        }
        if !self.has_watchdogs {
            command.env("KDEV_WATCHDOG", "off");
        }
        if let Some(pool) = &self.pool {
            command.env("KERNELDEV_DEVICE_POOL", pool);
        }
        if self.tmp().exists() {
            command.env("TMPDIR", self.tmp());
        }
        command
    }

    /// The command `kdev`.
    pub(crate) fn kdev(&self, args: &[&str]) -> Command {
        let mut command = self.program(env!("CARGO_BIN_EXE_kdev"));
        command.args(args);
        command
    }

    /// What `kdev pool status --json` says.
    pub(crate) fn status(&self) -> Value {
        let said = self.kdev(&["pool", "status", "--json"]).good();
        serde_json::from_str(&said).expect("it is one JSON document")
    }

    /// What it says of one volume.
    pub(crate) fn volume_status(&self, lv_name: &str) -> Value {
        find_volume(&self.status(), lv_name)
    }

    /// The command `kdev`, as another user runs it, who may come as far as the scene's directory.
    pub(crate) fn kdev_as_nobody(&self, args: &[&str]) -> Command {
        self.kdev_as(NOBODY, args)
    }

    /// The same, as a user runs it whose group has the same number.
    pub(crate) fn kdev_as(&self, user: u32, args: &[&str]) -> Command {
        let program = self.path("kdev");
        if !program.exists() {
            fs::copy(env!("CARGO_BIN_EXE_kdev"), &program).unwrap();
        }
        fs::set_permissions(self.path(""), Permissions::from_mode(0o755)).unwrap();
        let mut command = self.program(&program);
        command.args(args).uid(user).gid(user);
        command
    }

    /// One of the annotated tests in `children`, as a process of its own.
    pub(crate) fn child(&self, name: &str) -> Command {
        let mut command = self.program(env::current_exe().unwrap());
        command.args([
            "--exact",
            &format!("children::{name}"),
            "--ignored",
            "--nocapture",
        ]);
        command.env(AS_UNDER_NEXTEST.0, AS_UNDER_NEXTEST.1);
        command
    }

    /// Such a process of another user, whose all of the scene has to be.
    pub(crate) fn child_as_nobody(&self, name: &str) -> Command {
        self.child_as(NOBODY, name)
    }

    /// The same, of a user whose group has the same number.
    pub(crate) fn child_as(&self, user: u32, name: &str) -> Command {
        let program = self.path("program");
        if !program.exists() {
            fs::copy(env::current_exe().unwrap(), &program).unwrap();
        }
        let child = self.child(name);
        let mut command = self.program(&program);
        command
            .args(child.get_args())
            .env(AS_UNDER_NEXTEST.0, AS_UNDER_NEXTEST.1);
        command.uid(user).gid(user);
        command
    }

    /// Starts a child and waits until it says that it is ready.
    pub(crate) fn start(&self, name: &str) -> Running {
        self.start_command(&mut self.child(name))
    }

    /// Does so for a child whose environment has been changed.
    pub(crate) fn start_command(&self, child: &mut Command) -> Running {
        let ready = self.path("ready");
        // It is there if an earlier child was ready.
        let _ = fs::remove_file(&ready);
        let child = child.process_group(0).stdout(Stdio::null()).spawn().unwrap();
        let mut running = Running { child };
        wait_until("the child is ready", || {
            assert_eq!(
                running.child.try_wait().unwrap(),
                None,
                "the child ended before it was ready"
            );
            ready.exists()
        });
        running
    }

    /// Starts a child that never says that it is ready.
    #[cfg(feature = "test-bed")]
    pub(crate) fn start_without_waiting(&self, name: &str) -> Running {
        let child = self
            .child(name)
            .process_group(0)
            .stdout(Stdio::null())
            .spawn()
            .unwrap();
        Running { child }
    }

    /// A new directory, from which whatever is mounted there is unmounted when it is dropped.
    pub(crate) fn mount_point(&self) -> MountPoint {
        let path = tempfile::tempdir_in(self.dir.path()).unwrap().keep();
        MountPoint { path }
    }

    pub(crate) fn records(&self) -> Vec<Value> {
        let text = match fs::read(self.state_dir().join("lv-state.json")) {
            Ok(text) => text,
            Err(_) => return Vec::new(),
        };
        let file: Value = serde_json::from_slice(&text).expect("the state file is always valid JSON");
        file["allocations"].as_array().unwrap().clone()
    }

    /// Writes something else into a record, such as that its volume was made at another time.
    pub(crate) fn change_record(&self, lv_name: &str, key: &str, value: &str) {
        let mut records = self.records();
        let record = records.iter_mut().find(|record| record["lv_name"] == lv_name);
        record.unwrap()[key] = value.into();
        let text = serde_json::json!({ "version": 1, "allocations": records }).to_string();
        fs::write(self.state_dir().join("lv-state.json"), text).unwrap();
    }

    /// Writes the records anew as kerneldev-mcp does, with no key but its own.
    pub(crate) fn rewrite_as_kerneldev_mcp(&self) {
        const KEYS: [&str; 8] = [
            "lv_path",
            "lv_name",
            "pool_name",
            "vg_name",
            "volume_spec",
            "pid",
            "allocated_at",
            "session_id",
        ];
        let mut records = self.records();
        for record in &mut records {
            let record = record.as_object_mut().unwrap();
            record.retain(|key, _| KEYS.contains(&key.as_str()));
        }
        let text = serde_json::json!({ "allocations": records }).to_string();
        fs::write(self.state_dir().join("lv-state.json"), text).unwrap();
    }

    pub(crate) fn leases(&self) -> Vec<PathBuf> {
        let entries = fs::read_dir(self.state_dir().join("leases"))
            .into_iter()
            .flatten();
        entries.map(|entry| entry.unwrap().path()).collect()
    }

    /// The watchdogs of this scene's processes, by pid.
    pub(crate) fn watchdogs(&self) -> Vec<u32> {
        let mine = format!("KDEV_STATE_DIR={}", self.state_dir().display());
        let is_mine = |pid: &u32| {
            let read = |file| fs::read(format!("/proc/{pid}/{file}")).unwrap_or_default();
            let environment = read("environ");
            read("comm") == b"kdev-watchdog\n"
                && environment
                    .split(|&byte| byte == 0)
                    .any(|entry| entry == mine.as_bytes())
        };
        let entries = fs::read_dir("/proc").unwrap();
        entries
            .filter_map(|entry| entry.ok()?.file_name().to_str()?.parse().ok())
            .filter(is_mine)
            .collect()
    }

    /// Waits until nothing is left that a watchdog would take care of, nor a watchdog.
    pub(crate) fn wait_for_watchdogs(&self) {
        wait_until("the watchdogs are done", || self.watchdogs().is_empty());
        self.assert_no_trace();
    }

    /// Tells whether no record, no lease and no image is left.
    pub(crate) fn is_without_trace(&self) -> bool {
        self.records().is_empty()
            && self.leases().is_empty()
            && self.unfinished().is_empty()
            && self.image_files().is_empty()
    }

    /// Files that were to take another's place.
    fn unfinished(&self) -> Vec<PathBuf> {
        let entries = fs::read_dir(self.state_dir()).into_iter().flatten();
        entries
            .map(|entry| entry.unwrap().path())
            .filter(|path| path.file_name().unwrap().to_string_lossy().starts_with('.'))
            .collect()
    }

    /// No record, no lease and no image is left.
    pub(crate) fn assert_no_trace(&self) {
        assert_eq!(self.records(), Vec::<Value>::new());
        assert_eq!(self.leases(), Vec::<PathBuf>::new());
        assert_eq!(self.unfinished(), Vec::<PathBuf>::new());
        assert_eq!(self.image_files(), Vec::<PathBuf>::new());
    }
}

enum Dir {
    Temporary(TempDir),
    #[cfg(feature = "test-bed")]
    Lasting(PathBuf),
}

impl Dir {
    fn path(&self) -> &Path {
        match self {
            Self::Temporary(dir) => dir.path(),
            #[cfg(feature = "test-bed")]
            Self::Lasting(path) => path,
        }
    }
}

impl Drop for Scene {
    fn drop(&mut self) {
        // A test that failed may have been before its own cleanup. Its failure is what is reported.
        if thread::panicking() {
            // It may have made the state another user's, which root refuses.
            let mut to_root = Command::new("chown");
            to_root.args(["--recursive", "--no-dereference", "0:0"]);
            let _ = to_root.arg(self.state_dir()).arg(self.tmp()).output();
            let _ = self.kdev(&["pool", "cleanup", "--kept"]).output();
        }
    }
}

/// Tells whether this machine can have LVs.
pub(crate) fn has_device_mapper() -> bool {
    let misc = fs::read_to_string("/proc/misc").unwrap();
    misc.contains("device-mapper") && Path::new("/dev/mapper/control").exists()
}

fn is_for_images(path: &Path) -> bool {
    path.file_name()
        .is_some_and(|name| name.to_string_lossy().starts_with("kdev-images-"))
}

/// A child that is killed when the test ends, however it ends.
pub(crate) struct Running {
    child: Child,
}

impl Running {
    /// Starts a command that says nothing of being ready.
    #[cfg(feature = "test-bed")]
    pub(crate) fn of(mut command: Command) -> Self {
        let child = command.process_group(0).spawn().unwrap();
        Self { child }
    }

    /// Tells whether it has ended.
    #[cfg(feature = "test-bed")]
    pub(crate) fn has_ended(&mut self) -> bool {
        self.child.try_wait().unwrap().is_some()
    }

    /// Waits for its end, and tells whether it ended well.
    #[cfg(feature = "test-bed")]
    pub(crate) fn succeeds(mut self) -> bool {
        self.child.wait().unwrap().success()
    }

    pub(crate) fn pid(&self) -> u32 {
        self.child.id()
    }

    /// Sends a signal to its process group, as a terminal and a test runner do.
    pub(crate) fn signal_group(&self, signal: Signal) {
        killpg(Pid::from_raw(i32::try_from(self.pid()).unwrap()), signal).unwrap();
    }

    /// Waits for its end.
    pub(crate) fn wait(mut self) {
        self.child.wait().unwrap();
    }

    /// Takes what was piped to it, which would be closed when it is waited for.
    pub(crate) fn take_input(&mut self) -> Option<ChildStdin> {
        self.child.stdin.take()
    }

    /// Ends it with SIGKILL, and waits for its end.
    pub(crate) fn kill(mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        // It may be dead already.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// See [`Scene::mount_point`].
pub(crate) struct MountPoint {
    pub(crate) path: PathBuf,
}

impl MountPoint {
    pub(crate) fn mount(self, device: &Path) -> Self {
        Command::new("mount").arg(device).arg(&self.path).good();
        self
    }
}

impl Drop for MountPoint {
    fn drop(&mut self) {
        // A test that failed may have been before the mount.
        let _ = Command::new("umount").arg(&self.path).output();
    }
}

/// One volume of what `kdev pool status --json` says.
pub(crate) fn find_volume(status: &Value, lv_name: &str) -> Value {
    let pools = status["pools"].as_array().unwrap().iter();
    let mut volumes = pools.flat_map(|pool| pool["volumes"].as_array().unwrap());
    let found = volumes.find(|volume| volume["lv_name"] == lv_name);
    found
        .unwrap_or_else(|| panic!("no `{lv_name}` in {status}"))
        .clone()
}

pub(crate) fn wait_until(what: &str, mut is_so: impl FnMut() -> bool) {
    let deadline = Instant::now() + PATIENCE;
    while !is_so() {
        assert!(
            Instant::now() < deadline,
            "waited for {PATIENCE:?}, and still not: {what}"
        );
        thread::sleep(Duration::from_millis(5));
    }
}

/// What a command wrote and how it ended, as text.
pub(crate) struct Said {
    pub(crate) code: Option<i32>,
    pub(crate) out: String,
    pub(crate) err: String,
}

pub(crate) trait Say {
    fn say(&mut self) -> Said;

    /// Runs the command, which must succeed, and returns its standard output.
    fn good(&mut self) -> String {
        let said = self.say();
        assert_eq!(said.code, Some(0), "{}\n{}", said.out, said.err);
        said.out
    }
}

impl Say for Command {
    fn say(&mut self) -> Said {
        let Output {
            status,
            stdout,
            stderr,
        } = self.output().unwrap();
        Said {
            code: status.code(),
            out: String::from_utf8(stdout).unwrap(),
            err: String::from_utf8(stderr).unwrap(),
        }
    }
}
