//! Sessions that do not fit into their pool at once: each has its turn, in order of arrival.

use std::fs::{self, File};
use std::path::PathBuf;
use std::process::Stdio;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::thread;
use std::time::Duration;

use serde_json::json;

use crate::command::keys;
use crate::lvm::disk::{Pool, run};
use crate::scene::{Running, Say, wait_until};

/// LVM has 56M of it: seven slots of 8M.
const SEVEN_SLOTS: u64 = 76;

const SLOT: usize = 8 << 20;

/// Sessions of `children::takes_its_turn`, which hold three slots each until they are let go.
struct Turns {
    pool: Pool,
    directory: PathBuf,
}

impl Turns {
    fn new() -> Self {
        let pool = Pool::new(SEVEN_SLOTS);
        let directory = pool.path("holders");
        fs::create_dir(&directory).unwrap();
        Self { pool, directory }
    }

    /// Starts one that waits as tests do if nothing else is said.
    fn start(&self, name: &str) -> Running {
        let mut child = self.pool.child("takes_its_turn");
        child
            .env_remove("KDEV_WAIT")
            .env("CHILD_NAME", name)
            .env("CHILD_HOLDERS", &self.directory)
            .stderr(File::create(self.pool.path(name)).unwrap())
            .stdout(Stdio::null());
        Running::of(child)
    }

    /// Who was served, in that order.
    fn served(&self) -> Vec<usize> {
        let order = fs::read_to_string(self.directory.join("order")).unwrap_or_default();
        order.lines().map(|name| name.parse().unwrap()).collect()
    }

    fn enough(&self) {
        fs::write(self.directory.join("enough"), "").unwrap();
    }

    /// How many slots have devices now, by the kernel's own books.
    fn slots(&self) -> usize {
        let prefix = self.pool.vg.replace('-', "--") + "-kdev";
        let devices = fs::read_dir("/sys/block").unwrap();
        let sectors = devices.filter_map(|device| {
            let sys = device.ok()?.path();
            let name = fs::read_to_string(sys.join("dm/name")).ok()?;
            let size: usize = fs::read_to_string(sys.join("size")).ok()?.trim().parse().ok()?;
            name.starts_with(&prefix).then_some(size)
        });
        sectors.sum::<usize>() * 512 / SLOT
    }
}

/// The tickets that are there.
pub(super) fn waiting(pool: &Pool) -> usize {
    let entries = fs::read_dir(pool.state_dir().join("queue")).into_iter().flatten();
    let names = entries.map(|entry| entry.unwrap().file_name().into_string().unwrap());
    names.filter(|name| !name.starts_with('.')).count()
}

#[test]
fn twelve_sessions_of_three_slots_have_their_turns_in_seven_slots_and_the_killed_stop_nobody() {
    let turns = Turns::new();
    let mut sessions = Vec::new();
    // Two fit. Of those who wait, one is killed who is the first, and one in the middle.
    for number in 1..=14 {
        sessions.push((number, turns.start(&number.to_string())));
        match number {
            1 | 2 => wait_until("it is served", || turns.served().len() == number),
            _ => wait_until("it waits", || waiting(&turns.pool) == number - 2),
        }
    }
    let status = turns.pool.status();
    let [ref shown] = status["pools"].as_array().unwrap()[..] else {
        panic!("{status}")
    };
    let queue = shown["queue"].as_array().unwrap();
    let pids: Vec<_> = queue.iter().map(|waiter| &waiter["pid"]).collect();
    let expected: Vec<u32> = sessions[2..].iter().map(|(_, session)| session.pid()).collect();
    assert_eq!(pids, expected);
    let first = &queue[0];
    assert_eq!(
        (&first["test"], &first["want_bytes"], &first["pools"]),
        (
            &"system::children::takes_its_turn".into(),
            &json!(3 * SLOT),
            &json!([turns.pool.name])
        )
    );
    let of_a_waiter = [
        "attempt",
        "pid",
        "pools",
        "since",
        "test",
        "waited_seconds",
        "want_bytes",
    ];
    assert_eq!(keys(first), of_a_waiter);
    let help = turns.pool.kdev(&["pool", "status", "--help"]).good();
    for key in of_a_waiter {
        assert!(help.contains(&format!("\n    {key} ")), "{key}: {help}");
    }
    let table = turns.pool.kdev(&["pool", "status"]).good();
    assert!(table.contains("WAITS FOR  SINCE"), "{table}");

    for (number, session) in [sessions.remove(2), sessions.remove(7)] {
        assert!([3, 9].contains(&number));
        session.kill();
    }
    // Those two may be gone before the thread looks.
    let (is_over, most) = (AtomicBool::new(false), AtomicUsize::new(turns.slots()));
    thread::scope(|scope| {
        scope.spawn(|| {
            while !is_over.load(Ordering::Relaxed) {
                most.fetch_max(turns.slots(), Ordering::Relaxed);
                thread::sleep(Duration::from_millis(20));
            }
        });
        turns.enough();
        let all_well: Vec<bool> = sessions
            .into_iter()
            .map(|(_, session)| session.succeeds())
            .collect();
        is_over.store(true, Ordering::Relaxed);
        assert_eq!(all_well, [true; 12]);
    });
    assert_eq!(most.into_inner(), 6, "two at a time");
    let served = turns.served();
    let arrived = [1, 2, 4, 5, 6, 7, 8, 10, 11, 12, 13, 14];
    for (place, number) in served.iter().enumerate() {
        let was = arrived.iter().position(|arrived| arrived == number).unwrap();
        assert!(was.abs_diff(place) <= 1, "{number} came out of turn: {served:?}");
    }
    assert_eq!(served.len(), arrived.len());
    let said = fs::read_to_string(turns.pool.path("14")).unwrap();
    for part in [
        "begins to wait for 24M in pool",
        "11 before it in the queue; held: 24M by `system::children::takes_its_turn` (pid",
        "it gives up after 10m (KDEV_WAIT)",
        &format!("has its room in pool `{}`, after", turns.pool.name),
    ] {
        assert!(said.contains(part), "{part}: {said}");
    }
    assert_eq!(waiting(&turns.pool), 0);
    turns.pool.assert_no_trace();
}

#[test]
fn what_can_never_fit_is_an_error_with_figures_and_never_waits() {
    // LVM has 44M of it.
    let pool = Pool::new(64);
    let never = |child: &str| {
        let said = pool.child(child).env_remove("KDEV_WAIT").say();
        assert_eq!(said.code, Some(101), "{}", said.out);
        assert!(
            !pool.state_dir().join("queue").exists(),
            "it took no place: {}",
            said.err
        );
        said.err
    };
    let name = &pool.name;
    let said = never("waits_after_unmounting");
    let figures =
        format!("pool `{name}` can never hold the 64M that is needed: it has 44M in all (ask for less");
    assert!(said.contains(&figures), "{said}");

    // What is kept, and what is not ours, stays.
    pool.child("passes").env("KDEV_KEEP", "1").good();
    let [kept] = pool.lvs().try_into().unwrap();
    run(
        "lvcreate",
        &["--yes", "--size", "16M", "--name", "foreign", &pool.vg],
    );
    let said = never("passes");
    let figures =
        format!("it has 44M in all, of which stays 16M by `{kept}` (kept), 16M by `foreign` (not ours)");
    assert!(said.contains(&figures), "{said}");
    run("lvremove", &["--yes", &format!("{}/foreign", pool.vg)]);
    pool.kdev(&["pool", "cleanup", "--kept"]).good();

    // What a test holds that runs goes by itself. A first one that fills the pool is waited for, but not for
    // longer than is wanted; and what the dead hold is room.
    let holder = pool.start("waits");
    let held = format!("held: 16M by `system::children::waits` (pid {})", holder.pid());
    let waits = |time: &str| {
        let said = pool.child("passes_with_two").env("KDEV_WAIT", time).say();
        assert_eq!(said.code, Some(101), "{}", said.out);
        assert!(
            said.err.contains("has 28M free but 32M is needed"),
            "{}",
            said.err
        );
        assert!(said.err.contains(&held), "{}", said.err);
        said.err
    };
    let said = waits("0");
    assert!(
        !said.contains("waiting") && !said.contains("begins to wait"),
        "{said}"
    );
    let said = waits("1s");
    assert!(said.contains("begins to wait for 32M"), "{said}");
    // Never less than the second that was allowed. LVM alone may take longer to report the room.
    let waited = said
        .split_once("is needed, after ")
        .and_then(|(_, rest)| rest.split_once("s of waiting"))
        .and_then(|(seconds, _)| seconds.parse::<u32>().ok());
    assert!(waited.is_some_and(|seconds| seconds >= 1), "{said}");
    holder.kill();
    pool.child("passes_with_two").env("KDEV_WAIT", "forever").good();
    assert_eq!(waiting(&pool), 0);
    pool.assert_no_trace();
}
