//! What a terminal may be shown.

use std::env;
use std::ffi::OsStr;
use std::io::{self, IsTerminal};

/// What the one who reads can do with escape sequences.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Look {
    /// A screen, on which can be written over what is there.
    pub(crate) is_screen: bool,
    pub(crate) colours: bool,
}

impl Look {
    pub(crate) fn of_stdout() -> Self {
        Self::of_stream(io::stdout().is_terminal())
    }

    pub(crate) fn of_stderr() -> Self {
        Self::of_stream(io::stderr().is_terminal())
    }

    fn of_stream(is_terminal: bool) -> Self {
        let variable = |name| env::var_os(name).filter(|value| !value.is_empty());
        Self::of(
            is_terminal,
            variable("TERM").as_deref(),
            variable("NO_COLOR").as_deref(),
        )
    }

    /// A terminal that nobody names is taken for a dumb one. `NO_COLOR` may have any value: <https://no-color.org>.
    fn of(is_terminal: bool, term: Option<&OsStr>, no_color: Option<&OsStr>) -> Self {
        let is_screen = is_terminal && term.is_some_and(|term| term != "dumb");
        Self {
            is_screen,
            colours: is_screen && no_color.is_none(),
        }
    }
}

#[cfg(test)]
mod tests {
    use rstest::rstest;

    use super::*;

    #[rstest]
    #[case::a_pipe(false, Some("xterm"), None, (false, false))]
    #[case::a_terminal(true, Some("xterm"), None, (true, true))]
    #[case::without_colours(true, Some("xterm"), Some("1"), (true, false))]
    #[case::a_dumb_one(true, Some("dumb"), None, (false, false))]
    #[case::one_without_a_name(true, None, None, (false, false))]
    fn a_screen_is_a_terminal_that_is_not_dumb(
        #[case] is_terminal: bool,
        #[case] term: Option<&str>,
        #[case] no_color: Option<&str>,
        #[case] (is_screen, colours): (bool, bool),
    ) {
        let look = Look::of(is_terminal, term.map(OsStr::new), no_color.map(OsStr::new));
        assert_eq!(look, Look { is_screen, colours });
    }
}
