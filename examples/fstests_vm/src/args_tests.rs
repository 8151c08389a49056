use clap::CommandFactory;
use clap::error::ErrorKind;
use rstest::rstest;

use super::*;

fn parse(line: &str) -> Result<Args, clap::Error> {
    Args::try_parse_from(["fstests_vm"].into_iter().chain(line.split_whitespace()))
}

const RUN: &str = "--kernel /k --fstests /f";

#[test]
fn the_arguments_are_consistent() {
    Args::command().debug_assert();
}

#[rstest]
#[case("--size 0", "cannot be empty")]
#[case("--size 1.5G", "1536M")]
#[case("--memory 1K", "at least 64M")]
#[case("--memory 0", "cannot be empty")]
#[case("--cpus 0", "0 is not in 1..=255")]
#[case("--shards 0", "0 is not in 1..=64")]
#[case("--shard 3/2", "I/N")]
#[case("--shard 0/2", "I/N")]
#[case("--repeat 0", "0 is not in 1..=1000")]
#[case("--time-scale -1", "more than 0")]
#[case("--time-scale 0", "more than 0")]
#[case("--time-scale NaN", "more than 0")]
#[case("--time-scale inf", "more than 0")]
#[case("--time-scale fast", "invalid float")]
#[case("--test-limit 0s", "no time")]
#[case("--test-limit 15", "90s, 15m")]
#[case("--env 1X=2", "`1X` is not the name of a variable")]
#[case("--env =2", "`` is not the name of a variable")]
#[case("--env X", "NAME=VALUE")]
#[case("--keep-volumes=sometimes", "[possible values: always, failed]")]
#[case("--accel hvf", "[possible values: auto, kvm, tcg]")]
fn what_cannot_be_is_refused_with_what_can(#[case] line: &str, #[case] expected: &str) {
    let error = parse(&format!("{RUN} {line}")).unwrap_err();
    assert_eq!(error.exit_code(), 2);
    assert!(error.to_string().contains(expected), "{error}");
}

#[rstest]
#[case("--kernel /k", ErrorKind::MissingRequiredArgument)]
#[case("--fstests /f", ErrorKind::MissingRequiredArgument)]
#[case("", ErrorKind::MissingRequiredArgument)]
#[case("--kernel /k --fstests /f --list --repeat 2", ErrorKind::ArgumentConflict)]
#[case("--kernel /k --fstests /f generic/001", ErrorKind::UnknownArgument)]
fn a_run_needs_a_kernel_and_tests(#[case] line: &str, #[case] expected: ErrorKind) {
    assert_eq!(parse(line).unwrap_err().kind(), expected);
}

#[test]
fn what_is_put_together_can_be_written_compared_and_told_but_nothing_else() {
    let args = parse("--merge a b --results r --baseline old --json").unwrap();
    assert_eq!(args.results.merge, [PathBuf::from("a"), PathBuf::from("b")]);
    assert_eq!(args.results.results, PathBuf::from("r"));
    let command = Args::command();
    let is_for_merge = |id: &str| ["results", "baseline", "json", "merge"].contains(&id);
    let (for_merge, not): (Vec<&str>, Vec<&str>) = command
        .get_arguments()
        .map(|arg| arg.get_id().as_str())
        .partition(|id| is_for_merge(id));
    assert_eq!(for_merge.len(), 4);
    let mut expected = NOT_FOR_MERGE.to_vec();
    expected.sort_unstable();
    let mut not: Vec<&str> = not
        .into_iter()
        .filter(|id| !["help", "version"].contains(id))
        .collect();
    not.sort_unstable();
    assert_eq!(not, expected);
}

#[rstest]
#[case("", None)]
#[case("--keep-volumes", Some(KeepArg::Always))]
#[case("--keep-volumes=failed", Some(KeepArg::Failed))]
fn volumes_are_kept_always_where_nothing_is_said_of_when(
    #[case] line: &str,
    #[case] expected: Option<KeepArg>,
) {
    let args = parse(&format!("{RUN} {line} -- -g quick")).unwrap();
    assert_eq!(args.volumes.keep_volumes, expected);
    assert_eq!(args.check, ["-g", "quick"]);
}

#[test]
fn a_variable_may_have_anything_for_a_value() {
    let expected = ("MKFS_OPTIONS".to_owned(), OsString::from("-O a=b,c"));
    assert_eq!(variable("MKFS_OPTIONS=-O a=b,c"), Ok(expected));
}
