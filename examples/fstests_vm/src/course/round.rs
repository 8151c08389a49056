//! One run of `check` in a machine, as it is seen from outside.

use std::collections::HashSet;
use std::fs;
use std::io::ErrorKind;
use std::path::Path;
use std::time::{Duration, Instant};

use crate::course::allowed::{Allowed, PULSE};
use crate::course::asked::Asked;
use crate::course::report::Reporter;
use crate::results::scanner::{Event, Scanner};
use crate::results::test_name::TestName;
use crate::results::trouble::Trouble;
use crate::results::verdict::{Round, RoundEnd, verdicts};
use crate::results::xunit::{self, Reported};
use crate::vm::{Heard, Said, Vm};

/// What was seen of a round.
#[derive(Debug)]
pub(crate) struct Seen {
    /// Whether the guest has said that it runs `check`.
    pub(crate) began: bool,
    /// The tests that the kernel's log says were started, in order.
    pub(crate) started: Vec<TestName>,
    /// What `check` itself reported.
    pub(crate) reported: Vec<Reported>,
    /// What the kernel complained of, and during which test.
    pub(crate) troubles: Vec<(Option<TestName>, Trouble)>,
    pub(crate) end: RoundEnd,
}

impl Seen {
    /// Makes what is seen of a round that never began.
    pub(crate) fn nothing(end: RoundEnd) -> Self {
        Self {
            began: false,
            started: Vec::new(),
            reported: Vec::new(),
            troubles: Vec::new(),
            end,
        }
    }
}

/// How long a kernel that has panicked may take to end the machine, before it is ended.
const AFTER_PANIC: Duration = Duration::from_secs(10);

/// How long a guest may take to say what its tasks are doing, before its kernel is asked past it.
const FOR_A_DUMP: Duration = Duration::from_secs(5);

struct Watch<'a> {
    vm: &'a mut Vm,
    /// Where `check` leaves its report.
    dir: &'a Path,
    allowed: &'a Allowed,
    asked: &'a Asked,
    reporter: &'a Reporter,
    scanner: Scanner,
    began: bool,
    started: Vec<TestName>,
    reported: Vec<Reported>,
    told: HashSet<TestName>,
    troubles: Vec<(Option<TestName>, Trouble)>,
    /// When the test that runs was started, else the round.
    since: Instant,
    panicked: Option<Instant>,
}

/// Has the guest run what `dir` says, and stays until that ends, in whatever way.
///
/// After any end but [`RoundEnd::Finished`] the machine is being ended.
pub(crate) fn watch(vm: &mut Vm, dir: &Path, allowed: &Allowed, asked: &Asked, reporter: &Reporter) -> Seen {
    let name = dir.file_name().unwrap_or_default().to_string_lossy().into_owned();
    let mut watch = Watch {
        vm,
        dir,
        allowed,
        asked,
        reporter,
        scanner: Scanner::default(),
        began: false,
        started: Vec::new(),
        reported: Vec::new(),
        told: HashSet::new(),
        troubles: Vec::new(),
        since: Instant::now(),
        panicked: None,
    };
    let end = match watch.vm.tell(&format!("run {name}")) {
        Ok(()) => watch.until_it_ends(&name),
        Err(_) => watch.died(),
    };
    watch.read_reports();
    Seen {
        // A kernel that dies at once may take the guest's answer with it, and the mark of a test not.
        began: watch.began || !watch.started.is_empty(),
        started: watch.started,
        reported: watch.reported,
        troubles: watch.troubles,
        end,
    }
}

impl Watch<'_> {
    fn until_it_ends(&mut self, name: &str) -> RoundEnd {
        loop {
            let heard = self.vm.hear(PULSE);
            self.began |= self.vm.has_been_understood();
            match heard {
                Heard::Console(bytes) => {
                    let events = self.scanner.feed(&bytes);
                    self.note(events);
                }
                Heard::Said(Said::Done(round, code)) if round == name => {
                    return RoundEnd::Finished { code };
                }
                Heard::Said(Said::Fail(why)) => {
                    self.vm.stop();
                    return RoundEnd::Died { why };
                }
                Heard::Said(_) | Heard::Silence => {}
                Heard::Gone => return self.died(),
            }
            if let Some(end) = self.out_of_patience() {
                self.vm.stop();
                return end;
            }
        }
    }

    fn note(&mut self, events: Vec<Event>) {
        for event in events {
            match event {
                Event::TestStarted(name) => {
                    // `check` reports what is done before it begins what is next.
                    self.read_reports();
                    self.reporter.started(&name);
                    self.since = Instant::now();
                    self.started.push(name);
                }
                Event::Trouble(trouble) => {
                    if trouble.kind.ends_the_machine() {
                        self.panicked = Some(Instant::now());
                    }
                    let during = self.running().cloned();
                    self.reporter.trouble(during.as_ref(), &trouble);
                    self.troubles.push((during, trouble));
                }
            }
        }
    }

    fn running(&self) -> Option<&TestName> {
        self.started.last().filter(|name| !self.told.contains(*name))
    }

    fn out_of_patience(&mut self) -> Option<RoundEnd> {
        if self.allowed.stop.is_asked_for() {
            return Some(RoundEnd::Interrupted);
        }
        if self.panicked.is_some_and(|at| at.elapsed() > AFTER_PANIC) {
            return Some(self.crashed());
        }
        if self.allowed.until.is_some_and(|until| Instant::now() > until) {
            let limit = self.allowed.whole;
            return Some(RoundEnd::OutOfTime { limit });
        }
        let limit = self.allowed.for_test(self.running());
        if self.since.elapsed() > limit {
            self.dump();
            return Some(RoundEnd::Hung { limit });
        }
        None
    }

    /// Has the kernel say what all are waiting for, for the console's log: by our program in the guest, and
    /// if that does not answer by the kernel itself.
    fn dump(&mut self) {
        self.reporter.step("asking the kernel what its tasks are doing");
        let until = Instant::now() + FOR_A_DUMP;
        let asked = self.vm.tell("dump");
        while asked.is_ok() && Instant::now() < until {
            match self.vm.hear(PULSE) {
                Heard::Said(Said::Dumped) | Heard::Gone => return,
                _ => {}
            }
        }
        // Where there is no such line, nothing more can be had.
        let _ = self.vm.interrupt_kernel();
    }

    fn died(&mut self) -> RoundEnd {
        let events = self.scanner.finish();
        self.note(events);
        self.crashed()
    }

    fn crashed(&self) -> RoundEnd {
        let panic = self.troubles.iter().rev().map(|(_, trouble)| trouble);
        let last_words = panic.clone().find(|trouble| trouble.kind.ends_the_machine());
        match last_words {
            Some(trouble) => RoundEnd::Crashed {
                why: trouble.line.clone(),
            },
            None => RoundEnd::Died {
                why: "the machine ended without a word".to_owned(),
            },
        }
    }

    /// Reads what `check` has reported since, and tells of it.
    fn read_reports(&mut self) {
        let file = self.dir.join("result.xml");
        let reports = match fs::read(&file) {
            Ok(xml) => xunit::read(&xml),
            Err(err) if err.kind() == ErrorKind::NotFound => return,
            Err(err) => {
                return self
                    .reporter
                    .note(&format!("cannot read {}: {err}", file.display()));
            }
        };
        match reports {
            Ok(reports) => {
                for reported in &reports {
                    if self.told.insert(reported.name.clone()) {
                        self.tell_of(reported);
                    }
                }
                self.reported = reports;
            }
            Err(err) => self
                .reporter
                .note(&format!("cannot read {}: {err}", file.display())),
        }
    }

    /// Tells of a test that has ended, as it would be judged now.
    fn tell_of(&self, reported: &Reported) {
        let results = verdicts(&Round {
            planned: std::slice::from_ref(&reported.name),
            began: true,
            reported: std::slice::from_ref(reported),
            started: &self.started,
            troubles: &self.troubles,
            asked_for: &|name| self.asked.by(name),
            end: RoundEnd::Finished { code: 0 },
        });
        results.into_iter().for_each(|result| self.reporter.ended(result));
    }
}
