//! A test's own output out of that of its process, in which its runner has words too.

use std::io::{self, Write};

use nix::libc;

/// What stands on standard output before and after what a test's body wrote.
#[derive(Clone, Debug)]
pub(super) struct Marks {
    begin: Vec<u8>,
    end: Vec<u8>,
}

impl Marks {
    /// Makes marks that no test writes by chance.
    pub(super) fn new(nonce: &str) -> Self {
        let mark = |place| format!("\u{1e}kdev:{nonce}:{place}\u{1e}").into_bytes();
        Self {
            begin: mark("begin"),
            end: mark("end"),
        }
    }

    pub(super) fn write_begin(&self) -> io::Result<()> {
        write(&self.begin)
    }

    pub(super) fn write_end(&self) -> io::Result<()> {
        // What C code has written, and its library not yet, belongs before the mark.
        // SAFETY: with a null pointer it flushes all output streams, each under its own lock.
        unsafe { libc::fflush(std::ptr::null_mut()) };
        write(&self.end)
    }
}

fn write(mark: &[u8]) -> io::Result<()> {
    let mut out = io::stdout().lock();
    out.write_all(mark)?;
    out.flush()
}

/// Takes what stands between the marks out of a stream that comes in pieces.
#[derive(Debug)]
pub(super) struct Excerpt {
    marks: Marks,
    place: Place,
    held: Vec<u8>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Place {
    Before,
    Within,
    After,
}

impl Excerpt {
    pub(super) fn new(marks: Marks) -> Self {
        Self {
            marks,
            place: Place::Before,
            held: Vec::new(),
        }
    }

    /// Takes a piece, and returns what is known by now to be the test's.
    pub(super) fn feed(&mut self, piece: &[u8]) -> Vec<u8> {
        self.held.extend_from_slice(piece);
        if self.place == Place::Before {
            let Some(at) = find(&self.held, &self.marks.begin) else {
                return Vec::new();
            };
            self.held.drain(..at + self.marks.begin.len());
            self.place = Place::Within;
        }
        if self.place == Place::After {
            self.held.clear();
        }
        match find(&self.held, &self.marks.end) {
            Some(at) => {
                self.place = Place::After;
                let own = self.held.drain(..at).collect();
                self.held.clear();
                own
            }
            None => {
                let kept_back = begun(&self.held, &self.marks.end);
                self.held.drain(..self.held.len() - kept_back).collect()
            }
        }
    }

    /// Returns what is left when the stream has ended: all of it, if it never came to the test.
    pub(super) fn rest(self) -> Vec<u8> {
        self.held
    }
}

fn find(text: &[u8], mark: &[u8]) -> Option<usize> {
    text.windows(mark.len()).position(|window| window == mark)
}

/// How much of a mark the text ends with.
fn begun(text: &[u8], mark: &[u8]) -> usize {
    let longest = mark.len().min(text.len());
    (0..=longest)
        .rev()
        .find(|&length| text.ends_with(&mark[..length]))
        .unwrap_or(0)
}

/// Makes text of bytes that come in pieces, in which a character may be cut in two.
#[derive(Debug, Default)]
pub(super) struct Text {
    cut: Vec<u8>,
}

impl Text {
    pub(super) fn of(&mut self, piece: &[u8]) -> String {
        self.cut.extend_from_slice(piece);
        let whole = self.cut.len() - cut_short(&self.cut);
        let bytes: Vec<u8> = self.cut.drain(..whole).collect();
        String::from_utf8_lossy(&bytes).into_owned()
    }

    pub(super) fn rest(self) -> String {
        String::from_utf8_lossy(&self.cut).into_owned()
    }
}

/// How many bytes at the end are the beginning of a character.
fn cut_short(bytes: &[u8]) -> usize {
    let last = bytes.utf8_chunks().last();
    let invalid = last.map_or(&[][..], |chunk| chunk.invalid());
    let is_cut = std::str::from_utf8(invalid).is_err_and(|err| err.error_len().is_none());
    if is_cut { invalid.len() } else { 0 }
}

#[cfg(test)]
mod tests {
    use rstest::rstest;

    use super::*;

    #[rstest]
    #[case::whole("runner<test's\nown>runner", "test's\nown")]
    #[case::nothing("runner<>runner", "")]
    #[case::died_over_it("runner<own, and then", "own, and then")]
    #[case::never_began("runner: no such test", "runner: no such test")]
    #[case::empty("", "")]
    #[case::marks_begun(
        "<a\u{1e}kdev:other:end\u{1e}b\u{1e}kdev\u{1e}>x",
        "a\u{1e}kdev:other:end\u{1e}b\u{1e}kdev\u{1e}"
    )]
    fn only_what_the_test_wrote_is_replayed(
        #[case] stream: &str,
        #[case] own: &str,
        #[values(1, 2, 3, 7, 1000)] piece: usize,
    ) {
        let marks = Marks::new("0123");
        let text = |mark: &[u8]| String::from_utf8(mark.to_vec()).unwrap();
        let stream = stream
            .replace('<', &text(&marks.begin))
            .replace('>', &text(&marks.end));
        let mut excerpt = Excerpt::new(marks);
        let mut got: Vec<u8> = Vec::new();
        for piece in stream.as_bytes().chunks(piece) {
            got.extend(excerpt.feed(piece));
        }
        got.extend(excerpt.rest());
        assert_eq!(String::from_utf8(got).unwrap(), own);
    }

    #[test]
    fn what_is_no_beginning_of_a_mark_is_not_held_back() {
        let marks = Marks::new("0123");
        let begin = marks.begin.clone();
        let mut excerpt = Excerpt::new(marks);
        excerpt.feed(&begin);
        assert_eq!(excerpt.feed(b"a prompt: "), b"a prompt: ");
    }

    #[rstest]
    #[case("Größe ✓ 𝕏".as_bytes(), "Größe ✓ 𝕏")]
    #[case(b"\xff\xfea\xc3", "\u{fffd}\u{fffd}a\u{fffd}")]
    fn characters_that_are_cut_in_two_are_put_together(#[case] bytes: &[u8], #[case] expected: &str) {
        let mut text = Text::default();
        let mut got: String = bytes.chunks(1).map(|piece| text.of(piece)).collect();
        got.push_str(&text.rest());
        assert_eq!(got, expected);
    }
}
