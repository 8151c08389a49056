//! One machine after the other, for one part of the tests.

use std::ffi::OsStr;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use crate::course::allowed::Allowed;
use crate::course::boot::{Cause, NotUp, SHARED, Up};
use crate::course::dmesg;
use crate::course::report::Reporter;
use crate::course::round::{Seen, watch};
use crate::course::run::Common;
use crate::guest;
use crate::results::attempts::{Again, together};
use crate::results::outcome::{Outcome, TestResult};
use crate::results::test_name::TestName;
use crate::results::trouble::Trouble;
use crate::results::verdict::{Round, RoundEnd, verdicts};
use crate::results::xunit::{self, Planned, XunitError};
use crate::vm::{Heard, Said};
use crate::volumes::Placed;

/// What is done with a part of the tests.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Course {
    /// Whether a new machine goes on behind a test that took one down.
    pub(crate) goes_on: bool,
    pub(crate) repeat: u32,
    pub(crate) retry_failed: u32,
}

/// One part of the tests, and the machines that run it, one at a time, on the same disks.
pub(crate) struct Shard<'a> {
    common: &'a Common<'a>,
    disks: &'a [Placed],
    reporter: Reporter,
    machine: Option<Machine>,
    boots: u32,
    rounds: u32,
    /// What the kernel said while no test ran.
    outside: Vec<Trouble>,
    end: Option<RoundEnd>,
}

struct Machine {
    up: Up,
    /// What the guest and we both see.
    shared: PathBuf,
}

/// What came of a part.
#[derive(Debug, Default)]
pub(crate) struct Done {
    pub(crate) results: Vec<TestResult>,
    pub(crate) outside: Vec<Trouble>,
    /// Why not all of it was run.
    pub(crate) cut_short: Option<RoundEnd>,
    pub(crate) not_up: Option<NotUp>,
}

/// Why there is no list of tests.
#[derive(Debug, thiserror::Error)]
pub(crate) enum NoPlan {
    #[error(transparent)]
    NotUp(#[from] NotUp),
    #[error("`check -n` ended with status {code} and no list of tests: {said}")]
    Refused { code: i32, said: String },
    #[error("the list of tests cannot be read")]
    Unreadable(#[from] XunitError),
    #[error("cannot write to the directory that the guest shares")]
    Io(#[from] io::Error),
    #[error("the machine ended while `check -n` listed the tests: {0}")]
    Ended(String),
    #[error("interrupted while `check -n` listed the tests")]
    Interrupted,
}

impl NoPlan {
    /// Returns the exit status that it is worth.
    pub(crate) fn exit_code(&self) -> u8 {
        match self {
            Self::NotUp(not_up) => match not_up.cause {
                Cause::Kernel => 3,
                Cause::Host => 69,
                Cause::Interrupted => 130,
            },
            Self::Refused { .. } => 2,
            Self::Ended(_) => 3,
            Self::Interrupted => 130,
            Self::Unreadable(_) | Self::Io(_) => 1,
        }
    }
}

/// How often the clock is looked at while nothing is heard.
const PULSE: Duration = Duration::from_millis(200);

/// How much of what `check` said an error repeats.
const LINES_TOLD: usize = 12;

impl<'a> Shard<'a> {
    pub(super) fn new(common: &'a Common<'a>, disks: &'a [Placed], reporter: Reporter) -> Self {
        Self {
            common,
            disks,
            reporter,
            machine: None,
            boots: 0,
            rounds: 0,
            outside: Vec::new(),
            end: None,
        }
    }

    /// Boots the first machine, so that it is ready when the tests are known.
    pub(super) fn boot(&mut self) -> Result<(), NotUp> {
        self.machine().map(drop)
    }

    /// Has `check` itself say which tests its arguments choose.
    pub(super) fn plan(&mut self) -> Result<Vec<Planned>, NoPlan> {
        let (common, reporter) = (self.common, self.reporter.clone());
        let machine = self.machine()?;
        let excluded = common.excludes.copy_to(&machine.shared)?;
        let mut arguments = ["-n", "-R", "xunit"].map(str::to_owned).to_vec();
        arguments.extend(common.check.for_plan(&excluded));
        let dir = machine.shared.join("plan");
        write_arguments(&dir, &arguments)?;
        reporter.step("asking `check -n` for the list of tests");
        let code = machine.planned(common.allowed)?;
        let said = read_text(&dir.join("check.out"));
        let planned = match fs::read(dir.join("result.xml")) {
            Ok(xml) => xunit::planned(&xml, &said)?,
            Err(err) if err.kind() == io::ErrorKind::NotFound => Vec::new(),
            Err(err) => return Err(err.into()),
        };
        if planned.is_empty() {
            let said = format!("{said}{}", read_text(&dir.join("check.err")));
            return Err(NoPlan::Refused {
                code,
                said: last_lines(&said),
            });
        }
        Ok(planned)
    }

    /// Runs the tests, as often as the course says, and ends the machine.
    pub(super) fn run(mut self, tests: &[TestName], course: Course) -> Done {
        let mut done = Done::default();
        if !tests.is_empty() {
            if let Err(not_up) = self.course(tests, course, &mut done.results) {
                let missing: Vec<&TestName> = tests.iter().filter(|name| !is_in(&done.results, name)).collect();
                let never = missing.into_iter().map(|name| {
                    TestResult::new(name.clone(), Outcome::NeverStarted).because(not_up.to_string())
                });
                done.results.extend(never);
                done.not_up = Some(not_up);
            }
        }
        for result in &mut done.results {
            result.shard = Some(self.reporter.shard);
        }
        self.power_off();
        done.outside = self.outside;
        done.cut_short = self.end;
        done
    }

    fn course(
        &mut self,
        tests: &[TestName],
        course: Course,
        results: &mut Vec<TestResult>,
    ) -> Result<(), NotUp> {
        for pass in 0..course.repeat {
            if pass > 0 && self.end.is_some() {
                break;
            }
            let ran = self.pass(tests, course)?;
            merge(results, ran, Again::Repeat);
        }
        for _ in 0..course.retry_failed {
            let failed: Vec<TestName> = results
                .iter()
                .filter(|result| result.outcome == Outcome::Fail)
                .map(|result| result.name.clone())
                .collect();
            if failed.is_empty() || self.end.is_some() {
                break;
            }
            self.reporter.step(&format!("trying {} again", count(failed.len())));
            let ran = self.pass(&failed, course)?;
            merge(results, ran, Again::Retry);
        }
        Ok(())
    }

    /// Runs each of these tests once, in as many machines as that takes and the course allows.
    fn pass(&mut self, tests: &[TestName], course: Course) -> Result<Vec<TestResult>, NotUp> {
        let mut left = tests.to_vec();
        let mut results: Vec<TestResult> = Vec::new();
        loop {
            let (ran, end) = self.round(&left)?;
            if matches!(end, RoundEnd::Finished { .. }) {
                results.extend(ran);
                return Ok(results);
            }
            let is_ours = matches!(end, RoundEnd::Interrupted | RoundEnd::OutOfTime { .. });
            let (never, concluded): (Vec<_>, Vec<_>) = ran
                .into_iter()
                .partition(|result| result.outcome == Outcome::NeverStarted);
            // A machine that ends before any test has ended would do so for ever.
            let goes_on = course.goes_on && !is_ours && !concluded.is_empty();
            results.extend(concluded);
            if !goes_on || never.is_empty() {
                if !never.is_empty() || is_ours {
                    self.end = Some(end);
                }
                results.extend(never);
                return Ok(results);
            }
            left = never.into_iter().map(|result| result.name).collect();
            self.reporter.step(&format!("going on with {} in a new machine", count(left.len())));
        }
    }

    /// Runs `check` once; if it does not end by itself, the machine is gone after.
    fn round(&mut self, tests: &[TestName]) -> Result<(Vec<TestResult>, RoundEnd), NotUp> {
        self.rounds += 1;
        let name = format!("round-{}", self.rounds);
        let (common, reporter) = (self.common, self.reporter.clone());
        let mut arguments = ["-R", "xunit"].map(str::to_owned).to_vec();
        arguments.extend(common.check.for_round(tests));
        let machine = self.machine()?;
        let dir = machine.shared.join(&name);
        let seen = match write_arguments(&dir, &arguments) {
            Ok(()) => watch(&mut machine.up.vm, &dir, common.allowed, common.asked, &reporter),
            Err(err) => Seen::nothing(RoundEnd::Died {
                why: format!("cannot write {}: {err}", dir.display()),
            }),
        };
        let shared = machine.shared.clone();
        let finished = matches!(seen.end, RoundEnd::Finished { .. });
        if !finished {
            self.end_machine(&seen.end);
        }
        let mut results = verdicts(&Round {
            planned: tests,
            began: true,
            reported: &seen.reported,
            started: &seen.started,
            troubles: &seen.troubles,
            asked_for: &|name| common.asked.by(name),
            end: seen.end.clone(),
        });
        // What `check` reported was told as it came.
        let is_told = |result: &&TestResult| seen.reported.iter().any(|one| one.name == result.name);
        let untold = results.iter().filter(|result| !is_told(result));
        untold
            .filter(|result| result.outcome != Outcome::NeverStarted)
            .for_each(|result| reporter.ended(result.clone()));
        let outside = seen.troubles.iter().filter(|(during, _)| during.is_none());
        self.outside.extend(outside.map(|(_, trouble)| trouble.clone()));
        if let Err(err) = dmesg::keep(&shared, common.dir, &dir, &mut results) {
            reporter.note(&format!("the kernel's messages of each test cannot be kept: {err}"));
        }
        Ok((results, seen.end))
    }

    fn machine(&mut self) -> Result<&mut Machine, NotUp> {
        let machine = match self.machine.take() {
            Some(machine) => machine,
            None => {
                self.boots += 1;
                let number = self.reporter.shard;
                let common = self.common;
                let dir = common.dir.join(match self.boots {
                    1 => format!("vm{number}"),
                    boots => format!("vm{number}.{boots}"),
                });
                let up = common.setup.boot(&dir, self.disks, common.allowed, &self.reporter)?;
                Machine {
                    up,
                    shared: dir.join(SHARED),
                }
            }
        };
        Ok(self.machine.insert(machine))
    }

    /// Ends the machine, and says why and how.
    fn end_machine(&mut self, why: &RoundEnd) {
        let Some(machine) = self.machine.take() else { return };
        let why = match why {
            RoundEnd::Finished { .. } => "it was not needed any more",
            RoundEnd::Crashed { why } | RoundEnd::Died { why } => why,
            RoundEnd::Hung { .. } => "a test exceeded its limit",
            RoundEnd::OutOfTime { .. } => "the run exceeded its limit",
            RoundEnd::Interrupted => "interrupted",
        };
        let how = machine.up.end();
        self.reporter.machine_ended(&format!("{why} ({how})"));
    }

    /// Lets the guest end by itself, for a while.
    fn power_off(&mut self) {
        let Some(mut machine) = self.machine.take() else { return };
        let allowed = self.common.allowed;
        let until = Instant::now() + allowed.boot;
        let mut ends = machine.up.vm.tell("end").is_ok();
        while ends && Instant::now() < until && !allowed.stop.is_asked_for() {
            ends = !matches!(machine.up.vm.hear(PULSE), Heard::Gone);
        }
        machine.up.end();
    }
}

impl Machine {
    /// Waits for the end of `check -n`.
    fn planned(&mut self, allowed: &Allowed) -> Result<i32, NoPlan> {
        self.up.vm.tell("plan")?;
        let until = Instant::now() + allowed.for_test(None);
        loop {
            match self.up.vm.hear(PULSE) {
                Heard::Said(Said::Planned(code)) => return Ok(code),
                Heard::Said(Said::Fail(why)) => return Err(NoPlan::Ended(why)),
                Heard::Gone => return Err(NoPlan::Ended("without a word".to_owned())),
                _ if allowed.stop.is_asked_for() => return Err(NoPlan::Interrupted),
                _ if Instant::now() > until => {
                    return Err(NoPlan::Ended("it took longer than a test may".to_owned()));
                }
                _ => {}
            }
        }
    }
}

fn write_arguments(dir: &Path, arguments: &[String]) -> io::Result<()> {
    fs::create_dir_all(dir)?;
    let script = guest::arguments(arguments.iter().map(OsStr::new));
    fs::write(dir.join("arguments"), script)
}

fn merge(results: &mut Vec<TestResult>, ran: Vec<TestResult>, again: Again) {
    for result in ran {
        match results.iter_mut().find(|earlier| earlier.name == result.name) {
            Some(earlier) => {
                if let Some(both) = together(vec![earlier.clone(), result], again) {
                    *earlier = both;
                }
            }
            None => results.push(result),
        }
    }
}

fn is_in(results: &[TestResult], name: &TestName) -> bool {
    results.iter().any(|result| result.name == *name)
}

fn read_text(path: &Path) -> String {
    String::from_utf8_lossy(&fs::read(path).unwrap_or_default()).into_owned()
}

fn last_lines(text: &str) -> String {
    let lines: Vec<&str> = text.lines().filter(|line| !line.trim().is_empty()).collect();
    lines[lines.len().saturating_sub(LINES_TOLD)..].join("\n")
}

fn count(tests: usize) -> String {
    match tests {
        1 => "1 test".to_owned(),
        _ => format!("{tests} tests"),
    }
}
