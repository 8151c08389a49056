//! The name of a test.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

/// The name of one test, as fstests has it: `generic/001`, `ext4/053-some-name`.
///
/// A directory below `tests/` and a file in it, whose name begins with three digits (`common/test_names` of
/// fstests). Safe as a path below a results directory: it has no dots and exactly one slash.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub(crate) struct TestName(String);

/// What was given is not the name of a test.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "`{text}` is not the name of a test (it is DIRECTORY/NAME and the name has three digits first, as in `generic/001`)"
)]
pub(crate) struct BadTestName {
    text: String,
}

impl TestName {
    /// Returns the whole name.
    pub(crate) fn as_str(&self) -> &str {
        &self.0
    }

    /// Returns the directory: `generic` of `generic/001`.
    pub(crate) fn directory(&self) -> &str {
        self.0.split('/').next().unwrap_or_default()
    }
}

impl FromStr for TestName {
    type Err = BadTestName;

    fn from_str(text: &str) -> Result<Self, BadTestName> {
        match text.split_once('/') {
            Some((directory, name)) if is_directory(directory) && is_name(name) => Ok(Self(text.to_owned())),
            _ => Err(BadTestName {
                text: text.chars().take(80).collect(),
            }),
        }
    }
}

fn is_directory(text: &str) -> bool {
    text.starts_with(|c: char| c.is_ascii_alphanumeric())
        && text
            .chars()
            .all(|c| c.is_ascii_alphanumeric() || c == '-' || c == '_')
}

fn is_name(text: &str) -> bool {
    text.len() >= 3
        && text.bytes().take(3).all(|b| b.is_ascii_digit())
        && text.chars().all(|c| c.is_ascii_alphanumeric() || c == '-')
}

impl fmt::Display for TestName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&self.0)
    }
}

impl From<TestName> for String {
    fn from(name: TestName) -> Self {
        name.0
    }
}

impl TryFrom<String> for TestName {
    type Error = BadTestName;

    fn try_from(text: String) -> Result<Self, BadTestName> {
        text.parse()
    }
}

#[cfg(test)]
mod tests {
    use rstest::rstest;

    use super::TestName;

    #[rstest]
    #[case("generic/001", "generic")]
    #[case("xfs/1234", "xfs")]
    #[case("ext4/053-some-name", "ext4")]
    #[case("my_own-dir/100", "my_own-dir")]
    fn a_name_is_a_directory_and_a_file(#[case] text: &str, #[case] directory: &str) {
        let name: TestName = text.parse().unwrap();
        assert_eq!((name.as_str(), name.directory()), (text, directory));
    }

    #[rstest]
    #[case("")]
    #[case("generic")]
    #[case("generic/")]
    #[case("/001")]
    #[case("generic/01")]
    #[case("generic/abc")]
    #[case("generic/001.out")]
    #[case("generic/001/2")]
    #[case("../001")]
    #[case("generic/00é")]
    #[case("generic/001\n")]
    #[case("-g/001")]
    fn garbage_is_no_name(#[case] text: &str) {
        assert!(text.parse::<TestName>().is_err());
    }

    #[test]
    fn a_name_is_a_plain_string_in_json() {
        let name: TestName = serde_json::from_str("\"generic/001\"").unwrap();
        assert_eq!(serde_json::to_string(&name).unwrap(), "\"generic/001\"");
        assert!(serde_json::from_str::<TestName>("\"x\"").is_err());
    }
}
