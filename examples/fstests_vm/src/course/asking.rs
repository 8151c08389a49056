//! Has `check` itself say which tests its arguments choose.

use std::ffi::OsStr;
use std::fs;
use std::io;
use std::path::Path;
use std::time::Instant;

use crate::course::allowed::{Allowed, PULSE};
use crate::course::common::Common;
use crate::course::last_lines::last_lines;
use crate::course::machines::Machine;
use crate::course::no_plan::NoPlan;
use crate::course::report::Reporter;
use crate::guest;
use crate::results::listing::{self, Planned};
use crate::results::test_name::TestName;
use crate::vm::{Heard, Said};

/// How much of what `check` said an error repeats.
const LINES_TOLD: usize = 12;

impl Machine {
    /// Asks for the tests that the arguments choose, in the order in which they will run.
    pub(super) fn plan(&mut self, common: &Common<'_>, reporter: &Reporter) -> Result<Vec<Planned>, NoPlan> {
        let excluded = common.excludes.copy_to(&self.shared)?;
        let mut arguments = vec!["-n".to_owned()];
        arguments.extend(common.check.for_plan(&excluded));
        let dir = self.shared.join("plan");
        write_arguments(&dir, &arguments)?;
        reporter.step("asking `check -n` for the list of tests");
        let code = self.planned(common.allowed)?;
        let said = read_text(&dir.join("check.out"));
        // `check` goes on without them, and a typing error would pass for success.
        let names = listing::unknown(&said);
        if !names.is_empty() {
            return Err(NoPlan::Unknown { names });
        }
        let tests = common.setup.fstests.join("tests");
        let is_test = |name: &TestName| tests.join(name.as_str()).is_file();
        listing::planned(&said, is_test).map_err(|_| {
            let all = format!("{said}\n{}", read_text(&dir.join("check.err")));
            let said = last_lines(&all, LINES_TOLD).join("\n");
            NoPlan::Refused { code, said }
        })
    }

    /// Waits for the end of `check -n`.
    fn planned(&mut self, allowed: &Allowed) -> Result<i32, NoPlan> {
        self.up.vm.tell("plan")?;
        let limit = allowed.for_test(None);
        let until = Instant::now() + limit;
        loop {
            match self.up.vm.hear(PULSE) {
                Heard::Said(Said::Planned(code)) => return Ok(code),
                Heard::Said(Said::Fail(why)) => return Err(NoPlan::Failed { why }),
                Heard::Gone => {
                    let how = "without a word".to_owned();
                    return Err(NoPlan::Died { how });
                }
                _ if allowed.stop.is_asked_for() => return Err(NoPlan::Interrupted),
                _ if Instant::now() > until => return Err(NoPlan::OutOfTime { limit }),
                _ => {}
            }
        }
    }
}

/// Leaves the arguments for `check` where the guest looks for them, in a directory of their own.
pub(super) fn write_arguments(dir: &Path, arguments: &[String]) -> io::Result<()> {
    fs::create_dir_all(dir)?;
    let script = guest::arguments(arguments.iter().map(OsStr::new));
    fs::write(dir.join("arguments"), script)
}

fn read_text(path: &Path) -> String {
    String::from_utf8_lossy(&fs::read(path).unwrap_or_default()).into_owned()
}
