//! How an odd path is written where systemd, cron or a shell read it.

/// A word in a unit: systemd.syntax(7) has quotes and C's escapes, and systemd.unit(5) specifiers.
pub(super) fn word(text: &str) -> String {
    let escaped = text.replace('\\', "\\\\").replace('"', "\\\"").replace('%', "%%");
    match is_plain(text) {
        true => escaped,
        false => format!("\"{escaped}\""),
    }
}

/// An argument of a command line in a unit, in which variables are put in too (systemd.service(5)). Not for the
/// program itself, in which they are not.
pub(super) fn argument(text: &str) -> String {
    word(text).replace('$', "$$")
}

/// A word for the shell, in a crontab, in which a `%` would be a line break (crontab(5)).
pub(super) fn cron_word(text: &str) -> String {
    let quoted = match is_plain(text) {
        true => text.to_owned(),
        false => format!("'{}'", text.replace('\'', "'\\''")),
    };
    // Cron takes the `\` away before the shell sees it.
    quoted.replace('%', "\\%")
}

/// Tells whether a word needs no quotes anywhere.
fn is_plain(text: &str) -> bool {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"/._-=+:,@".contains(&byte);
    !text.is_empty() && text.bytes().all(plain)
}

#[cfg(test)]
mod tests {
    use rstest::rstest;

    use super::*;

    #[rstest]
    #[case("/usr/bin/kdev", "/usr/bin/kdev", "/usr/bin/kdev", "/usr/bin/kdev")]
    #[case("/a b/kdev", "\"/a b/kdev\"", "\"/a b/kdev\"", "'/a b/kdev'")]
    #[case("/100%/kdev", "\"/100%%/kdev\"", "\"/100%%/kdev\"", "'/100\\%/kdev'")]
    #[case("/$HOME/kdev", "\"/$HOME/kdev\"", "\"/$$HOME/kdev\"", "'/$HOME/kdev'")]
    #[case("/a\\b", "\"/a\\\\b\"", "\"/a\\\\b\"", "'/a\\b'")]
    #[case("/a\"b", "\"/a\\\"b\"", "\"/a\\\"b\"", "'/a\"b'")]
    #[case("/it's", "\"/it's\"", "\"/it's\"", "'/it'\\''s'")]
    #[case("/ä;#", "\"/ä;#\"", "\"/ä;#\"", "'/ä;#'")]
    #[case("", "\"\"", "\"\"", "''")]
    fn an_odd_path_is_one_word(
        #[case] text: &str,
        #[case] of_unit: &str,
        #[case] of_command: &str,
        #[case] of_cron: &str,
    ) {
        assert_eq!(word(text), of_unit);
        assert_eq!(argument(text), of_command);
        assert_eq!(cron_word(text), of_cron);
    }
}
