/// How a part of a line is shown on a terminal.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Paint {
    Plain,
    Bold,
    Dim,
    Green,
    Yellow,
    Red,
}

impl Paint {
    /// What somebody has to look after catches the eye.
    pub(crate) fn of_verdict(verdict: &str) -> Self {
        match verdict {
            "alive" => Self::Green,
            "kept" | "unknown" => Self::Yellow,
            "dead" | "stuck" => Self::Red,
            _ => Self::Plain,
        }
    }

    /// The parameter of SGR (ECMA-48).
    fn code(self) -> Option<u8> {
        match self {
            Self::Plain => None,
            Self::Bold => Some(1),
            Self::Dim => Some(2),
            Self::Red => Some(31),
            Self::Green => Some(32),
            Self::Yellow => Some(33),
        }
    }
}

/// A line in parts, each of one colour.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Line(Vec<(String, Paint)>);

impl Line {
    pub(crate) fn new(parts: impl IntoIterator<Item = (String, Paint)>) -> Self {
        // What others have named must not move the cursor, nor be two lines.
        let plain = |(text, paint): (String, Paint)| (text.replace(char::is_control, " "), paint);
        Self(parts.into_iter().map(plain).collect())
    }

    pub(crate) fn plain(text: &str) -> Self {
        Self::painted(text, Paint::Plain)
    }

    pub(crate) fn painted(text: &str, paint: Paint) -> Self {
        Self::new([(text.to_owned(), paint)])
    }

    /// Returns the line with its end.
    pub(crate) fn text(&self, colours: bool) -> String {
        self.parts(usize::MAX, colours) + "\n"
    }

    /// Returns as much of the line as fits, without its end.
    pub(crate) fn parts(&self, width: usize, colours: bool) -> String {
        let mut left = width;
        let mut text = String::new();
        for (part, paint) in &self.0 {
            let part: String = part.chars().take(left).collect();
            left -= part.chars().count();
            match paint.code().filter(|_| colours && !part.is_empty()) {
                Some(code) => text.push_str(&format!("\x1b[{code}m{part}\x1b[0m")),
                None => text.push_str(&part),
            }
        }
        text
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn line() -> Line {
        Line::new([
            ("ab".to_owned(), Paint::Red),
            ("c\x1b[2Jd\n".to_owned(), Paint::Plain),
        ])
    }

    #[test]
    fn a_line_is_one_line_and_moves_no_cursor() {
        assert_eq!(line().text(false), "abc [2Jd \n");
        assert_eq!(line().text(true), "\x1b[31mab\x1b[0mc [2Jd \n");
    }

    #[test]
    fn a_line_is_cut_by_what_is_seen_of_it() {
        assert_eq!(line().parts(1, true), "\x1b[31ma\x1b[0m");
        assert_eq!(line().parts(3, true), "\x1b[31mab\x1b[0mc");
        assert_eq!(line().parts(0, true), "");
    }
}
