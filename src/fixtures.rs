//! Volumes as [rstest] fixtures, for suites that use it. Behind the feature `rstest`.
//!
//! They are guards and nothing else: no `TEST_DEV` is set, since these tests stay in the process of their
//! runner, whose environment others share. A test that wants variables has the attribute
//! [`kdev_volumes`](macro@crate::kdev_volumes) above its `#[rstest]`, or gives a program
//! [`Session::envs`]. Nor do they see a test fail by an `Err`: `KDEV_KEEP=failed` keeps what a test
//! held that panicked.
//!
//! ```rust,no_run,test_harness
//! use kdev_volumes::fixtures::{test_volume, volumes};
//! use kdev_volumes::{Session, Volume};
//! use rstest::rstest;
//!
//! #[rstest]
//! fn copies_a_volume(test_volume: Volume, #[with(&[("copy", "1G")])] volumes: Session) {
//!     let copy = volumes.volume("copy").unwrap();
//!     assert!(copy.size() >= test_volume.size());
//! }
//! ```
//!
//! [rstest]: https://docs.rs/rstest

use kdev_volumes_spec::{Spec, VolumeSpec};
use rstest::fixture;

use crate::error::Result;
use crate::pool::Pool;
use crate::session::Session;
use crate::volume::Volume;

/// A volume with the name `test`, of 1G or of the size in `#[with("2G")]`.
///
/// ```rust,no_run,test_harness
/// use kdev_volumes::Volume;
/// use kdev_volumes::fixtures::test_volume;
/// use rstest::rstest;
///
/// #[rstest]
/// fn has_a_volume(#[with("2G")] test_volume: Volume) {
///     assert_eq!(test_volume.size().get(), 2 << 30);
/// }
/// ```
///
/// # Panics
///
/// If it cannot be had, with the text of the [error](crate::Error).
#[fixture]
pub fn test_volume(#[default("1G")] size: &str) -> Volume {
    let taken = session(&[("test", size)]).map(|mut session| session.take("test"));
    or_panic(taken).expect("the session was made with it")
}

/// The volumes of the names and sizes in `#[with(&[("test", "1G"), ("scratch", "1G")])]`; one volume `test`
/// of 1G without that.
///
/// ```rust,no_run,test_harness
/// use kdev_volumes::Session;
/// use kdev_volumes::fixtures::volumes;
/// use rstest::rstest;
///
/// #[rstest]
/// fn has_two_volumes(#[with(&[("test", "1G"), ("scratch", "1G")])] volumes: Session) {
///     assert!(volumes.volume("scratch").is_some());
/// }
/// ```
///
/// # Panics
///
/// If they cannot be had, with the text of the [error](crate::Error).
#[fixture]
pub fn volumes(#[default(&[("test", "1G")])] wanted: &[(&str, &str)]) -> Session {
    or_panic(session(wanted))
}

fn session(wanted: &[(&str, &str)]) -> Result<Session> {
    let volumes = wanted
        .iter()
        .map(|(name, size)| Ok(VolumeSpec::new(name, size.parse()?)?));
    let spec = Spec::new(volumes.collect::<Result<Vec<_>>>()?)?;
    Pool::from_env()?.allocate(&spec)
}

fn or_panic<T>(got: Result<T>) -> T {
    got.unwrap_or_else(|err| panic!("kdev: this test gets no volumes: {}", err.chain()))
}
