use std::ffi::OsStr;
use std::io::{self, Write};
use std::time::Duration;

use rstest::rstest;

use super::{Form, Teller};
use crate::results::outcome::Attempt;
use crate::results::outcome::Outcome::{Fail, NeverStarted, NotRun, Pass};
use crate::results::run::tests::run_of;
use crate::results::tell::lines::Colours;
use crate::results::tell::told::Told;
use crate::results::trouble::{Trouble, TroubleKind};

/// Tells a short run in this form.
fn told<W: Write>(form: Form, out: W) -> Teller<W> {
    let mut run = run_of(&[Pass, Fail, NotRun, NeverStarted, Pass]);
    run.tests[1].seconds = Some(123.44);
    run.tests[2].seconds = None;
    run.tests[3].seconds = None;
    run.tests[3].name = "ext4/053-a-longer-name".parse().unwrap();
    let attempt = |outcome| Attempt {
        outcome,
        seconds: None,
        reason: None,
    };
    run.tests[4].attempts = vec![attempt(Fail), attempt(Pass)];
    let trouble = Trouble::new(TroubleKind::Warning, "WARNING: CPU: 0 PID: 1 at x.c:1 f+0x1/0x2");
    let mut teller = Teller::new(form, out);
    teller.tell(&Told::RunStarted {
        kernel: "6.1.0",
        machine: "QEMU with tcg",
        tests: 5,
    });
    teller.tell(&Told::Step {
        shard: None,
        text: "booting",
    });
    let name = &run.tests[0].name;
    teller.tell(&Told::TestStarted {
        shard: None,
        name,
        remaining: Some(Duration::from_secs(90)),
    });
    teller.tell(&Told::TestEnded {
        shard: None,
        result: &run.tests[0],
    });
    teller.tell(&Told::Trouble {
        shard: Some(2),
        test: Some(&run.tests[1].name),
        trouble: &trouble,
    });
    teller.tell(&Told::TestEnded {
        shard: Some(2),
        result: &run.tests[1],
    });
    for test in &run.tests[2..] {
        teller.tell(&Told::TestEnded {
            shard: None,
            result: test,
        });
    }
    teller.tell(&Told::MachineEnded {
        shard: Some(2),
        why: "Kernel panic",
    });
    teller.tell(&Told::Note {
        text: "no tests were named: group auto",
    });
    teller.tell(&Told::Summary {
        run: &run_of(&[Pass]),
        comparison: None,
    });
    teller
}

const LINES: &str = "\
5 tests on 6.1.0, QEMU with tcg
booting
generic/001   started
generic/001   pass         1.5 s
[2] generic/002   kernel: WARNING: CPU: 0 PID: 1 at x.c:1 f+0x1/0x2
[2] generic/002   fail       123.4 s  why fail
generic/003   not run             why not run
ext4/053-a-longer-name  never started            why never started
generic/005   pass         7.5 s  flaky 50 % (1/2)
[2] the machine ended: Kernel panic
no tests were named: group auto

ext4 on 6.1.0-56-amd64 (QEMU, tcg), 1 test in 2m 5s
1 passed

PASSED
";

#[test]
fn a_log_says_what_runs_before_it_says_what_came_of_it() {
    let mut out = Vec::new();
    told(Form::Lines(Colours::Plain), &mut out);
    assert_eq!(String::from_utf8(out).unwrap(), LINES);
}

#[test]
fn lines_above_a_bar_leave_to_it_what_runs() {
    let mut out = Vec::new();
    told(Form::Bar(Colours::Plain), &mut out);
    let lines = LINES.replace("generic/001   started\n", "");
    assert_eq!(String::from_utf8(out).unwrap(), lines);
}

#[rstest]
#[case(Form::Lines(Colours::Plain), "generic/001\n")]
#[case(Form::Json, "{\"event\":\"listed\",\"name\":\"generic/001\"}\n")]
fn a_list_is_a_name_a_line(#[case] form: Form, #[case] expected: &str) {
    let mut out = Vec::new();
    let name = "generic/001".parse().unwrap();
    Teller::new(form, &mut out).tell(&Told::Listed { name: &name });
    assert_eq!(String::from_utf8(out).unwrap(), expected);
}

#[test]
fn json_is_an_object_a_line_with_the_documented_fields() {
    let mut out = Vec::new();
    told(Form::Json, &mut out);
    let expected = r#"{"event":"run-started","kernel":"6.1.0","machine":"QEMU with tcg","tests":5}
{"event":"step","shard":null,"text":"booting"}
{"event":"test-started","shard":null,"name":"generic/001","remaining":90}
{"event":"test-ended","shard":null,"result":{"name":"generic/001","outcome":"pass","seconds":1.5}}
{"event":"trouble","shard":2,"test":"generic/002","trouble":{"kind":"warning","line":"WARNING: CPU: 0 PID: 1 at x.c:1 f+0x1/0x2"}}
{"event":"test-ended","shard":2,"result":{"name":"generic/002","outcome":"fail","seconds":123.44,"reason":"why fail"}}
{"event":"test-ended","shard":null,"result":{"name":"generic/003","outcome":"not-run","reason":"why not run"}}
{"event":"test-ended","shard":null,"result":{"name":"ext4/053-a-longer-name","outcome":"never-started","reason":"why never started"}}
{"event":"test-ended","shard":null,"result":{"name":"generic/005","outcome":"pass","seconds":7.5,"attempts":[{"outcome":"fail"},{"outcome":"pass"}]}}
{"event":"machine-ended","shard":2,"why":"Kernel panic"}
{"event":"note","text":"no tests were named: group auto"}
{"event":"summary","exit_code":0,"end":{"how":"complete"},"seconds":125.0,"counts":{"pass":1},"comparison":null}
"#;
    assert_eq!(String::from_utf8(out).unwrap(), expected);
}

#[rstest]
#[case(Form::Lines(Colours::Plain), None)]
#[case(Form::Bar(Colours::Plain), Some(Duration::from_secs(1)))]
#[case(Form::Json, None)]
fn only_a_bar_has_times_that_run(#[case] form: Form, #[case] expected: Option<Duration>) {
    assert_eq!(Teller::new(form, Vec::new()).tick(), expected);
}

/// A pipe whose reader left after so many bytes.
struct Closed(usize);

impl Write for Closed {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        if self.0 == 0 {
            return Err(io::ErrorKind::BrokenPipe.into());
        }
        let taken = bytes.len().min(self.0);
        self.0 -= taken;
        Ok(taken)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[rstest]
#[case(Form::Lines(Colours::Ansi))]
#[case(Form::Bar(Colours::Ansi))]
#[case(Form::Json)]
fn a_closed_pipe_is_no_panic_and_is_remembered(#[case] form: Form) {
    for bytes in [0, 1, 40, 200] {
        let teller = told(form, Closed(bytes));
        assert_eq!(
            teller.error().map(io::Error::kind),
            Some(io::ErrorKind::BrokenPipe)
        );
    }
}

#[rstest]
#[case(true, None, Colours::Ansi)]
#[case(true, Some(""), Colours::Ansi)]
#[case(true, Some("1"), Colours::Plain)]
#[case(false, None, Colours::Plain)]
fn colours_are_for_terminals_that_want_them(
    #[case] is_terminal: bool,
    #[case] no_color: Option<&str>,
    #[case] expected: Colours,
) {
    assert_eq!(Colours::of(is_terminal, no_color.map(OsStr::new)), expected);
    let mut out = Vec::new();
    told(Form::Lines(expected), &mut out);
    let has_escapes = String::from_utf8(out)
        .unwrap()
        .contains("\u{1b}[31mfail    \u{1b}[0m");
    assert_eq!(has_escapes, expected == Colours::Ansi);
}
