//! The end of the program, or of a machine, by a signal that nobody can answer.

use std::time::Instant;

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use rstest::rstest;

use crate::support::{At, Kernel, Scene};

const HANGS: &[&str] = &["--", "demo/005"];
const PANICS: &[&str] = &["--continue", "--", "demo/006", "demo/007"];
const FAILS_TWICE: &[&str] = &["--retry-failed=1", "--", "demo/002"];
const IN_TWO: &[&str] = &["--shards=2", "--", "demo/004", "demo/005"];
const LIMITED: &[&str] = &["--test-limit=15s", "--time-scale=1", "--", "demo/005"];

#[rstest]
#[case::taking_volumes(Kernel::Uml, HANGS, At::Record)]
#[case::starting_the_machine(Kernel::Uml, HANGS, At::Process("__keep-machine"))]
#[case::starting_qemu(Kernel::Cloud, HANGS, At::Process("__keep-machine"))]
#[case::mounting_the_root(Kernel::Uml, HANGS, At::Step("mounting the root"))]
#[case::mounting_the_root_in_qemu(Kernel::Cloud, HANGS, At::Step("mounting the root"))]
#[case::starting_udev(Kernel::Uml, HANGS, At::Step("starting udev"))]
#[case::making_the_filesystem(Kernel::Uml, HANGS, At::Step("making ext4"))]
#[case::planning(Kernel::Uml, &["--", "-g", "hang"], At::Step("asking `check -n`"))]
#[case::running(Kernel::Uml, HANGS, At::Test("demo/005"))]
#[case::running_in_qemu(Kernel::Cloud, HANGS, At::Test("demo/005"))]
#[case::running_in_two_machines(Kernel::Uml, IN_TWO, At::Test("demo/005"))]
#[case::between_rounds(Kernel::Uml, FAILS_TWICE, At::Step("trying 1 test again"))]
#[case::asking_what_hangs(Kernel::Uml, LIMITED, At::Step("asking the kernel"))]
#[case::in_a_panic(Kernel::Uml, PANICS, At::Event("trouble"))]
#[case::behind_a_panic(Kernel::Uml, PANICS, At::Step("going on with 1 test"))]
#[case::behind_a_panic_in_qemu(Kernel::Cloud, PANICS, At::Step("going on with 1 test"))]
#[case::powering_off(Kernel::Uml, &["--", "demo/007"], At::Event("test-ended"))]
fn a_run_that_is_killed_leaves_nothing(#[case] kernel: Kernel, #[case] args: &[&str], #[case] at: At) {
    // What is seen to begin may be over, and all that follows, before the signal is there: then it is done again.
    let was_killed = (0..10).any(|_| {
        let scene = Scene::new();
        let mut run = scene.start(kernel, args);
        run.until(at);
        let left = scene.left().list();
        let killed = Instant::now();
        run.signal(Signal::SIGKILL);
        let was_killed = run.wait().signal == Some(Signal::SIGKILL as i32);
        // Else nobody would notice that nothing is looked at.
        assert!(!was_killed || !left.is_empty());
        scene.left().becomes_nothing(killed);
        was_killed
    });
    assert!(was_killed, "it always ends before it is killed");
}

#[rstest]
#[case::uml(Kernel::Uml, "linux.uml con=")]
#[case::qemu(Kernel::Cloud, "qemu-system-x86_64 -")]
#[case::a_daemon_of_its_root(Kernel::Cloud, "virtiofsd --fd")]
fn a_machine_that_is_killed_is_a_crash_of_the_test_that_ran(#[case] kernel: Kernel, #[case] program: &str) {
    let scene = Scene::new();
    // Without its root a guest lives on; that it is of no use is seen by the limit.
    let args = [
        "--test-limit=30s",
        "--time-scale=1",
        "--",
        "demo/001",
        "demo/005",
        "demo/007",
    ];
    let mut run = scene.start(kernel, &args);
    run.until(At::Test("demo/005"));
    let processes = scene.left().processes();
    let is_it = processes.iter().filter(|process| {
        // The keeper has the machine's command in its own.
        process.command.contains(program) && !process.command.contains("__keep-machine")
    });
    // The first of a User-Mode Linux kernel's processes; by age, since numbers begin anew. Its
    // guest's processes are among them, and some have ended since they were listed.
    let machine = is_it
        .filter_map(|process| Some((began(process.pid)?, process.pid)))
        .min()
        .expect("the machine runs")
        .1;
    kill(machine, Signal::SIGKILL).unwrap();
    let ran = run.wait().exits(3);
    let outcomes: Vec<String> = ran.outcomes().into_iter().map(|(_, outcome)| outcome).collect();
    let died = if program.starts_with("virtiofsd") {
        "hung"
    } else {
        "crashed"
    };
    assert_eq!(outcomes, ["pass", died, "never-started"], "{ran}");
    scene.left().is_nothing();
}

/// When a process began, in ticks since the boot (field 22 of proc_pid_stat(5)); `None` if it has
/// ended meanwhile.
fn began(pid: Pid) -> Option<u64> {
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    // The name, in parentheses, may hold anything.
    let (_, fields) = stat.rsplit_once(')').unwrap();
    Some(fields.split_whitespace().nth(19).unwrap().parse().unwrap())
}
