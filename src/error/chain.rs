use std::io;
use std::path::PathBuf;

use crate::error::Error;

impl Error {
    pub(crate) fn io(doing: &'static str, path: impl Into<PathBuf>, source: io::Error) -> Self {
        Self::Io {
            doing,
            path: path.into(),
            source,
        }
    }

    /// Writes the error and its causes as one sentence; a list in it has a line for each of its items.
    ///
    /// The text of an error does not repeat its [source](std::error::Error::source), so `{err}` alone says less.
    ///
    /// ```
    /// # use kdev_volumes::Error;
    /// # let source = std::io::ErrorKind::PermissionDenied.into();
    /// let err = Error::Io { doing: "open", path: "/dev/loop7".into(), source };
    /// assert_eq!(err.chain(), "could not open `/dev/loop7`: permission denied");
    /// ```
    pub fn chain(&self) -> String {
        let mut text = self.to_string();
        let mut cause = std::error::Error::source(self);
        while let Some(err) = cause {
            text.push_str(": ");
            text.push_str(&err.to_string());
            cause = err.source();
        }
        text
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_error_is_written_with_its_causes() {
        let err = Error::io("open", "/dev/sdx", io::Error::other("no such disk"));
        assert_eq!(err.chain(), "could not open `/dev/sdx`: no such disk");
    }
}
