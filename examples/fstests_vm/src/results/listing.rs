//! What `check -n` lists.
//!
//! Without a report: `check` would write that anew for each test of the list, with dozens of programs, which takes
//! hours on a machine without KVM.

use std::collections::HashSet;

use super::test_name::TestName;

/// One test that `check` would run.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Planned {
    /// Which test.
    pub(crate) name: TestName,
    /// Whether a list of exclusions leaves it out.
    pub(crate) is_expunged: bool,
}

/// `check -n` names no tests.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
#[error("`check -n` plans no test: {said} (see which groups and tests were asked for)")]
pub(crate) struct NothingPlanned {
    said: String,
}

/// Reads what `check -n` lists, in its order: lines that are the name of a test, and maybe that it is left out.
///
/// `is_test` tells whether the tree has a script of that name: `check` lists names without one too.
///
/// # Errors
///
/// [`NothingPlanned`] if there is no test at all.
pub(crate) fn planned(
    stdout: &str,
    is_test: impl Fn(&TestName) -> bool,
) -> Result<Vec<Planned>, NothingPlanned> {
    let mut seen = HashSet::new();
    let mut plan = Vec::new();
    for line in stdout.lines() {
        let mut words = line.split_whitespace();
        let Some(name) = words.next().and_then(|word| word.parse::<TestName>().ok()) else {
            continue;
        };
        let is_expunged = match words.next() {
            None => false,
            Some("[expunged]") => true,
            // It says something of a test, and lists none.
            Some(_) => continue,
        };
        if is_test(&name) && seen.insert(name.clone()) {
            plan.push(Planned { name, is_expunged });
        }
    }
    if plan.is_empty() {
        let said = stdout.lines().rev().find(|line| !line.trim().is_empty());
        return Err(NothingPlanned {
            said: said.unwrap_or("it says nothing").trim().to_owned(),
        });
    }
    Ok(plan)
}

/// Returns the words that `check`'s output calls no test, in order.
///
/// `check -n` drops a test that is in no list (`generic/01 - unknown test, ignored`) and goes on; a run of `check`
/// reports one whose script is gone (`- no such test?`) as passed. Neither may go unseen.
pub(crate) fn unknown(stdout: &str) -> Vec<String> {
    let word_of = |line: &str| {
        let (word, said) = line.split_once(" - ")?;
        let is_unknown = said.starts_with("unknown test, ignored") || said.starts_with("no such test?");
        is_unknown.then(|| word.trim().to_owned())
    };
    stdout.lines().filter_map(word_of).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    // Written by `check -n` of fstests v2026.01.05 on tmpfs; only the paths are changed.
    const LISTED: &str = include_str!("samples/planned.out");

    fn listed(stdout: &str) -> Vec<String> {
        let plan = planned(stdout, |name| !name.as_str().ends_with("777")).unwrap();
        let told =
            |test: Planned| format!("{}{}", test.name, if test.is_expunged { " expunged" } else { "" });
        plan.into_iter().map(told).collect()
    }

    #[test]
    fn a_real_list_is_read_in_its_order() {
        let expected = [
            "generic/001",
            "generic/002",
            "generic/004",
            "generic/005 expunged",
            "generic/990",
        ];
        assert_eq!(listed(LISTED), expected);
    }

    #[test]
    fn a_line_that_only_looks_like_a_test_is_none() {
        let out = "FSTYP         -- ext4\ngeneric/779 - unknown test, ignored\ngeneric/777\ngeneric/004  \ngeneric/004\n\
                   generic/005        3s\nXunit report: /results/result.xml\n";
        assert_eq!(listed(out), ["generic/004"]);
    }

    #[test]
    fn a_list_of_nothing_is_an_error_that_says_why() {
        let said = planned("\nGroup \"nosuch\" is empty or not defined?\n", |_| true).unwrap_err();
        assert_eq!(
            said.to_string(),
            "`check -n` plans no test: Group \"nosuch\" is empty or not defined? (see which groups and tests were asked for)"
        );
    }

    #[test]
    fn what_check_does_not_know_is_found_in_its_output() {
        let out = "generic/01 - unknown test, ignored\nnosuch - unknown test, ignored\ngeneric/001         2s\n\
                   generic/002         - output mismatch (see /r)\ngeneric/999         - no such test?\n";
        assert_eq!(unknown(out), ["generic/01", "nosuch", "generic/999"]);
        assert_eq!(unknown(LISTED), Vec::<String>::new());
    }
}
