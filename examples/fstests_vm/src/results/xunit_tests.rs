use rstest::rstest;

use super::{Planned, Status, XunitError, planned, read, unknown};

// Written by `check` of fstests v2026.01.05 on tmpfs, with two tests added that fail; only the paths are changed.
const RESULT: &[u8] = include_bytes!("samples/result.xml");
const PLANNED: &[u8] = include_bytes!("samples/planned.xml");
const PLANNED_OUT: &str = include_str!("samples/planned.out");

#[test]
fn a_real_report_is_read() {
    let told: Vec<String> = read(RESULT)
        .unwrap()
        .iter()
        .map(|it| format!("{} {:?} {:?}", it.name, it.status, it.seconds))
        .collect();
    assert_eq!(
        told,
        [
            "generic/001 Pass Some(2.0)",
            "generic/002 Pass Some(1.0)",
            "generic/006 Pass Some(0.0)",
            "generic/008 NotRun(\"xfs_io fzero  failed (old kernel/wrong fs?)\") Some(0.0)",
            "generic/018 NotRun(\"defragmentation not supported for fstype \\\"tmpfs\\\"\") Some(0.0)",
            "generic/990 Fail(\"output mismatch\") Some(0.0)",
            "generic/991 Fail(\"output mismatch\") Some(1.0)",
        ]
    );
}

#[test]
fn a_report_that_is_cut_off_is_an_error_wherever_it_is() {
    let whole = RESULT.trim_ascii_end().len();
    for end in 1..whole {
        assert!(
            matches!(read(&RESULT[..end]), Err(XunitError::Broken { .. })),
            "cut off at {end}"
        );
    }
    assert_eq!(read(b"").unwrap(), []);
    assert_eq!(read(b"\n").unwrap(), []);
}

fn with(case: &str) -> Vec<u8> {
    format!(
        "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<testsuite name=\"xfstests\">\n{case}\n</testsuite>\n"
    )
    .into()
}

#[test]
fn characters_that_xml_forbids_do_not_lose_the_file() {
    let mut bytes =
        with("\t<testcase name=\"generic/001\" time=\"\">\n\t\t<system-out>\n<![CDATA[a\u{1}\u{b}\u{ffff}");
    bytes.truncate(bytes.len() - "\n</testsuite>\n".len());
    bytes.extend_from_slice(b"\xff\xfe\0]]>\n</system-out></testcase>\n</testsuite>\n");
    let tests = read(&bytes).unwrap();
    assert_eq!(
        (tests.len(), &tests[0].status, tests[0].seconds),
        (1, &Status::Pass, None)
    );
}

#[rstest]
#[case("[failed, exit status 1]", "[failed, exit status 1]")]
#[case(
    "- output mismatch (see /results/results/generic/001.out.bad)",
    "output mismatch"
)]
#[case(
    "_check_dmesg: something found in dmesg (see /r/generic/001.dmesg)",
    "_check_dmesg: something found in dmesg"
)]
#[case("fsck.\"ext4\" <failed> & err=4", "fsck.\"ext4\" <failed> & err=4")]
#[case(
    "Test generic/001 failed, reason unknown",
    "Test generic/001 failed, reason unknown"
)]
#[case(
    "- output mismatch (see /results/results/generic/990.out.bad)",
    "a check after the test failed, probably the file system's (`check` gives an earlier test's reason)"
)]
#[case("", "`check` gives no reason")]
fn a_failures_reason_is_this_tests_own(#[case] message: &str, #[case] expected: &str) {
    let case = format!(
        "\t<testcase name=\"generic/001\" time=\"3\">\n\t\t<failure message=\"{message}\" type=\"TestFail\" />\n\t</testcase>"
    );
    assert_eq!(
        read(&with(&case)).unwrap()[0].status,
        Status::Fail(expected.to_owned())
    );
}

#[rstest]
#[case("<html><body/></html>")]
#[case("{\"version\": 1}")]
#[case("<testsuite><testcase name=\"rm -rf\"/></testsuite>")]
#[case("<testsuite><testcase/></testsuite>")]
fn what_is_no_report_is_an_error(#[case] text: &str) {
    assert!(read(text.as_bytes()).is_err());
}

fn plan(tests: &[(&str, bool)]) -> Vec<Planned> {
    tests
        .iter()
        .map(|(name, is_expunged)| Planned {
            name: name.parse().unwrap(),
            is_expunged: *is_expunged,
        })
        .collect()
}

#[test]
fn the_plan_has_the_expunged_tests_too_in_checks_order() {
    let expected = plan(&[
        ("generic/001", false),
        ("generic/002", false),
        ("generic/004", false),
        ("generic/005", true),
        ("generic/990", false),
    ]);
    assert_eq!(planned(PLANNED, PLANNED_OUT).unwrap(), expected);
}

#[test]
fn a_plan_whose_output_is_lost_has_the_tests_of_the_report() {
    let names: Vec<String> = planned(PLANNED, "")
        .unwrap()
        .iter()
        .map(|test| test.name.to_string())
        .collect();
    assert_eq!(
        names,
        ["generic/001", "generic/002", "generic/004", "generic/990"]
    );
}

#[test]
fn a_line_of_output_that_only_looks_like_a_test_is_none() {
    let out = "generic/777 - unknown test, ignored\ngeneric/004\ngeneric/004\n";
    let names: Vec<String> = planned(PLANNED, out)
        .unwrap()
        .iter()
        .map(|test| test.name.to_string())
        .collect();
    assert_eq!(
        names,
        ["generic/004", "generic/001", "generic/002", "generic/990"]
    );
}

#[test]
fn a_plan_of_nothing_is_an_error_that_says_why() {
    let said = planned(b"", "\nGroup \"nosuch\" is empty or not defined?\n")
        .unwrap_err()
        .to_string();
    assert_eq!(
        said,
        "`check -n` plans no test: Group \"nosuch\" is empty or not defined? (see which groups and tests were asked for)"
    );
}

#[test]
fn what_check_does_not_know_is_found_in_its_output() {
    let out = "generic/01 - unknown test, ignored\nnosuch - unknown test, ignored\ngeneric/001         2s\n\
               generic/002         - output mismatch (see /r)\ngeneric/999         - no such test?\n";
    assert_eq!(unknown(out), ["generic/01", "nosuch", "generic/999"]);
    assert_eq!(unknown(PLANNED_OUT), Vec::<String>::new());
}
