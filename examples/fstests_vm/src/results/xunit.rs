//! The report that `check -R xunit` writes.

use super::outcome::Outcome;
use super::test_name::{BadTestName, TestName};

/// What `check` says of one test that it has finished.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Reported {
    /// Which test.
    pub(crate) name: TestName,
    /// What came of it.
    pub(crate) status: Status,
    /// How long it took, in whole seconds as `check` counts.
    pub(crate) seconds: Option<f64>,
}

/// What came of a test as far as `check` can tell, with its reason.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Status {
    /// It passed.
    Pass,
    /// It failed.
    Fail(String),
    /// It cannot run here.
    NotRun(String),
}

impl Status {
    /// Returns the outcome that it stands for.
    pub(crate) fn outcome(&self) -> Outcome {
        match self {
            Self::Pass => Outcome::Pass,
            Self::Fail(_) => Outcome::Fail,
            Self::NotRun(_) => Outcome::NotRun,
        }
    }
}

/// Why a report cannot be read.
#[derive(Debug, thiserror::Error)]
pub(crate) enum XunitError {
    /// It is not XML to its end. `check` renames it into place, so it never is half written.
    #[error("`check`'s report of {bytes} bytes is not XML (was the disk for results full?)")]
    Broken {
        bytes: usize,
        #[source]
        source: roxmltree::Error,
    },
    /// It is XML of something else.
    #[error("`check`'s report has <{root}> where <testsuite> belongs (is this fstests' `result.xml`?)")]
    Other { root: String },
    /// `check` takes the beginning of a name for a test, finds no script of it, and says that it passed.
    #[error("`check` takes `{name}` for a test and would call it passed (give whole names, or `{name}*`)")]
    Name { name: String, source: BadTestName },
}

/// Reads `result.xml`, in its order; an empty file, as before the first report, has no tests.
///
/// Bytes that are no UTF-8, characters that XML forbids and the quotes and brackets that `check` leaves in the
/// message of a failure (it encodes all but these) are mended before.
///
/// # Errors
///
/// [`XunitError`] if the file is broken or is not a report.
pub(crate) fn read(result_xml: &[u8]) -> Result<Vec<Reported>, XunitError> {
    let text = mended(&String::from_utf8_lossy(result_xml));
    if text.trim().is_empty() {
        return Ok(Vec::new());
    }
    let document = roxmltree::Document::parse(&text).map_err(|source| XunitError::Broken {
        bytes: result_xml.len(),
        source,
    })?;
    let root = document.root_element();
    if root.tag_name().name() != "testsuite" {
        return Err(XunitError::Other {
            root: root.tag_name().name().to_owned(),
        });
    }
    root.children()
        .filter(|node| node.has_tag_name("testcase"))
        .map(reported)
        .collect()
}

fn reported(case: roxmltree::Node<'_, '_>) -> Result<Reported, XunitError> {
    let name = case.attribute("name").unwrap_or_default();
    let name: TestName = name.parse().map_err(|source| XunitError::Name {
        name: name.to_owned(),
        source,
    })?;
    let said = |tag| {
        let node = case.children().find(|node| node.has_tag_name(tag))?;
        Some(node.attribute("message").unwrap_or_default().trim().to_owned())
    };
    let status = if let Some(message) = said("failure").or_else(|| said("error")) {
        Status::Fail(failure(&message, &name))
    } else if let Some(message) = said("skipped") {
        Status::NotRun(message)
    } else {
        Status::Pass
    };
    let seconds = case.attribute("time").and_then(|time| time.parse::<f64>().ok());
    Ok(Reported {
        name,
        status,
        seconds: seconds.filter(|s| s.is_finite() && *s >= 0.0),
    })
}

/// Returns what `check` says of a failure, without its dash and its path.
///
/// `check` keeps the last message it wrote in one variable that no test resets, and the checks of file systems run
/// in a subshell that cannot set it. So a test that only its file system check fails has an earlier test's
/// message, which shows by the path.
fn failure(message: &str, name: &TestName) -> String {
    let (said, path) = match message.split_once(" (see ") {
        Some((said, path)) => (said, Some(path)),
        None => (message, None),
    };
    let is_of_another = path.is_some_and(|path| !path.contains(&format!("/{name}.")));
    let said = said.trim_start_matches(['-', ' ']).trim_end();
    if is_of_another {
        "a check after the test failed, probably the file system's (`check` gives an earlier test's reason)"
            .into()
    } else if said.is_empty() {
        "`check` gives no reason".into()
    } else {
        said.to_owned()
    }
}

/// Drops what XML forbids and encodes the messages of failures.
fn mended(text: &str) -> String {
    let legal =
        |c: char| matches!(c, '\t' | '\n' | '\r') || (c >= ' ' && !matches!(c, '\u{fffe}' | '\u{ffff}'));
    let mut mended = String::with_capacity(text.len());
    for line in text.split_inclusive('\n') {
        let clean: String = line.chars().filter(|c| legal(*c)).collect();
        match message_of(&clean) {
            Some((before, message, after)) => {
                let message = message
                    .replace('&', "&amp;")
                    .replace('<', "&lt;")
                    .replace('"', "&quot;");
                mended.extend([before, &message, after]);
            }
            None => mended.push_str(&clean),
        }
    }
    mended
}

/// Takes `<failure message="...` apart from ` type="TestFail" />`, between which `check` encodes nothing.
fn message_of(line: &str) -> Option<(&str, &str, &str)> {
    let start = line.trim_start().strip_prefix("<failure message=\"")?;
    let (message, _) = start.rsplit_once("\" type=\"")?;
    let at = line.len() - start.len();
    Some((&line[..at], message, &line[at + message.len()..]))
}

#[cfg(test)]
#[path = "xunit_tests.rs"]
mod tests;
