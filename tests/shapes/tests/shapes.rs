//! A passing test of each shape that the macro takes.

use std::io;
use std::process::{ExitCode, Termination};
use std::time::Duration;

use kdev_volumes::{Session, Volume, kdev_volumes};
use rstest::{fixture, rstest};
use shapes::{Grade, check, check_in_process, check_variable};

#[kdev_volumes(test = "1M")]
#[test]
fn takes_a_volume(test: Volume) {
    check("TEST_DEV", &test);
}

#[kdev_volumes(test = "1M", scratch = "1M")]
#[test]
fn borrows_volumes(test: &Volume, scratch: &Volume) {
    check("TEST_DEV", test);
    check("SCRATCH_DEV", scratch);
}

#[kdev_volumes(test = "1M", journal(size = "1M", env = "MY_JOURNAL"))]
#[test]
fn takes_the_session(volumes: Session) {
    check("TEST_DEV", &volumes.volumes()[0]);
    check("MY_JOURNAL", &volumes.volumes()[1]);
}

#[kdev_volumes(test = "1M")]
#[test]
fn reads_the_environment() {
    check_variable("TEST_DEV");
}

#[test]
#[kdev_volumes(test = "1M")]
fn stands_below_the_test_attribute() {
    check_variable("TEST_DEV");
}

#[kdev_volumes(test = "1M")]
#[test]
#[expect(clippy::extra_unused_lifetimes, reason = "what is lent is lent for the body")]
fn has_a_lifetime<'a>(test: &'a Volume) {
    check("TEST_DEV", test);
}

#[kdev_volumes(test = "1M")]
#[test]
fn r#try(test: Volume) {
    check("TEST_DEV", &test);
}

#[kdev_volumes(test = "1M")]
#[test]
fn returns_a_result(test: Volume) -> io::Result<()> {
    check("TEST_DEV", &test);
    if std::process::id() == 0 {
        return Err(io::Error::other("no such process"));
    }
    std::fs::metadata(test.path())?;
    Ok(())
}

#[kdev_volumes(test = "1M")]
#[test]
fn returns_an_exit_code(test: Volume) -> ExitCode {
    check("TEST_DEV", &test);
    ExitCode::SUCCESS
}

#[kdev_volumes(test = "1M")]
#[test]
fn returns_a_result_of_an_exit_code(test: Volume) -> Result<ExitCode, io::Error> {
    check("TEST_DEV", &test);
    Ok(ExitCode::SUCCESS)
}

#[kdev_volumes(test = "1M")]
#[test]
fn returns_a_type_of_its_own(test: Volume) -> impl Termination {
    check("TEST_DEV", &test);
    Grade(0)
}

#[kdev_volumes(test = "1M")]
#[test]
#[should_panic]
fn should_panic(test: Volume) {
    check("TEST_DEV", &test);
    panic!("as it should");
}

#[kdev_volumes(test = "1M")]
#[should_panic(expected = "as it should")]
#[test]
fn should_panic_with_a_text(test: &Volume) {
    check("TEST_DEV", test);
    panic!("all is {}", "as it should");
}

#[kdev_volumes(test = "1M")]
#[test]
#[cfg_attr(unix, should_panic = "as it should")]
fn should_panic_under_a_condition(test: &Volume) {
    check("TEST_DEV", test);
    panic!("as it should");
}

#[should_panic]
#[test]
#[kdev_volumes(test = "1M")]
fn should_panic_above_the_test_attribute() {
    check_variable("TEST_DEV");
    std::panic::panic_any(7);
}

#[kdev_volumes(test = "1M")]
#[test]
#[ignore = "runs only when asked for, and passes then"]
fn is_ignored(test: Volume) {
    check("TEST_DEV", &test);
}

#[kdev_volumes(test = "1M", in_process)]
#[test]
fn stays_in_the_runners_process(test: Volume) {
    check_in_process("TEST_DEV", &test);
}

#[kdev_volumes(test = "1M", in_process)]
#[tokio::test]
async fn stays_there_and_is_async(test: &Volume) -> io::Result<()> {
    tokio::time::sleep(Duration::from_millis(1)).await;
    check_in_process("TEST_DEV", test);
    Ok(())
}

#[kdev_volumes(test = "1M")]
#[tokio::test]
async fn is_async(test: Volume) {
    tokio::time::sleep(Duration::from_millis(1)).await;
    check("TEST_DEV", &test);
}

#[kdev_volumes(test = "1M")]
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn is_async_on_many_threads(test: &Volume) -> Result<(), Box<dyn std::error::Error>> {
    let elsewhere = tokio::spawn(async { std::env::var("TEST_DEV") }).await??;
    assert_eq!(elsewhere, test.path().to_str().unwrap());
    check("TEST_DEV", test);
    Ok(())
}

#[kdev_volumes(test = "1M")]
#[tokio::test]
async fn is_async_and_returns_a_type_of_its_own(test: Volume) -> impl Termination {
    tokio::time::sleep(Duration::from_millis(1)).await;
    check("TEST_DEV", &test);
    Grade(0)
}

#[kdev_volumes(test = "1M")]
#[tokio::test]
#[should_panic(expected = "as it should")]
async fn is_async_and_should_panic(test: Volume) {
    tokio::time::sleep(Duration::from_millis(1)).await;
    check("TEST_DEV", &test);
    panic!("as it should");
}

#[tokio::test]
#[kdev_volumes(test = "1M")]
async fn stands_below_the_runtime() {
    check_variable("TEST_DEV");
}

#[fixture]
fn number() -> u32 {
    7
}

#[fixture]
fn text(number: u32) -> String {
    number.to_string()
}

#[kdev_volumes(test = "1M")]
#[rstest]
#[case(1)]
#[case::named(2)]
fn has_cases(#[case] number: u32, test: Volume) {
    assert!(number > 0);
    check("TEST_DEV", &test);
}

#[kdev_volumes(test = "1M")]
#[rstest]
fn has_values(test: Volume, #[values("a", "b")] left: &str, #[values(1, 2)] right: u8) {
    assert!(!left.is_empty() && right > 0);
    check("TEST_DEV", &test);
}

#[kdev_volumes(test = "1M")]
#[rstest]
fn has_fixtures(number: u32, test: &Volume, text: String, #[from(number)] other: u32) -> Result<(), String> {
    assert_eq!((number, text.as_str(), other), (7, "7", 7));
    check("TEST_DEV", test);
    Ok(())
}

#[kdev_volumes(test = "1M")]
#[rstest]
#[case(1_u8)]
#[case("text")]
fn is_generic<T: std::fmt::Debug>(#[case] value: T, test: &Volume) {
    assert!(!format!("{value:?}").is_empty());
    check("TEST_DEV", test);
}

#[kdev_volumes(test = "1M")]
#[rstest]
#[case(true)]
#[should_panic(expected = "as it should")]
#[case(false)]
fn has_a_case_that_should_panic(#[case] passes: bool, test: Volume) {
    check("TEST_DEV", &test);
    assert!(passes, "as it should");
}

#[kdev_volumes(test = "1M")]
#[rstest]
#[timeout(Duration::from_secs(600))]
fn has_a_timeout(number: u32, test: Volume) {
    assert_eq!(number, 7);
    check("TEST_DEV", &test);
}

#[kdev_volumes(test = "1M")]
#[rstest]
#[case(1)]
#[case(2)]
#[tokio::test]
async fn has_cases_and_is_async(#[case] number: u32, text: String, test: Volume) -> io::Result<()> {
    tokio::time::sleep(Duration::from_millis(1)).await;
    assert!(number > 0 && text == "7");
    check("TEST_DEV", &test);
    Ok(())
}

#[rstest]
#[kdev_volumes(test = "1M")]
fn stands_below_rstest_without_cases(number: u32) {
    assert_eq!(number, 7);
    check_variable("TEST_DEV");
}

mod nested {
    pub(crate) mod deeper {
        use ::kdev_volumes as renamed;
        use renamed::Volume;
        use shapes::check;

        #[renamed::kdev_volumes(test = "1M", crate = "renamed")]
        #[test]
        fn is_in_a_module_and_knows_the_crate_by_another_name(test: Volume) {
            check("TEST_DEV", &test);
        }
    }
}

macro_rules! made_by_a_macro {
    ($($name:ident $size:literal),*) => {$(
        #[kdev_volumes(test = $size)]
        #[test]
        fn $name(test: Volume) {
            check("TEST_DEV", &test);
        }
    )*};
}

made_by_a_macro!(made_by_a_macro "1M", made_by_a_macro_too 1048576);
