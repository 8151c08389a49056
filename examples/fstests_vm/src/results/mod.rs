//! What came of the tests, and how it is told.
//!
//! Nothing here touches a machine: texts come in (the console, `check`'s reports), verdicts, files and lines go
//! out. Text → [`scanner`], [`xunit`] → [`verdict`] → [`run`] → [`junit`], [`summary`], [`compare`].

pub(crate) mod asked_for;
pub(crate) mod attempts;
pub(crate) mod check_args;
pub(crate) mod compare;
pub(crate) mod console_line;
pub(crate) mod forms;
pub(crate) mod junit;
pub(crate) mod limits;
pub(crate) mod listing;
pub(crate) mod merge;
pub(crate) mod outcome;
pub(crate) mod results_file;
pub(crate) mod run;
pub(crate) mod scanner;
pub(crate) mod split;
pub(crate) mod summary;
pub(crate) mod tell;
pub(crate) mod test_name;
pub(crate) mod trouble;
pub(crate) mod verdict;
pub(crate) mod xunit;

#[cfg(test)]
mod whole_tests;
