//! The program `fstests_vm`: fstests in a virtual machine, on volumes of its own.

mod args;
mod course;
mod error;
mod finish;
mod guest;
mod machine;
mod results;
mod vm;
mod volumes;

use std::io::{IsTerminal, stdout};
use std::process::ExitCode;

use clap::Parser;
use signal_hook::consts::{SIGHUP, SIGINT, SIGTERM};

use args::Args;
use course::{Stop, Telling};
use error::Error;
use results::check_args::CheckArgs;
use results::run::RunResults;
use results::tell::lines::Colours;
use results::tell::teller::{Form, Teller};

/// Runs the program with the arguments of this process.
pub fn main() -> ExitCode {
    if let Some(code) = vm::keep_if_asked() {
        return code;
    }
    let args = Args::parse();
    let colours = Colours::of(stdout().is_terminal(), std::env::var_os("NO_COLOR").as_deref());
    let form = match (args.results.json, stdout().is_terminal()) {
        (true, _) => Form::Json,
        (false, true) => Form::Bar(colours),
        (false, false) => Form::Lines(colours),
    };
    let mut telling = Telling::new(Teller::new(form, stdout()));
    match go(&args, &mut telling) {
        Ok(code) => ExitCode::from(code),
        Err(err) => {
            eprintln!("fstests_vm: {}", err.chain());
            ExitCode::from(err.exit_code())
        }
    }
}

fn go(args: &Args, telling: &mut Telling) -> Result<u8, Error> {
    // Before anything is run: a run that then cannot be compared may have taken hours.
    let baseline = args.results.baseline.as_deref().map(RunResults::read);
    let baseline = baseline.transpose().map_err(Error::Baseline)?;
    if !args.results.merge.is_empty() {
        return finish::merge(args, baseline.as_ref(), telling);
    }
    let stop = listen_to_signals()?;
    let check = CheckArgs::parse(args.check.iter().cloned())?;
    let over = course::run(args, &check, telling, &stop)?;
    finish::finish(args, &check, over, baseline.as_ref(), telling)
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
