//! The program `fstests_vm`: fstests in a virtual machine, on volumes of its own.

mod arg_values;
mod args;
mod course;
mod error;
mod finish;
mod guest;
mod machine;
mod results;
mod slices;
mod vm;
mod volumes;

use std::ffi::OsStr;
use std::io::{self, ErrorKind, IsTerminal, Write, stderr, stdout};
use std::process::ExitCode;

use clap::Parser;
use signal_hook::consts::{SIGHUP, SIGINT, SIGTERM};

use args::Args;
use course::{Stop, Telling};
use error::Error;
use results::check_args::CheckArgs;
use results::tell::lines::Colours;
use results::tell::teller::{Form, Teller};

/// Runs the program with the arguments of this process.
pub fn main() -> ExitCode {
    if let Some(code) = vm::keep_if_asked() {
        return code;
    }
    let args = Args::parse();
    let mut telling = telling(&args);
    let code = go(&args, &mut telling).unwrap_or_else(|err| {
        eprintln!("fstests_vm: {}", error::chain(&err));
        err.exit_code()
    });
    if let Some(err) = telling.error() {
        eprintln!("fstests_vm: not all could be told: {err}");
    }
    ExitCode::from(with_loss(code, telling.error()))
}

fn go(args: &Args, telling: &mut Telling) -> Result<u8, Error> {
    if !args.results.merge.is_empty() {
        return finish::merge(args, telling);
    }
    let stop = listen_to_signals()?;
    let check = CheckArgs::parse(args.check.iter().cloned())?;
    if args.course.list {
        let tests = course::list(args, &check, telling, &stop)?;
        // What was told until now is no part of the list, unless each line says what it is.
        let form = if args.results.json {
            Form::Json
        } else {
            Form::Lines(Colours::Plain)
        };
        *telling = Telling::new(Teller::new(form, Box::new(stdout())));
        telling.list(&tests);
        return Ok(0);
    }
    // Before hours of tests, not after them.
    let baseline = finish::baseline(args)?;
    let over = course::run(args, &check, telling, &stop)?;
    finish::finish(args, &check, baseline.as_ref(), over, telling)
}

/// What is told goes to standard output, for people as to what that is; what comes before a list does not.
fn telling(args: &Args) -> Telling {
    let no_color = std::env::var_os("NO_COLOR");
    let lines = |is_terminal| Colours::of(is_terminal, no_color.as_deref().map(OsStr::new));
    let is_terminal = stdout().is_terminal();
    let (form, out): (Form, Box<dyn Write>) = match (args.results.json, args.course.list) {
        (true, _) => (Form::Json, Box::new(stdout())),
        (false, true) => (Form::Lines(lines(stderr().is_terminal())), Box::new(stderr())),
        // The bar is on standard error.
        (false, false) if is_terminal && stderr().is_terminal() => {
            (Form::Bar(lines(true)), Box::new(stdout()))
        }
        (false, false) => (Form::Lines(lines(is_terminal)), Box::new(stdout())),
    };
    Telling::new(Teller::new(form, out))
}

/// Returns the exit status of a run of which not all could be told. Whoever closes a pipe has heard enough.
fn with_loss(code: u8, lost: Option<&io::Error>) -> u8 {
    match lost {
        Some(err) if code == 0 && err.kind() != ErrorKind::BrokenPipe => 1,
        _ => code,
    }
}

/// The first signal ends the run in order; a second one at once, which leaves the volumes to the watchdog.
fn listen_to_signals() -> Result<Stop, Error> {
    let stop = Stop::default();
    for signal in [SIGINT, SIGTERM, SIGHUP] {
        let listening = signal_hook::flag::register_conditional_shutdown(signal, 130, stop.flag())
            .and_then(|_| signal_hook::flag::register(signal, stop.flag()));
        listening.map_err(Error::Signals)?;
    }
    Ok(stop)
}

#[cfg(test)]
mod tests {
    use rstest::rstest;

    use super::*;

    #[rstest]
    #[case(0, None, 0)]
    #[case(0, Some(ErrorKind::StorageFull), 1)]
    #[case(3, Some(ErrorKind::StorageFull), 3)]
    #[case(0, Some(ErrorKind::BrokenPipe), 0)]
    fn a_run_that_could_not_be_told_is_no_success_unless_nobody_listened(
        #[case] code: u8,
        #[case] lost: Option<ErrorKind>,
        #[case] expected: u8,
    ) {
        assert_eq!(with_loss(code, lost.map(io::Error::from).as_ref()), expected);
    }
}
