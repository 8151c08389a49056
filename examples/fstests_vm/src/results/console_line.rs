//! What the kernel said, out of what stands on the console.

/// Returns the message of a console line: without level, time, caller id, colours and stray bytes around it.
///
/// `<4>[   12.345678][  T123] text`, `[   12.345678] text` and plain `text` (a console without printk.time) all
/// are `text`. Where a program left a line unfinished before the kernel spoke, what it wrote is not part of it.
pub(crate) fn message(line: &str) -> String {
    let clean = without_controls(line);
    let mut rest = clean.trim();
    if let Some(at) = stamp_inside(rest) {
        rest = &rest[at..];
    }
    loop {
        let next = without_level(rest).or_else(|| without_bracket(rest));
        match next {
            Some(shorter) => rest = shorter,
            None => return rest.trim().to_owned(),
        }
    }
}

/// Drops control characters and the escape sequences of terminals.
fn without_controls(line: &str) -> String {
    let mut text = String::with_capacity(line.len());
    let mut chars = line.chars().peekable();
    while let Some(c) = chars.next() {
        if c == '\u{1b}' {
            if chars.next_if_eq(&'[').is_some() {
                // Parameters up to a letter.
                while chars
                    .next_if(|c| !c.is_ascii_alphabetic() && !c.is_control())
                    .is_some()
                {}
                chars.next_if(char::is_ascii_alphabetic);
            }
        } else if c == '\t' {
            text.push(' ');
        } else if !c.is_control() {
            text.push(c);
        }
    }
    text
}

/// `<4>`, as on /dev/kmsg and on consoles before printk knew levels.
fn without_level(text: &str) -> Option<&str> {
    let (level, rest) = text.strip_prefix('<')?.split_once('>')?;
    (!level.is_empty() && level.len() <= 3 && level.bytes().all(|b| b.is_ascii_digit()))
        .then(|| rest.trim_start())
}

/// `[   12.345678]`, `[  T123]`, `[    C0]`.
fn without_bracket(text: &str) -> Option<&str> {
    let (inside, rest) = text.strip_prefix('[')?.split_once(']')?;
    (is_time(inside) || is_caller(inside)).then(|| rest.trim_start())
}

fn is_time(inside: &str) -> bool {
    inside
        .trim_start()
        .split_once('.')
        .is_some_and(|(seconds, micros)| {
            let digits = |text: &str| !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit());
            digits(seconds) && digits(micros) && micros.len() == 6
        })
}

fn is_caller(inside: &str) -> bool {
    let id = inside.trim_start();
    id.strip_prefix(['T', 'C'])
        .is_some_and(|n| !n.is_empty() && n.bytes().all(|b| b.is_ascii_digit()))
}

/// Returns where the last time of a line begins that does not itself begin with one.
fn stamp_inside(line: &str) -> Option<usize> {
    if line.starts_with(['[', '<']) && (without_level(line).is_some() || without_bracket(line).is_some()) {
        return None;
    }
    let stamps = line.match_indices('[').filter(|(at, _)| {
        line[at + 1..]
            .split_once(']')
            .is_some_and(|(inside, _)| is_time(inside))
    });
    stamps.map(|(at, _)| at).next_back()
}

#[cfg(test)]
mod tests {
    use rstest::rstest;

    use super::message;

    #[rstest]
    #[case("BUG: x")]
    #[case("[    0.000000] BUG: x")]
    #[case("[12345.678901] BUG: x\r")]
    #[case("[   12.345678][  T123] BUG: x")]
    #[case("[   12.345678] [    C0] BUG: x")]
    #[case("<4>[   12.345678] BUG: x")]
    #[case("<12>BUG: x")]
    #[case("\0\0[   12.345678] BUG: x\0")]
    #[case("\u{1b}[0;31m[   12.345678] BUG: x\u{1b}[0m")]
    #[case("generic/067 [  134.220000] BUG: x")]
    #[case("\u{fffd}\u{fffd}[  134.220000] BUG: x")]
    fn time_and_level_are_no_part_of_a_message(#[case] line: &str) {
        let found = message(line);
        assert_eq!(found.trim_start_matches('\u{fffd}'), "BUG: x");
    }

    #[rstest]
    #[case("", "")]
    #[case("[failed, exit status 1]", "[failed, exit status 1]")]
    #[case("<none> x", "<none> x")]
    #[case("[1.5] x", "[1.5] x")]
    #[case("RIP: 0010:[<ffff>] [<ffff>] x", "RIP: 0010:[<ffff>] [<ffff>] x")]
    #[case("\u{1b}[", "")]
    #[case("\u{1b}", "")]
    fn other_brackets_stay(#[case] line: &str, #[case] expected: &str) {
        assert_eq!(message(line), expected);
    }
}
