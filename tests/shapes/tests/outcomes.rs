//! Tests that fail in each way there is, and some that pass beside them. Other tests run them.

use std::process::{ExitCode, Termination};
use std::thread;
use std::time::Duration;

use kdev_volumes::{Volume, kdev_volumes};
use nix::libc;
use nix::sys::signal::{Signal, raise};
use rstest::rstest;
use shapes::{Grade, check};

mod fails {
    use super::*;

    #[kdev_volumes(test = "1M")]
    #[test]
    #[ignore = "started by other tests"]
    fn by_a_panic(test: Volume) {
        println!("written before the panic");
        eprintln!("and to standard error");
        check("TEST_DEV", &test);
        panic!("on purpose");
    }

    #[kdev_volumes(test = "1M")]
    #[test]
    #[ignore = "started by other tests"]
    fn by_an_error() -> Result<(), String> {
        Err("on purpose".into())
    }

    #[kdev_volumes(test = "1M")]
    #[test]
    #[ignore = "started by other tests"]
    fn by_an_exit_code() -> ExitCode {
        ExitCode::from(7)
    }

    #[kdev_volumes(test = "1M")]
    #[test]
    #[ignore = "started by other tests"]
    fn by_a_type_of_its_own() -> impl Termination {
        Grade(7)
    }

    #[kdev_volumes(test = "1M")]
    #[test]
    #[ignore = "started by other tests"]
    #[should_panic]
    fn by_a_missing_panic() {}

    #[kdev_volumes(test = "1M")]
    #[test]
    #[ignore = "started by other tests"]
    #[should_panic(expected = "on purpose")]
    fn by_a_panic_with_another_text() {
        panic!("by accident");
    }

    #[kdev_volumes(test = "1M")]
    #[tokio::test]
    #[ignore = "started by other tests"]
    async fn by_an_async_panic(test: Volume) {
        tokio::time::sleep(Duration::from_millis(1)).await;
        check("TEST_DEV", &test);
        panic!("on purpose");
    }

    #[kdev_volumes(test = "1M")]
    #[tokio::test]
    #[ignore = "started by other tests"]
    async fn by_an_async_error() -> Result<(), String> {
        tokio::time::sleep(Duration::from_millis(1)).await;
        Err("on purpose".into())
    }

    #[kdev_volumes(test = "1M")]
    #[rstest]
    #[case(1)]
    #[ignore = "started by other tests"]
    fn by_a_panic_in_a_case(#[case] number: u32, test: Volume) {
        check("TEST_DEV", &test);
        assert_eq!(number, 2);
    }

    #[kdev_volumes(test = "1M")]
    #[rstest]
    #[timeout(Duration::from_millis(300))]
    #[ignore = "started by other tests"]
    fn by_a_timeout() {
        loop {
            thread::park();
        }
    }

    #[kdev_volumes(test = "1M")]
    #[test]
    #[ignore = "started by other tests"]
    fn by_an_abort() {
        std::process::abort();
    }

    #[kdev_volumes(test = "1M")]
    #[test]
    #[ignore = "started by other tests"]
    fn by_a_kill() {
        raise(Signal::SIGKILL).unwrap();
    }

    #[kdev_volumes(test = "1M")]
    #[test]
    #[ignore = "started by other tests"]
    #[should_panic]
    fn by_a_kill_where_it_should_panic() {
        raise(Signal::SIGKILL).unwrap();
    }

    #[kdev_volumes(test = "1M")]
    #[test]
    #[ignore = "started by other tests"]
    fn by_a_fault(test: Volume) {
        check("TEST_DEV", &test);
        // SAFETY: it is not; the process dies of it, and that is what is wanted.
        unsafe { std::ptr::null_mut::<u8>().write_volatile(1) };
    }
}

/// These end their process with success.
mod leaves {
    use super::*;

    #[kdev_volumes(test = "1M")]
    #[test]
    #[ignore = "started by other tests"]
    fn without_a_word(test: Volume) {
        check("TEST_DEV", &test);
        std::process::exit(0);
    }

    #[kdev_volumes(test = "1M")]
    #[tokio::test]
    #[ignore = "started by other tests"]
    #[should_panic]
    async fn without_a_panic() {
        // SAFETY: ends the process at once.
        unsafe { libc::_exit(0) }
    }
}

mod passes {
    use super::*;

    #[kdev_volumes(test = "1M")]
    #[test]
    #[ignore = "started by other tests"]
    fn quietly(test: Volume) {
        println!("what a passing test writes");
        check("TEST_DEV", &test);
    }

    #[kdev_volumes(test = "1M")]
    #[test]
    #[ignore = "started by other tests"]
    #[should_panic(expected = "on purpose")]
    fn by_a_panic() {
        panic!("on purpose");
    }

    #[kdev_volumes(test = "1M")]
    #[test]
    #[ignore = "started by other tests"]
    #[expect(clippy::zombie_processes, reason = "it is to be left behind")]
    fn although_it_leaves_a_process_behind() {
        std::process::Command::new("sleep").arg("1").spawn().unwrap();
    }
}
