//! Why a machine did not come up, and where to look.

use std::fs;
use std::path::{Path, PathBuf};

use crate::course::last_lines::last_lines;
use crate::machine::kernel::Flavour;
use crate::results::run::RunEnd;

/// Why a machine did not come up.
#[derive(Clone, Debug, thiserror::Error)]
#[error("the machine did not come up: {why} (its console: `{}`)", console.display())]
pub(crate) struct NotUp {
    why: String,
    pub(crate) cause: Cause,
    console: PathBuf,
}

/// What kept a machine from coming up.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Cause {
    /// Its kernel.
    Kernel,
    /// Nobody can tell: it was gone before its first program said a word, and its kernel left no reason.
    Unknown,
    /// This host, or what it was given.
    Host,
    /// Somebody wants the run to end.
    Interrupted,
}

/// Whether the guest's first program has said that it runs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Greeting {
    Heard,
    Awaited,
}

/// What the machine's kernel says.
pub(super) const CONSOLE: &str = "console.log";

/// What the program that is the machine says itself.
pub(super) const OUTPUT: &str = "machine.log";

/// How much of a console is repeated.
const LINES_TOLD: usize = 10;

/// How many machines are started for one that comes up.
const STARTS: u32 = 3;

impl NotUp {
    /// Says why the machine in that directory did not come up.
    pub(super) fn new(cause: Cause, why: String, dir: &Path) -> Self {
        let console = dir.join(CONSOLE);
        Self { why, cause, console }
    }

    /// Says why a machine is gone that was not ready yet. `panic` is the kernel's last word, if there was one.
    pub(super) fn gone(panic: Option<String>, greeting: Greeting, dir: &Path) -> Self {
        let cause = blame(panic.as_deref(), greeting);
        let why = panic.unwrap_or_else(|| format!("it ended {}", last_words(dir)));
        Self::new(cause, why, dir)
    }

    /// Returns what it means for a run.
    pub(crate) fn as_end(&self) -> RunEnd {
        let why = self.to_string();
        match self.cause {
            Cause::Kernel => RunEnd::Crashed { why },
            Cause::Host | Cause::Unknown => RunEnd::Failed { why },
            Cause::Interrupted => RunEnd::Interrupted,
        }
    }

    /// Returns the exit status that it is worth, where there is no run to tell of.
    pub(crate) fn exit_code(&self) -> u8 {
        match self.cause {
            Cause::Kernel => 3,
            Cause::Host | Cause::Unknown => 69,
            Cause::Interrupted => 130,
        }
    }

    /// Returns the end of what the kernel said; nothing where nobody wants to know.
    pub(super) fn last_lines(&self) -> Vec<String> {
        if self.cause == Cause::Interrupted {
            return Vec::new();
        }
        // A machine that was never started has none.
        let console = fs::read(&self.console).unwrap_or_default();
        last_lines(&String::from_utf8_lossy(&console), LINES_TOLD)
    }
}

/// Decides what it was that ended a machine before it was ready.
fn blame(panic: Option<&str>, greeting: Greeting) -> Cause {
    match (panic, greeting) {
        (Some(_), _) => Cause::Kernel,
        (None, Greeting::Awaited) => Cause::Unknown,
        (None, Greeting::Heard) => Cause::Host,
    }
}

/// Decides whether another machine is started after so many that did not come up, of which the last one did
/// not for that cause.
///
/// A User-Mode Linux kernel now and then dies by itself in its first second (Debian's 6.1 does), and comes up
/// the next time. QEMU's do not.
pub(super) fn starts_again(flavour: Flavour, cause: Cause, started: u32) -> bool {
    flavour == Flavour::Uml && cause == Cause::Unknown && started < STARTS
}

/// What the program said that is the machine, for one that never got as far as a kernel.
fn last_words(dir: &Path) -> String {
    let said = fs::read(dir.join(OUTPUT)).unwrap_or_default();
    match last_lines(&String::from_utf8_lossy(&said), 1).pop() {
        Some(line) => format!("at once, and said: {line}"),
        None => "at once, without a word".to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use rstest::rstest;

    use super::*;

    #[rstest]
    #[case::at_first(Flavour::Uml, Cause::Unknown, 1, true)]
    #[case::once_more(Flavour::Uml, Cause::Unknown, 2, true)]
    #[case::and_no_more(Flavour::Uml, Cause::Unknown, 3, false)]
    #[case::a_panic_is_an_answer(Flavour::Uml, Cause::Kernel, 1, false)]
    #[case::so_is_what_our_program_says(Flavour::Uml, Cause::Host, 1, false)]
    #[case::nobody_wants_it(Flavour::Uml, Cause::Interrupted, 1, false)]
    #[case::qemu_does_not_do_that(Flavour::Bzimage, Cause::Unknown, 1, false)]
    fn only_a_user_mode_kernel_that_is_gone_without_a_word_is_started_again_and_at_most_twice(
        #[case] flavour: Flavour,
        #[case] cause: Cause,
        #[case] started: u32,
        #[case] expected: bool,
    ) {
        assert_eq!(starts_again(flavour, cause, started), expected);
    }

    #[rstest]
    #[case(Some("Kernel panic"), Greeting::Awaited, Cause::Kernel, 3)]
    #[case(Some("Kernel panic"), Greeting::Heard, Cause::Kernel, 3)]
    #[case(None, Greeting::Awaited, Cause::Unknown, 69)]
    #[case(None, Greeting::Heard, Cause::Host, 69)]
    fn a_machine_that_is_gone_is_blamed_on(
        #[case] panic: Option<&str>,
        #[case] greeting: Greeting,
        #[case] cause: Cause,
        #[case] code: u8,
    ) {
        let dir = tempfile::tempdir().unwrap();
        let not_up = NotUp::gone(panic.map(str::to_owned), greeting, dir.path());
        assert_eq!((not_up.cause, not_up.exit_code()), (cause, code));
        assert_eq!(not_up.to_string().contains("Kernel panic"), panic.is_some());
    }

    #[test]
    fn the_console_is_named_and_its_end_is_at_hand() {
        let dir = tempfile::tempdir().unwrap();
        let said: String = (1..=20).map(|n| format!("line {n}\r\n\r\n")).collect();
        fs::write(dir.path().join(CONSOLE), said).unwrap();
        fs::write(dir.path().join(OUTPUT), "qemu: no such board\n").unwrap();
        let not_up = NotUp::gone(None, Greeting::Awaited, dir.path());
        let text = not_up.to_string();
        assert!(text.contains("at once, and said: qemu: no such board"), "{text}");
        assert!(
            text.contains(&dir.path().join(CONSOLE).display().to_string()),
            "{text}"
        );
        let lines = not_up.last_lines();
        assert_eq!(
            (lines.len(), lines[0].as_str(), lines[9].as_str()),
            (10, "line 11", "line 20")
        );
    }

    #[test]
    fn nobody_who_interrupts_a_boot_wants_its_console() {
        let dir = tempfile::tempdir().unwrap();
        fs::write(dir.path().join(CONSOLE), "line\n").unwrap();
        let not_up = NotUp::new(Cause::Interrupted, "interrupted".into(), dir.path());
        assert_eq!(not_up.last_lines(), [""; 0]);
        assert_eq!(not_up.exit_code(), 130);
    }
}
