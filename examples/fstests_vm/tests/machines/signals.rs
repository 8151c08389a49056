//! Signals that ask the program to end.

use nix::sys::signal::{Signal, killpg};
use rstest::rstest;

use crate::support::{At, Kernel, Scene};

#[rstest]
#[case::while_it_boots(&["--", "demo/005"], At::Step("making ext4"))]
#[case::while_it_plans(&["--", "-g", "hang"], At::Step("asking `check -n`"))]
fn a_run_that_is_asked_to_end_before_its_first_test_does(#[case] args: &[&str], #[case] at: At) {
    let scene = Scene::new();
    let mut run = scene.start(Kernel::Uml, args);
    run.until(at);
    run.signal(Signal::SIGTERM);
    run.wait().exits(130);
    scene.left().is_nothing();
}

#[rstest]
#[case::sigterm(Kernel::Uml, Signal::SIGTERM)]
#[case::sighup_in_qemu(Kernel::Cloud, Signal::SIGHUP)]
fn a_run_that_is_asked_to_end_says_what_came_of_it_so_far(#[case] kernel: Kernel, #[case] signal: Signal) {
    let scene = Scene::new();
    let mut run = scene.start(kernel, &["--", "demo/001", "demo/005", "demo/007"]);
    run.until(At::Test("demo/005"));
    run.signal(signal);
    let ran = run.wait().exits(130);
    let outcomes: Vec<String> = ran.outcomes().into_iter().map(|(_, outcome)| outcome).collect();
    assert_eq!(outcomes, ["pass", "interrupted", "never-started"]);
    assert_eq!(ran.results()["end"]["how"], "interrupted");
    scene.left().is_nothing();
}

/// A terminal's Ctrl-C is for the whole group of processes, the daemons of the machine's root among them.
#[test]
fn a_ctrl_c_ends_a_run_in_order() {
    let scene = Scene::new();
    let mut run = scene.start(Kernel::Cloud, &["--", "demo/001", "demo/005"]);
    run.until(At::Test("demo/005"));
    killpg(run.pid(), Signal::SIGINT).unwrap();
    let ran = run.wait().exits(130);
    assert_eq!(ran.outcomes()[1].1, "interrupted");
    scene.left().is_nothing();
}

#[test]
fn a_second_signal_ends_a_run_at_once_and_leaves_nothing() {
    let scene = Scene::new();
    let mut run = scene.start(Kernel::Uml, &["--", "demo/005"]);
    run.until(At::Test("demo/005"));
    let began = std::time::Instant::now();
    run.signal(Signal::SIGTERM);
    // It may have ended on the first.
    let _ = killpg(run.pid(), Signal::SIGTERM);
    run.wait().exits(130);
    scene.left().becomes_nothing(began);
}
