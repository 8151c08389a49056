use std::env;

use crate::error::{Error, Result};

/// The variable that says what becomes of volumes when their test is over.
const VARIABLE: &str = "KDEV_KEEP";

/// What becomes of volumes when their test is over.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Keep {
    Never,
    Always,
    Failed,
}

impl Keep {
    /// Reads `KDEV_KEEP`. What it does not understand is an error: keeping too much fills the pool,
    /// keeping too little loses what somebody wanted to see.
    pub(crate) fn from_env() -> Result<Self> {
        let Some(value) = env::var_os(VARIABLE) else {
            return Ok(Self::Never);
        };
        match value.to_str() {
            Some("" | "0" | "never") => Ok(Self::Never),
            Some("1" | "always") => Ok(Self::Always),
            Some("failed") => Ok(Self::Failed),
            _ => Err(Error::Variable {
                variable: VARIABLE,
                value: value.to_string_lossy().into_owned(),
                expected: "`0` or `never`, `1` or `always`, or `failed`",
            }),
        }
    }

    /// Tells whether volumes that are on record with that reason were kept by this variable.
    pub(crate) fn is_policy(reason: &str) -> bool {
        [Self::Always, Self::Failed]
            .iter()
            .any(|keep| keep.reason(true) == Some(reason))
    }

    /// Tells why volumes are kept if their process dies over the test; `None` if they are not.
    pub(crate) fn if_it_dies(self) -> Option<&'static str> {
        self.reason(true)
    }

    /// Tells why volumes of a test that ended so are kept; `None` if they are not.
    pub(crate) fn reason(self, failed: bool) -> Option<&'static str> {
        match self {
            Self::Always => Some("always"),
            Self::Failed if failed => Some("failed"),
            Self::Never | Self::Failed => None,
        }
    }
}
