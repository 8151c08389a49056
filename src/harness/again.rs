//! Running one test of many in a process of its own: this program, started again for it alone.

use std::io;
use std::os::fd::AsFd;
use std::process::Child;
use std::time::{Duration, Instant};

use crate::announce;
use crate::backend::Named;
use crate::command;
use crate::error::{Error, Result};
use crate::harness::alone::{self, VARIABLE};
use crate::harness::replay::{Excerpt, Marks, Text};
use crate::harness::report::{Report, Told};
use crate::harness::verdict::{End, Failure, Verdict, verdict};
use crate::owner::Owner;
use crate::pipes::{read_some, ready};
use crate::process::{self, Process};
use crate::reap;
use crate::state::{Record, State};
use crate::state_dir::StateDir;

/// How long the output of a process is read that has ended, while something that it left behind has it.
const AFTER_THE_END: Duration = Duration::from_millis(200);

/// Runs a test in a process of its own, replays what it writes, and takes back what it held if it dies.
pub(super) fn run_again(test: &str, should_panic: bool) -> Verdict {
    match attempt(test, should_panic) {
        Ok(verdict) => verdict,
        Err(err) => Verdict::Fail(Failure::Unsaid(format!(
            "it cannot be run in a process of its own: {}",
            err.chain()
        ))),
    }
}

fn attempt(test: &str, should_panic: bool) -> Result<Verdict> {
    let failed = |err| Error::io("start", "/proc/self/exe", err);
    let report = Report::new().map_err(failed)?;
    let nonce = format!("{:016x}", getrandom::u64().map_err(|err| failed(err.into()))?);
    let marks = Marks::new(&nonce);
    let parent = alone::as_parent(report.number(), nonce, test);
    let mut child = command::start_test(test, (VARIABLE, &parent.to_variable())).map_err(failed)?;
    let started = Process::start_of_child(child.id());
    let replayed = replay(&mut child, Excerpt::new(marks));
    let status = child.wait().map_err(failed)?;
    replayed.map_err(failed)?;
    let told = report.read().map_err(failed)?;
    if matches!(told.last(), Some(Told::Began)) {
        if let Some(start_time) = started {
            if let Err(err) = take_back(child.id(), start_time) {
                // How the test ended is the news still; the next reaper has this to tell again.
                eprintln!("kdev: could not take back what the test held: {}", err.chain());
            }
        }
    }
    Ok(verdict(&told, End::from(status), should_panic))
}

/// Its watchdog is at it too; together they are done when the first is. What is kept nobody else can tell.
fn take_back(pid: u32, start_time: u64) -> Result<()> {
    let owner = Owner {
        pid,
        start_time: Some(start_time),
        ..Owner::myself()?
    };
    let state = State::new(StateDir::from_env()?);
    reap::reap_owner(&state, &owner)?;
    let records = state.snapshot()?;
    let kept = records
        .iter()
        .filter(|record| record.is_kept() && record.owner().is_same_process(&owner));
    let kept: Vec<(&Record, Named)> = kept.map(|record| (record, Named::on_record(record))).collect();
    if let Some((record, _)) = kept.first() {
        let test = record.test.as_deref().unwrap_or("a test");
        let reason = record.kept.as_deref().unwrap_or_default();
        let volumes: Vec<&Named> = kept.iter().map(|(_, volume)| volume).collect();
        eprintln!("{}", announce::kept(&volumes, test, reason));
    }
    Ok(())
}

/// Prints what a child writes, as it comes, where libtest can capture it.
fn replay(child: &mut Child, mut excerpt: Excerpt) -> io::Result<()> {
    let ended = process::pidfd(child.id())?;
    let mut stdout = child.stdout.take();
    let mut stderr = child.stderr.take();
    let (mut out, mut err) = (Text::default(), Text::default());
    let mut deadline = None;
    while stdout.is_some() || stderr.is_some() {
        let waited_for = [
            stdout.as_ref().map(AsFd::as_fd),
            stderr.as_ref().map(AsFd::as_fd),
            deadline.is_none().then(|| ended.as_fd()),
        ];
        let [out_ready, err_ready, has_ended] = ready(waited_for, deadline)?;
        if has_ended {
            deadline = Some(Instant::now() + AFTER_THE_END);
        }
        if out_ready {
            let piece = read_some(&mut stdout)?;
            print!("{}", out.of(&excerpt.feed(&piece)));
        }
        if err_ready {
            let piece = read_some(&mut stderr)?;
            eprint!("{}", err.of(&piece));
        }
        if !out_ready && !err_ready && deadline.is_some_and(|deadline| Instant::now() >= deadline) {
            eprintln!("kdev: the test has left a process behind that holds its output open");
            break;
        }
    }
    print!("{}{}", out.of(&excerpt.rest()), out.rest());
    eprint!("{}", err.rest());
    Ok(())
}
