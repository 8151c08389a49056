use std::env;
use std::thread;

use crate::error::Result;
use crate::keep::Keep;
use crate::retention::KeepMax;

/// For whom volumes are made, and what becomes of them after.
#[derive(Debug)]
pub(crate) struct Request {
    pub(crate) test: Option<String>,
    pub(crate) keep: Keep,
    pub(crate) keep_max: Option<KeepMax>,
}

impl Request {
    /// Takes the test's name from the runner: nextest's variables, else the thread's name, which libtest sets.
    pub(crate) fn from_env() -> Result<Self> {
        let test = nextest_name().or_else(|| thread::current().name().map(str::to_owned));
        Ok(Self {
            test,
            keep: Keep::from_env()?,
            keep_max: KeepMax::from_env()?,
        })
    }

    /// Names the test as its source does, unless the runner has a name that tells more.
    pub(crate) fn for_test(test: String) -> Result<Self> {
        Ok(Self {
            test: Some(nextest_name().unwrap_or(test)),
            keep: Keep::from_env()?,
            keep_max: KeepMax::from_env()?,
        })
    }
}

/// The name by which nextest prints a test: `crate::binary$module::test`.
fn nextest_name() -> Option<String> {
    let binary = env::var("NEXTEST_BINARY_ID").ok()?;
    let test = env::var("NEXTEST_TEST_NAME").ok()?;
    Some(format!("{binary}${test}"))
}
