/// What the guest says on its event line, a word and what belongs to it a line.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Said {
    /// Its first process runs, on the kernel of that release.
    Hello(String),
    /// What it is about to do.
    Step(String),
    /// It waits for what it is to run.
    Ready,
    /// It has heard this, and does it.
    Took(String),
    /// `check -n` ended with that code.
    Planned(i32),
    /// `check` ended in the round of that name, with that code.
    Done(String, i32),
    /// What was asked of its kernel stands in the kernel's log.
    Dumped,
    /// It cannot go on, and powers off.
    Fail(String),
    /// It is done, and powers off.
    Bye,
}

impl Said {
    /// Reads a line; `None` for one that means nothing, since a terminal may add bytes of its own.
    pub(crate) fn parse(line: &str) -> Option<Self> {
        let line = line.trim();
        let (word, rest) = line.split_once(' ').unwrap_or((line, ""));
        Some(match word {
            "hello" => Self::Hello(rest.to_owned()),
            "step" => Self::Step(rest.to_owned()),
            "took" => Self::Took(rest.to_owned()),
            "ready" => Self::Ready,
            "planned" => Self::Planned(rest.parse().ok()?),
            "done" => {
                let (round, code) = rest.split_once(' ')?;
                Self::Done(round.to_owned(), code.parse().ok()?)
            }
            "dumped" => Self::Dumped,
            "fail" => Self::Fail(rest.to_owned()),
            "bye" => Self::Bye,
            _ => return None,
        })
    }
}

#[cfg(test)]
mod tests {
    use rstest::rstest;

    use super::*;

    #[rstest]
    #[case("hello 6.1.0-56-amd64", Some(Said::Hello("6.1.0-56-amd64".into())))]
    #[case("step mounting the root\r", Some(Said::Step("mounting the root".into())))]
    #[case("took run round-1", Some(Said::Took("run round-1".into())))]
    #[case("took plan ", Some(Said::Took("plan".into())))]
    #[case("ready", Some(Said::Ready))]
    #[case("planned 0", Some(Said::Planned(0)))]
    #[case("done round-1 137", Some(Said::Done("round-1".into(), 137)))]
    #[case("done round-1", None)]
    #[case("done round-1 well", None)]
    #[case("planned", None)]
    #[case("fail mkfs.xfs failed", Some(Said::Fail("mkfs.xfs failed".into())))]
    #[case("dumped", Some(Said::Dumped))]
    #[case("bye", Some(Said::Bye))]
    #[case("", None)]
    #[case("\u{0}\u{1b}[6n", None)]
    fn a_line_of_the_guest_means(#[case] line: &str, #[case] said: Option<Said>) {
        assert_eq!(Said::parse(line), said);
    }
}
