//! The kernel's command line, as words.

use super::{Error, Result};

/// Joins the words of a command line, if the kernel will take in all of it.
///
/// `limit` is the architecture's `COMMAND_LINE_SIZE`, whose last byte is a NUL. What is longer is cut off
/// without a word.
///
/// # Errors
///
/// [`Error::Argument`].
pub(super) fn join(words: &[&str], limit: usize) -> Result<String> {
    let words: Vec<&str> = words.iter().map(|word| word.trim()).collect();
    let line = words
        .into_iter()
        .filter(|word| !word.is_empty())
        .collect::<Vec<_>>()
        .join(" ");
    let refuse = |why: String, remedy: &str| Error::Argument {
        what: "the kernel's command line".into(),
        why,
        remedy: remedy.into(),
    };
    if line.contains(['\n', '\0']) {
        return Err(refuse(
            "it has more than one line".into(),
            "give `--append` words on one line",
        ));
    }
    if line.len() >= limit {
        return Err(refuse(
            format!("it has {} bytes, and the kernel keeps {}", line.len(), limit - 1),
            "give fewer words to `--append`",
        ));
    }
    Ok(line)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn empty_words_leave_no_blanks() {
        assert_eq!(join(&["a=1", "", " b c "], 2048).unwrap(), "a=1 b c");
    }

    #[test]
    fn what_the_kernel_would_cut_off_is_refused() {
        let word = "x".repeat(2047);
        assert_eq!(join(&[&word], 2048).unwrap().len(), 2047);
        let text = join(&[&word, "y"], 2048).unwrap_err().to_string();
        assert!(text.contains("2049 bytes, and the kernel keeps 2047"), "{text}");
        assert!(join(&["a\nb"], 2048).is_err());
    }
}
