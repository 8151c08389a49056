//! Ordinary users, who have LVs by sudo and kdev-root: what they can do, and every way in that is none.

mod hostile;
mod install;
mod own;
mod races;

use std::ffi::OsStr;
use std::fs::{self, DirBuilder, File, Permissions};
use std::io::Write;
use std::os::unix::fs::{DirBuilderExt, MetadataExt, PermissionsExt};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::Command;

use nix::fcntl::{Flock, FlockArg};

use crate::lvm::disk::{Pool, run};
use crate::scene::{Said, Say, Scene};

/// Two users, whose groups have the same numbers.
const JOE: u32 = 54321;
const ANN: u32 = 54322;

const USERS: [(&str, u32); 2] = [("kdev-joe", JOE), ("kdev-ann", ANN)];

const ROOT_PROGRAM: &str = "/usr/local/sbin/kdev-root";
const SUDOERS: &str = "/etc/sudoers.d/kdev-volumes";

/// Refused by kdev-root; see `src/root/run.rs`.
const REFUSED: Option<i32> = Some(77);

/// A pool on which both users have volumes, each with a state directory. There is one at a time on a machine, since
/// users and what sudo is told are the machine's.
struct Shared {
    pool: Pool,
    joe: Scene,
    ann: Scene,
    _alone: Flock<File>,
}

impl Shared {
    fn new(mib: u64) -> Self {
        Self::of(|| Pool::new(mib))
    }

    fn thin(mib: u64) -> Self {
        Self::of(|| Pool::thin(mib, 4))
    }

    fn of(pool: impl FnOnce() -> Pool) -> Self {
        let alone = alone_with_sudo();
        for (name, number) in USERS {
            let number = number.to_string();
            // They are there if a test was killed before.
            let _ = Command::new("groupadd").args(["--gid", &number, name]).output();
            let _ = Command::new("useradd")
                .args(["--uid", &number, "--gid", &number, "--no-create-home", name])
                .output();
        }
        let pool = pool();
        let users: Vec<String> = USERS.iter().map(|(name, _)| format!("--user={name}")).collect();
        let users: Vec<&str> = users.iter().map(String::as_str).collect();
        let said = pool
            .kdev(&[&["setup-sudo", "--install"], &users[..]].concat())
            .good();
        assert_eq!(said, format!("wrote {ROOT_PROGRAM}\nwrote {SUDOERS}\n"));
        let [joe, ann] = [JOE, ANN].map(|user| scene_of(&pool, user));
        Self {
            pool,
            joe,
            ann,
            _alone: alone,
        }
    }

    /// The tag of an owner of one of the pool's LVs.
    fn tag_of(&self, lv_name: &str) -> String {
        let lv = format!("{}/{lv_name}", self.pool.vg);
        let tags = run("lvs", &["--noheadings", "-o", "lv_tags", &lv]);
        tags.trim().to_owned()
    }

    /// The one LV of a session.
    fn lv_of(&self, scene: &Scene) -> String {
        let records = scene.records();
        assert_eq!(records.len(), 1, "{records:?}");
        records[0]["lv_name"].as_str().unwrap().to_owned()
    }

    fn node(&self, lv_name: &str) -> PathBuf {
        fs::canonicalize(Path::new("/dev").join(&self.pool.vg).join(lv_name)).unwrap()
    }
}

impl Drop for Shared {
    fn drop(&mut self) {
        // What is left of a test that failed is another's to tell.
        let _ = self.pool.kdev(&["setup-sudo", "--remove"]).output();
        for (name, _) in USERS {
            let _ = Command::new("userdel").arg(name).output();
        }
    }
}

/// For who wants to know whether kdev-root is installed: nobody else installs or removes it meanwhile.
pub(crate) fn alone_with_sudo() -> Flock<File> {
    let lock = File::create("/run/kdev-ordinary-tests.lock").unwrap();
    Flock::lock(lock, FlockArg::LockExclusive).unwrap()
}

/// What root leaves to a user for whom `sudo kdev pool setup` has run.
fn scene_of(pool: &Pool, user: u32) -> Scene {
    let scene = Scene::with_pool_named(&pool.name).with_watchdogs();
    scene.make_tmp();
    let mut private = DirBuilder::new();
    private.mode(0o700).create(scene.state_dir()).unwrap();
    let file = "device-pool.json";
    fs::copy(pool.state_dir().join(file), scene.state_dir().join(file)).unwrap();
    // The directory for both users' programs; what is in it is one's own.
    fs::set_permissions(scene.path(""), Permissions::from_mode(0o755)).unwrap();
    scene.give_all_to(user);
    scene
}

fn as_user(user: u32, program: &str, args: &[impl AsRef<OsStr>]) -> Command {
    let mut command = Command::new(program);
    command.args(args).uid(user).gid(user).current_dir("/");
    command
}

fn ask(user: u32, args: &[&str]) -> Said {
    let args = [&["-n", ROOT_PROGRAM], args].concat();
    as_user(user, "sudo", &args).say()
}

fn owner_and_mode(path: &Path) -> (u32, u32) {
    let found = fs::metadata(path).unwrap();
    (found.uid(), found.mode() & 0o777)
}

/// Writes all over a device.
fn dirty(device: &Path) {
    let mut device = File::options().write(true).open(device).unwrap();
    let ones = vec![1; 1 << 20];
    // It ends when there is no room.
    while device.write_all(&ones).is_ok() {}
    device.sync_all().unwrap();
}
