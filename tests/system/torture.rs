//! Many processes at once, killed at random moments, while somebody cleans up all the time and somebody
//! else destroys the records: on loop devices here, and in `lvm` on LVs.
//!
//! A run is drawn from a seed, which it prints. `KDEV_TORTURE_SEED` draws the same one again;
//! `KDEV_TORTURE_SESSIONS` asks for another number of sessions.

use std::env;
use std::fs;
use std::os::unix::process::ExitStatusExt;
use std::process::Stdio;
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::thread;
use std::time::{Duration, Instant, SystemTime};

use fastrand::Rng;

use crate::scene::{Say, Scene, wait_until};

const PROCESSES: usize = 16;

/// What is drawn for one session.
struct Draw {
    volumes: usize,
    holds: Duration,
    /// When it is killed, as a part of the time that sessions take at present.
    dies_at: Option<f64>,
}

/// How the sessions ended.
#[derive(Debug, Default)]
struct Count {
    passed: AtomicUsize,
    killed: AtomicUsize,
    survived: AtomicUsize,
    cleanups: AtomicUsize,
    sabotages: AtomicUsize,
    /// The time that sessions take that are not killed, in milliseconds, the latest weighing most.
    usual_ms: AtomicU64,
}

fn number(variable: &str) -> Option<u64> {
    let text = env::var(variable).ok()?;
    Some(
        text.parse()
            .unwrap_or_else(|_| panic!("{variable}={text} is not a number")),
    )
}

#[test]
fn a_thousand_sessions_of_loop_devices_leave_nothing() {
    let scene = Scene::embedded().with_watchdogs();
    torture(&scene, 1000, Duration::from_millis(60));
}

/// Lets `sessions` loose on the scene; one takes about `usual` where nothing goes on.
pub(crate) fn torture(scene: &Scene, sessions: usize, usual: Duration) {
    let since_epoch = || SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap();
    let seed = number("KDEV_TORTURE_SEED").unwrap_or_else(|| since_epoch().as_nanos() as u64);
    let sessions = number("KDEV_TORTURE_SESSIONS").map_or(sessions, |number| number as usize);
    println!("KDEV_TORTURE_SEED={seed} KDEV_TORTURE_SESSIONS={sessions}");
    let mut rng = Rng::with_seed(seed);
    let draws: Vec<Draw> = (0..sessions)
        .map(|_| Draw {
            volumes: rng.usize(1..=3),
            holds: usual.mul_f64(rng.f64() / 4.0),
            // From its start until a little after it should have ended.
            dies_at: (rng.usize(0..3) == 0).then(|| rng.f64() * 1.1),
        })
        .collect();
    let (next, done) = (AtomicUsize::new(0), AtomicBool::new(false));
    let count = Count {
        usual_ms: AtomicU64::new(usual.as_millis() as u64),
        ..Count::default()
    };
    let start = Instant::now();
    thread::scope(|scope| {
        let workers: Vec<_> = (0..PROCESSES)
            .map(|_| {
                scope.spawn(|| {
                    while let Some(draw) = draws.get(next.fetch_add(1, Ordering::Relaxed)) {
                        session(scene, draw, &count);
                    }
                })
            })
            .collect();
        scope.spawn(|| {
            while !done.load(Ordering::Relaxed) {
                let said = scene.kdev(&["pool", "cleanup"]).say();
                assert_eq!(said.code, Some(0), "{}{}", said.out, said.err);
                count.cleanups.fetch_add(1, Ordering::Relaxed);
                thread::sleep(usual / 4);
            }
        });
        let mut rng = rng.fork();
        let (done, count) = (&done, &count);
        scope.spawn(move || {
            while !done.load(Ordering::Relaxed) {
                sabotage(scene, &mut rng);
                count.sabotages.fetch_add(1, Ordering::Relaxed);
                thread::sleep(usual.mul_f64(1.0 + rng.f64() * 4.0));
            }
        });
        // Also if one of them failed: the others end, and the test with them.
        let failed = workers
            .into_iter()
            .map(|worker| worker.join().is_err())
            .fold(false, |any, failed| any | failed);
        done.store(true, Ordering::Relaxed);
        assert!(!failed, "KDEV_TORTURE_SEED={seed}");
    });
    wait_until("the watchdogs are done", || scene.watchdogs().is_empty());
    scene.kdev(&["pool", "cleanup"]).good();
    println!("{count:?} in {:?}", start.elapsed());
    scene.assert_no_trace();
}

/// One process with a session of its own, which stamps its volumes and looks at the stamps again.
fn session(scene: &Scene, draw: &Draw, count: &Count) {
    let mut child = scene.child("stamps");
    child
        .env("CHILD_VOLUMES", draw.volumes.to_string())
        .env("CHILD_HOLDS_MS", draw.holds.as_millis().to_string())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped());
    let start = Instant::now();
    let usual_ms = count.usual_ms.load(Ordering::Relaxed);
    let mut child = child.spawn().unwrap();
    if let Some(part) = draw.dies_at {
        thread::sleep(Duration::from_millis(usual_ms).mul_f64(part));
        // It may have ended already.
        child.kill().unwrap();
    }
    let output = child.wait_with_output().unwrap();
    let ended = match (output.status.code(), output.status.signal(), draw.dies_at) {
        (Some(0), _, None) => {
            let took = start.elapsed().as_millis() as u64;
            count.usual_ms.store((usual_ms * 7 + took) / 8, Ordering::Relaxed);
            &count.passed
        }
        (Some(0), _, Some(_)) => &count.survived,
        (_, Some(9), Some(_)) => &count.killed,
        _ => panic!(
            "{}: {}{}",
            output.status,
            String::from_utf8_lossy(&output.stdout),
            String::from_utf8_lossy(&output.stderr)
        ),
    };
    ended.fetch_add(1, Ordering::Relaxed);
}

/// Does to the records what no program should.
fn sabotage(scene: &Scene, rng: &mut Rng) {
    let file = scene.state_dir().join("lv-state.json");
    // It need not be there just now.
    let _ = match rng.usize(0..4) {
        0 => fs::remove_file(&file),
        1 => fs::write(&file, ""),
        2 => fs::write(&file, "{\"version\": 1, \"allocations\": [{\"lv_name\""),
        _ => fs::read(&file).and_then(|text| fs::write(&file, &text[..text.len() / 2])),
    };
}
