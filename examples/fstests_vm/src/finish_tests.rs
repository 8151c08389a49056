use std::time::Duration;

use rstest::rstest;

use super::*;
use crate::results::outcome::Outcome::{Fail, Pass};
use crate::results::run::tests::run_of;

fn crashed(why: &str) -> RoundEnd {
    RoundEnd::Crashed { why: why.to_owned() }
}

const LIMIT: Duration = Duration::from_secs(90);

#[rstest]
#[case::all_of_it(&[], RunEnd::Complete)]
#[case::crashed(&[crashed("BUG")], RunEnd::Crashed { why: "BUG".into() })]
#[case::hung(&[RoundEnd::Hung { limit: LIMIT }], RunEnd::Crashed { why: "a test hung for more than 90 s".into() })]
#[case::out_of_time(&[RoundEnd::OutOfTime { limit: LIMIT }], RunEnd::OutOfTime)]
#[case::a_crash_is_worse(&[crashed("BUG"), RoundEnd::OutOfTime { limit: LIMIT }], RunEnd::Crashed { why: "BUG".into() })]
#[case::before_or_after(&[RoundEnd::OutOfTime { limit: LIMIT }, crashed("BUG")], RunEnd::Crashed { why: "BUG".into() })]
#[case::interrupted(&[crashed("BUG"), RoundEnd::Interrupted], RunEnd::Interrupted)]
fn a_run_ends_as_its_worst_part(#[case] ends: &[RoundEnd], #[case] expected: RunEnd) {
    let part = |end: &RoundEnd| Done {
        cut_short: Some(end.clone()),
        ..Done::default()
    };
    let parts: Vec<Done> = ends.iter().map(part).chain([Done::default()]).collect();
    assert_eq!(end_of(&parts), expected);
}

#[rstest]
#[case(None, None, 0, Fate::GivenBack)]
#[case(None, None, 1, Fate::GivenBack)]
#[case(Some(KeepArg::Always), None, 0, Fate::Kept)]
#[case(Some(KeepArg::Failed), None, 0, Fate::GivenBack)]
#[case(Some(KeepArg::Failed), None, 1, Fate::Kept)]
#[case(Some(KeepArg::Failed), None, 130, Fate::Kept)]
#[case::by_the_variable(None, Some("always"), 0, Fate::KeptByVariable)]
#[case::whatever_came_of_it(Some(KeepArg::Failed), Some("1"), 0, Fate::KeptByVariable)]
#[case::the_option_is_the_stronger_word(Some(KeepArg::Failed), Some("always"), 1, Fate::Kept)]
#[case::no_test_of_the_crate_failed(None, Some("failed"), 1, Fate::GivenBack)]
#[case::not_so(None, Some("never"), 1, Fate::GivenBack)]
fn volumes_are_kept_for_whoever_asked(
    #[case] keep: Option<KeepArg>,
    #[case] variable: Option<&str>,
    #[case] code: u8,
    #[case] expected: Fate,
) {
    assert_eq!(fate(keep, variable, code), expected);
}

#[test]
fn a_run_leaves_its_results_in_three_forms() {
    let dir = tempfile::tempdir().unwrap();
    let (old, new) = (run_of(&[Pass]), run_of(&[Fail]));
    write(dir.path(), &new, Some(&compare(&old, &new))).unwrap();
    let read = |name: &str| fs::read_to_string(dir.path().join(name)).unwrap();
    assert!(read("junit.xml").contains("generic/001"));
    let summary = read("summary.txt");
    assert!(
        summary.contains("new failures (1)") && summary.ends_with("FAILED\n"),
        "{summary}"
    );
    assert_eq!(RunResults::read(dir.path()).unwrap(), new);
    assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 3);
}

#[test]
fn results_that_cannot_be_written_are_an_error_with_their_path() {
    let dir = tempfile::tempdir().unwrap();
    let gone = dir.path().join("gone");
    let error = write(&gone, &run_of(&[Pass]), None).unwrap_err();
    assert_eq!(error.exit_code(), 1);
    assert!(error.to_string().contains("gone/results.json"), "{error}");
}
