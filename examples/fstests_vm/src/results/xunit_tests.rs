use rstest::rstest;

use super::{Status, XunitError, read};

// Written by `check` of fstests v2026.01.05 on tmpfs, with two tests added that fail; only the paths are changed.
const RESULT: &[u8] = include_bytes!("samples/result.xml");

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
