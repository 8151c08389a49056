use std::env;
use std::ffi::OsStr;
use std::time::Duration;

use crate::error::{Error, Result};

/// The variable that says how long a test waits for room in its pool.
pub(crate) const VARIABLE: &str = "KDEV_WAIT";

/// How long is waited for room; `None` for as long as it takes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Patience(pub(crate) Option<Duration>);

impl Patience {
    /// Longer than a test holds its volumes that gets anywhere, and short enough for a night's run to end.
    pub(crate) const DEFAULT: Self = Self(Some(Duration::from_secs(600)));

    /// Reads `KDEV_WAIT`. What it does not understand is an error: a test that waits for good looks like one
    /// that hangs.
    pub(crate) fn from_env() -> Result<Self> {
        let Some(value) = env::var_os(VARIABLE).filter(|value| !value.is_empty()) else {
            return Ok(Self::DEFAULT);
        };
        Self::parse(&value).ok_or_else(|| Error::Variable {
            variable: VARIABLE,
            value: value.to_string_lossy().into_owned(),
            expected: "a time such as `90s` or `10m`, `0` to fail at once, or `forever`",
        })
    }

    fn parse(value: &OsStr) -> Option<Self> {
        match value.to_str()? {
            "0" => Some(Self(Some(Duration::ZERO))),
            "forever" => Some(Self(None)),
            time => humantime::parse_duration(time).ok().map(|time| Self(Some(time))),
        }
    }

    /// Tells whether a full pool is an error at once.
    pub(crate) fn is_none(self) -> bool {
        self.0 == Some(Duration::ZERO)
    }
}

#[cfg(test)]
mod tests {
    use rstest::rstest;

    use super::*;

    #[rstest]
    #[case::none("0", Some(Some(0)))]
    #[case::none_with_a_unit("0s", Some(Some(0)))]
    #[case::seconds("90s", Some(Some(90)))]
    #[case::minutes("10m", Some(Some(600)))]
    #[case::several("1h 30m", Some(Some(5400)))]
    #[case::forever("forever", Some(None))]
    #[case::no_unit("10", None)]
    #[case::negative("-1s", None)]
    #[case::garbage("soon", None)]
    #[case::too_long("99999999999999999999h", None)]
    fn a_time_is_read_as_people_write_it(#[case] text: &str, #[case] seconds: Option<Option<u64>>) {
        let expected = seconds.map(|seconds| Patience(seconds.map(Duration::from_secs)));
        assert_eq!(Patience::parse(text.as_ref()), expected);
    }
}
