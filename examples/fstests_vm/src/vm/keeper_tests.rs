use std::io::{BufRead, BufReader, Read, Seek};
use std::os::unix::net::UnixStream;

use rstest::rstest;

use super::*;

/// This test program as a keeper: it runs one test, which is one. `--` ends the harness' own options, and what
/// follows are names of tests to it, of which there are none.
pub(in crate::vm) fn keeper() -> Keeper {
    let harness = [
        "--exact",
        "vm::keeper::tests::is_a_keeper_where_it_is_asked_to_be",
        "--nocapture",
        "--",
    ];
    Keeper {
        program: "/proc/self/exe".into(),
        args: harness.map(OsString::from).to_vec(),
    }
}

#[test]
fn is_a_keeper_where_it_is_asked_to_be() {
    // Among all the other tests it is not.
    if let Some(code) = keep_for(env::args_os().skip_while(|arg| arg != KEEPER)) {
        std::process::exit(code.into());
    }
}

/// A machine that is a script of bash, whose first argument is the number of a socket, and our end of that.
fn machine(script: &str) -> (Kept, BufReader<UnixStream>) {
    start("bash", script, Wake::Never)
}

fn start(program: &str, script: &str, wake: Wake) -> (Kept, BufReader<UnixStream>) {
    let (ours, its) = UnixStream::pair().unwrap();
    let number = its.as_raw_fd().to_string();
    let launch = Launch {
        program: program.into(),
        args: ["-c", script, "machine", &number].map(OsString::from).to_vec(),
        fds: vec![its.into()],
        output: tempfile::tempfile().unwrap(),
        envs: vec![("OF_THE_MACHINE".into(), "yes".into())],
        processors: Processors::Any,
        wake,
        keeper: keeper(),
    };
    (launch.start().unwrap(), BufReader::new(ours))
}

#[rstest]
#[case("exit 0", 0)]
#[case("exit 7", 7)]
#[case("kill -KILL $$", 137)]
#[case("[ $OF_THE_MACHINE = yes ]", 0)]
fn the_status_is_the_machines(#[case] script: &str, #[case] expected: i32) {
    let (kept, _) = machine(script);
    assert_eq!(kept.wait().unwrap().code(), Some(expected));
}

#[test]
fn a_program_that_is_not_there_is_127_as_for_a_shell() {
    let mut output = tempfile::tempfile().unwrap();
    let launch = Launch {
        program: "/no/such/machine".into(),
        args: Vec::new(),
        fds: Vec::new(),
        output: output.try_clone().unwrap(),
        envs: Vec::new(),
        processors: Processors::Any,
        wake: Wake::Never,
        keeper: keeper(),
    };
    assert_eq!(launch.start().unwrap().wait().unwrap().code(), Some(127));
    output.rewind().unwrap();
    let said = io::read_to_string(output).unwrap();
    assert!(said.contains("cannot start /no/such/machine"), "{said}");
}

// Each of these ends only because somebody is killed, and the socket closes only when all who have it are gone.
#[rstest]
#[case::alone("echo up >&$1; sleep 1000")]
#[case::with_a_child("sleep 1000 & echo up >&$1; wait")]
#[case::with_a_child_that_left_the_group("setsid sleep 1000 & sleep 0.2; echo up >&$1; wait")]
#[case::that_ignores_signals("trap '' TERM INT HUP; echo up >&$1; while :; do sleep 1; done")]
fn nothing_is_left_of_a_machine_that_is_let_go(#[case] script: &str) {
    let (mut kept, mut socket) = machine(script);
    let mut line = String::new();
    socket.read_line(&mut line).unwrap();
    assert_eq!(line, "up\n");
    kept.end();
    assert_eq!(kept.wait().unwrap().code(), Some(137));
    assert_eq!(socket.read(&mut [0]).unwrap(), 0);
}

#[rstest]
#[case::in_the_group("sleep 1000 & exit 3")]
#[case::out_of_the_group("setsid sleep 1000 & sleep 0.2; exit 3")]
fn nothing_is_left_of_a_machine_that_ends_by_itself(#[case] script: &str) {
    let (kept, mut socket) = machine(script);
    assert_eq!(kept.wait().unwrap().code(), Some(3));
    assert_eq!(socket.read(&mut [0]).unwrap(), 0);
}

#[test]
fn a_machine_that_nobody_wants_any_more_is_gone_with_the_value() {
    let (kept, mut socket) = machine("echo up >&$1; sleep 1000");
    socket.read_line(&mut String::new()).unwrap();
    drop(kept);
    assert_eq!(socket.read(&mut [0]).unwrap(), 0);
}

#[test]
fn a_machine_is_woken_again_and_again_and_its_helpers_are_not() {
    let script = "sleep 1000 & trap 'echo woken >&$1' ALRM; echo up >&$1; while :; do wait $!; kill -0 $! || exit 9; done";
    let (mut kept, mut socket) = start("bash", script, Wake::EverySecond);
    for expected in ["up\n", "woken\n", "woken\n"] {
        let mut line = String::new();
        socket.read_line(&mut line).unwrap();
        assert_eq!(line, expected);
    }
    kept.end();
    assert_eq!(kept.wait().unwrap().code(), Some(137));
}

// The shell becomes a program without a handler, which an alarm would end.
#[test]
fn a_machine_that_has_no_handler_is_left_in_peace() {
    let (kept, _socket) = start("sh", "exec sleep 2.5", Wake::EverySecond);
    assert_eq!(kept.wait().unwrap().code(), Some(0));
}
