//! What a session costs, beside the naive way, in pairs within one run: ratios hold on any machine,
//! times do not. `sessions loop` runs anywhere as root, `sessions lvm` wants a pool.

use std::env;
use std::fs;
use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use kdev_volumes::{Bytes, Pool, Session, Spec, VolumeSpec, kdev_volumes};

const VOLUME: Bytes = Bytes::new(64 << 20);

/// Makes this a program with annotated tests, so that its constructor has to look for the dead.
#[kdev_volumes(test = "64M")]
#[expect(dead_code, reason = "its declaration is what counts")]
fn annotated() {}

fn main() {
    match env::args().nth(1).as_deref() {
        Some("loop") => {
            compare("loop", 1, 21);
            compare("loop", 7, 21);
            constructor();
            watchdog("loop", 51);
            killed("loop", 21);
            runners(7);
        }
        Some("lvm") => {
            compare("lvm", 1, 7);
            compare("lvm", 7, 7);
            watchdog("lvm", 7);
            killed("lvm", 11);
        }
        Some("once") => drop(session()),
        Some("holds") => hold(),
        Some("nothing") => {}
        // `cargo bench` and `cargo test --benches` come without one of these words.
        _ => eprintln!("run this by `make bench`"),
    }
}

fn spec(count: usize) -> Spec {
    let volume = |number| VolumeSpec::new(&format!("volume{number}"), VOLUME).expect("a good name");
    Spec::new((0..count).map(volume)).expect("names that differ")
}

fn timed(work: impl FnOnce()) -> Duration {
    let start = Instant::now();
    work();
    start.elapsed()
}

/// The middle one, and the first and last.
fn spread(mut times: Vec<Duration>) -> [Duration; 3] {
    times.sort();
    [times[times.len() / 2], times[0], times[times.len() - 1]]
}

fn told(times: [Duration; 3]) -> String {
    let [median, least, most] = times.map(|time| format!("{:.2}", time.as_secs_f64() * 1e3));
    format!("{median} ms ({least} to {most})")
}

/// 64 tests of which each reads its environment often: a process each, started by us or by nextest.
fn runners(pairs: usize) {
    let cargo = |args: &[&str]| {
        let mut command = Command::new("cargo");
        command.args(args).current_dir(env!("CARGO_MANIFEST_DIR"));
        command.stdout(Stdio::null()).stderr(Stdio::null());
        assert!(command.status().expect("cargo").success(), "{args:?}");
    };
    let ours = ["test", "-p=shapes", "--test=many", "--", "--test-threads=16"];
    let nextest = ["nextest", "run", "-p=shapes", "--test=many", "--test-threads=16"];
    // What is built is not measured.
    cargo(&ours);
    let (mut plain, mut others) = (Vec::new(), Vec::new());
    for _ in 0..pairs {
        plain.push(timed(|| cargo(&ours)));
        others.push(timed(|| cargo(&nextest)));
    }
    let (plain, others) = (spread(plain), spread(others));
    println!(
        "64 tests, 16 at a time: cargo test {}, nextest {}: {:.2} times",
        told(plain),
        told(others),
        plain[0].as_secs_f64() / others[0].as_secs_f64()
    );
}

fn compare(kind: &str, count: usize, pairs: usize) {
    let pool = Pool::from_env().expect("a pool");
    let spec = spec(count);
    let vg = format!("kerneldev-{}-vg", pool.name());
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("benches/naive");
    let (mut ours, mut naive) = (Vec::new(), Vec::new());
    for _ in 0..pairs {
        ours.push(timed(|| {
            pool.allocate(&spec).and_then(Session::close).expect("a session");
        }));
        naive.push(timed(|| {
            let status = Command::new(&script)
                .args([kind, &count.to_string(), &vg])
                .status();
            assert!(status.expect("the naive script").success());
        }));
    }
    let (ours, naive) = (spread(ours), spread(naive));
    let ratio = naive[0].as_secs_f64() / ours[0].as_secs_f64();
    println!(
        "{kind}, {count} of {VOLUME}, allocate and release: {}; naive {}; {ratio:.2} times faster",
        told(ours),
        told(naive)
    );
}

fn session() -> Session {
    Pool::from_env()
        .and_then(|pool| pool.allocate(&spec(1)))
        .expect("a session")
}

/// Tells its parent the name of a volume, and waits to be killed.
fn hold() -> ! {
    let session = session();
    println!("{}", session.volumes()[0].path().display());
    loop {
        thread::park();
    }
}

fn myself(verb: &str) -> Command {
    let mut command = Command::new("/proc/self/exe");
    command.arg(verb).stdout(Stdio::null()).stderr(Stdio::null());
    command
}

/// What a process that takes one session has to pay for its watchdog.
fn watchdog(kind: &str, pairs: usize) {
    let run = |watchdog: &str| {
        let mut command = myself("once");
        command.env("KDEV_WATCHDOG", watchdog);
        timed(|| assert!(command.status().expect("this program").success()))
    };
    let (mut with, mut without) = (Vec::new(), Vec::new());
    for _ in 0..pairs {
        with.push(run("on"));
        without.push(run("off"));
    }
    let (with, without) = (spread(with), spread(without));
    println!(
        "watchdog, {kind}: a process with one session {}; without a watchdog {}",
        told(with),
        told(without)
    );
}

/// How long volumes outlive a process that is killed.
fn killed(kind: &str, times: usize) {
    let mut outlived = Vec::new();
    for _ in 0..times {
        let mut child = myself("holds")
            .stdout(Stdio::piped())
            .spawn()
            .expect("this program");
        let mut device = String::new();
        let output = child.stdout.take().expect("it is piped");
        BufReader::new(output).read_line(&mut device).expect("a device");
        let device = Path::new(device.trim());
        let backing = Path::new("/sys/block")
            .join(device.file_name().expect("a device"))
            .join("loop/backing_file");
        outlived.push(timed(|| {
            child
                .kill()
                .and_then(|()| child.wait())
                .expect("a process to kill");
            // A loop device's node stays when the device is detached.
            while if kind == "loop" {
                backing.exists()
            } else {
                device.exists()
            } {
                thread::sleep(Duration::from_millis(1));
            }
        }));
    }
    println!(
        "killed, {kind}: from SIGKILL until the volume is gone {}",
        told(spread(outlived))
    );
}

/// What it costs a process to find that there is nothing to reap.
fn constructor() {
    let held: Vec<_> = (0..200)
        .map(|_| {
            Pool::embedded()
                .and_then(|pool| pool.allocate(&spec(1)))
                .expect("a session")
        })
        .collect();
    let empty = tempfile::tempdir().expect("a directory");
    let live = env::var_os("KDEV_STATE_DIR").expect("the directory of these sessions");
    for (what, dir) in [
        ("nothing on record", empty.path()),
        ("200 live sessions on record", Path::new(&live)),
    ] {
        let (mut with, mut without) = (Vec::new(), Vec::new());
        for _ in 0..201 {
            with.push(start(dir, "on"));
            without.push(start(dir, "off"));
        }
        let (with, without) = (spread(with), spread(without));
        let more = with[0].as_secs_f64() - without[0].as_secs_f64();
        println!(
            "constructor, {what}: {:.0} us more to start a process ({} and {})",
            more * 1e6,
            told(with),
            told(without)
        );
    }
    drop(held);
    let leases = fs::read_dir(Path::new(&live).join("leases"))
        .expect("the leases")
        .count();
    assert_eq!(leases, 0, "all sessions are given back");
}

fn start(state: &Path, reaper: &str) -> Duration {
    let mut command = Command::new("/proc/self/exe");
    command
        .arg("nothing")
        .env("KDEV_STATE_DIR", state)
        .env("KDEV_REAPER", reaper)
        .stdout(Stdio::null());
    timed(|| assert!(command.status().expect("this program").success()))
}
