use std::ffi::OsString;

use super::*;
use crate::vm::keeper::tests::keeper;
use crate::vm::processor::Processors;
use crate::vm::wake::Wake;

/// A machine that is a script of bash, with the numbers of its lines in `$console` and `$events`.
fn machine(log: &Path, script: &str) -> Vm {
    Vm::start(log, |lines| {
        let script = format!("console={} events={}\n{script}", lines.console, lines.events);
        Ok(Launch {
            program: "bash".into(),
            args: ["-c", &script].map(OsString::from).to_vec(),
            fds: Vec::new(),
            output: tempfile::tempfile()?,
            envs: Vec::new(),
            processors: Processors::Any,
            wake: Wake::Never,
            keeper: keeper(),
        })
    })
    .unwrap()
}

/// Hears the machine to its end.
fn all(vm: &mut Vm) -> (Vec<Said>, String) {
    let (mut said, mut console) = (Vec::new(), Vec::new());
    loop {
        match vm.hear(Duration::from_secs(20)) {
            Heard::Said(one) => said.push(one),
            Heard::Console(bytes) => console.extend(bytes),
            Heard::Silence => panic!("the machine neither speaks nor ends: {said:?}"),
            Heard::Gone => return (said, String::from_utf8(console).unwrap()),
        }
    }
}

#[test]
fn what_is_told_is_said_again_until_the_guest_has_it() {
    let dir = tempfile::tempdir().unwrap();
    // The first is lost, as on a serial line that sends at that moment.
    let script = "read -r lost <&$events; read -r command <&$events
        echo \"took $command\" >&$events; echo \"step $lost, $command\" >&$events; echo bye >&$events
        read -r -t 3 more <&$events && echo \"step and $more\" >&$events; exit 0";
    let mut vm = machine(&dir.path().join("console"), script);
    vm.tell("run round-1").unwrap();
    assert!(!vm.has_been_understood());
    let (said, _) = all(&mut vm);
    assert!(vm.has_been_understood());
    assert_eq!(said, [Said::Step("run round-1, run round-1".into()), Said::Bye]);
}

#[test]
fn another_commands_answer_is_none() {
    let dir = tempfile::tempdir().unwrap();
    let mut vm = machine(
        &dir.path().join("console"),
        "read -r x <&$events; echo 'took plan ' >&$events",
    );
    vm.tell("run round-1").unwrap();
    all(&mut vm);
    assert!(!vm.has_been_understood());
}

#[test]
fn the_console_is_heard_and_kept_and_the_guest_is_told_apart_from_it() {
    let dir = tempfile::tempdir().unwrap();
    let log = dir.path().join("console");
    let script =
        "echo 'hello 6.1.0' >&$events; echo garbage >&$events; echo 'hello kernel' >&$console; exit 5";
    let mut vm = machine(&log, script);
    let (said, console) = all(&mut vm);
    assert_eq!(said, [Said::Hello("6.1.0".into())]);
    assert_eq!(console, "hello kernel\n");
    assert_eq!(std::fs::read_to_string(&log).unwrap(), "hello kernel\n");
    let ended = vm.wait().unwrap();
    assert_eq!(ended.status.code(), Some(5));
    assert_eq!(ended.to_string(), "its program: exit status: 5");
}

#[test]
fn a_machine_that_is_stopped_is_gone_whatever_it_does() {
    let dir = tempfile::tempdir().unwrap();
    let mut vm = machine(&dir.path().join("console"), "echo ready >&$events; sleep 1000");
    assert!(matches!(
        vm.hear(Duration::from_secs(20)),
        Heard::Said(Said::Ready)
    ));
    assert!(matches!(vm.hear(Duration::from_millis(10)), Heard::Silence));
    vm.stop();
    assert!(matches!(vm.hear(Duration::from_secs(20)), Heard::Gone));
    assert_eq!(vm.wait().unwrap().status.code(), Some(137));
}
