//! The end of what somebody said, for an error.

/// Returns the last lines that have anything on them, at most so many, without what a terminal would obey.
pub(super) fn last_lines(text: &str, count: usize) -> Vec<String> {
    let plain = |line: &str| -> String {
        let line: String = line.chars().filter(|c| !c.is_control() || *c == '\t').collect();
        line.trim_end().to_owned()
    };
    let lines: Vec<String> = text.lines().map(plain).filter(|line| !line.is_empty()).collect();
    lines[lines.len().saturating_sub(count)..].to_vec()
}

#[cfg(test)]
mod tests {
    use rstest::rstest;

    use super::*;

    #[rstest]
    #[case("", 3, &[])]
    #[case("a\n\n b\t\n", 3, &["a", " b"])]
    #[case("a\nb\nc\nd", 2, &["c", "d"])]
    #[case("a\r\n\r\n\u{1b}[31mb\u{7}\r\n", 2, &["a", "[31mb"])]
    fn the_last_lines_are_those_with_something_on_them(
        #[case] text: &str,
        #[case] count: usize,
        #[case] expected: &[&str],
    ) {
        assert_eq!(last_lines(text, count), expected);
    }
}
