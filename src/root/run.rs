use std::env;
use std::io::Write;
use std::process::ExitCode;

use linkme::distributed_slice;
use nix::unistd::{geteuid, getuid};

use crate::error::Error;
use crate::root::act::act;
use crate::root::caller::Caller;
use crate::root::surroundings;
use crate::root::verb::Verb;

/// What was asked for is not allowed, or is no question at all: `EX_NOPERM` of sysexits(3).
const REFUSED: u8 = 77;

/// What was asked for is allowed, and failed. Not 1, with which sudo says that it did not even begin.
const FAILED: u8 = 5;

/// The filesystem that was to be unmounted is in use: `EX_TEMPFAIL`.
pub(crate) const BUSY: u8 = 75;

/// An entry tells the constructor that this is the program: there is nothing for it to do then, and its variables
/// are not the caller's to set.
#[distributed_slice]
pub static IS_ROOT_PROGRAM: [u8] = [..];

/// Why nothing, or not all, was done.
#[derive(Debug, thiserror::Error)]
pub(super) enum Failure {
    #[error("refused: {0}")]
    Refused(String),
    #[error("it is in use")]
    Busy,
    #[error(transparent)]
    Failed(#[from] Error),
}

impl Failure {
    fn code(&self) -> u8 {
        match self {
            Self::Refused(_) | Self::Failed(Error::NotOurs { .. }) => REFUSED,
            Self::Busy => BUSY,
            Self::Failed(_) => FAILED,
        }
    }
}

/// Does what the arguments ask, if the user for whom sudo runs this may have it done.
pub fn main() -> ExitCode {
    let sudo_uid = env::var_os("SUDO_UID");
    let args: Vec<_> = env::args_os().skip(1).collect();
    let caller = Caller::of(getuid().as_raw(), geteuid().as_raw(), sudo_uid.as_deref());
    let done = caller.and_then(|caller| {
        surroundings::reset()?;
        let verb = Verb::parse(&args, &caller)?;
        act(verb, &caller)
    });
    let written = done.and_then(|out| {
        let mut stdout = std::io::stdout();
        let written = stdout.write_all(&out).and_then(|()| stdout.flush());
        written.map_err(|err| Error::io("write to", "/dev/stdout", err).into())
    });
    match written {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => {
            // Nobody may be there to read it.
            let _ = writeln!(std::io::stderr(), "kdev-root: {}", told(&failure));
            ExitCode::from(failure.code())
        }
    }
}

fn told(failure: &Failure) -> String {
    match failure {
        Failure::Failed(err) => err.chain(),
        other => other.to_string(),
    }
}
