//! One machine after the other, for one part of the tests.

use crate::course::asking::write_arguments;
use crate::course::common::Common;
use crate::course::dmesg;
use crate::course::machines::Machines;
use crate::course::no_plan::NoPlan;
use crate::course::not_up::NotUp;
use crate::course::report::Reporter;
use crate::course::round::{Seen, watch};
use crate::results::attempts::{Again, together};
use crate::results::listing::Planned;
use crate::results::outcome::{Outcome, TestResult};
use crate::results::test_name::TestName;
use crate::results::trouble::Trouble;
use crate::results::verdict::{Round, RoundEnd, verdicts};
use crate::volumes::Placed;

/// What is done with a part of the tests.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Course {
    /// Whether a new machine goes on behind a test that took one down.
    pub(crate) goes_on: bool,
    pub(crate) repeat: u32,
    pub(crate) retry_failed: u32,
}

/// One part of the tests, and the machines that run it.
pub(super) struct Shard<'a> {
    common: &'a Common<'a>,
    machines: Machines<'a>,
    reporter: Reporter,
    rounds: u32,
    /// What the kernel said while no test ran.
    outside: Vec<Trouble>,
    end: Option<RoundEnd>,
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

impl<'a> Shard<'a> {
    pub(super) fn new(common: &'a Common<'a>, disks: &'a [Placed], reporter: Reporter) -> Self {
        Self {
            common,
            machines: Machines::new(common, disks, reporter.clone()),
            reporter,
            rounds: 0,
            outside: Vec::new(),
            end: None,
        }
    }

    /// Boots the first machine, so that it is ready when the tests are known.
    pub(super) fn boot(&mut self) -> Result<(), NotUp> {
        self.machines.ready().map(drop)
    }

    /// Has `check` itself say which tests its arguments choose.
    pub(super) fn plan(&mut self) -> Result<Vec<Planned>, NoPlan> {
        let machine = self.machines.ready()?;
        machine.plan(self.common, &self.reporter)
    }

    /// Lets the machine end that there is.
    pub(super) fn power_off(&mut self) {
        self.machines.power_off();
    }

    /// Runs the tests, as often as the course says, and ends the machine.
    pub(super) fn run(mut self, tests: &[TestName], course: Course) -> Done {
        let mut done = Done::default();
        if !tests.is_empty() {
            if let Err(not_up) = self.course(tests, course, &mut done.results) {
                let missing: Vec<&TestName> =
                    tests.iter().filter(|name| !is_in(&done.results, name)).collect();
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
            self.reporter
                .step(&format!("trying {} again", count(failed.len())));
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
            self.reporter
                .step(&format!("going on with {} in a new machine", count(left.len())));
        }
    }

    /// Runs `check` once; if it does not end by itself, the machine is gone after.
    fn round(&mut self, tests: &[TestName]) -> Result<(Vec<TestResult>, RoundEnd), NotUp> {
        self.rounds += 1;
        let name = format!("round-{}", self.rounds);
        let (common, reporter) = (self.common, self.reporter.clone());
        let mut arguments = ["-R", "xunit"].map(str::to_owned).to_vec();
        arguments.extend(common.check.for_round(tests));
        let machine = self.machines.ready()?;
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
            self.machines.end(&seen.end);
        }
        let mut results = verdicts(&Round {
            planned: tests,
            began: seen.began,
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
            reporter.note(&format!(
                "the kernel's messages of each test cannot be kept: {err}"
            ));
        }
        Ok((results, seen.end))
    }
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

fn count(tests: usize) -> String {
    match tests {
        1 => "1 test".to_owned(),
        _ => format!("{tests} tests"),
    }
}
