#![doc = include_str!("../README.md")]

mod allocate;
mod alter;
mod announce;
mod backend;
mod blank;
mod clean;
mod clock;
mod command;
mod declared;
mod device_lock;
mod environment;
mod error;
mod events;
mod fault;
#[cfg(feature = "rstest")]
pub mod fixtures;
#[cfg(test)]
mod garbage;
mod give_back;
mod harness;
mod held_dir;
mod here;
mod holders;
mod holding;
mod images;
mod keep;
mod lease;
mod liveness;
mod lock;
mod loops;
mod lvm;
#[cfg(feature = "cli")]
pub mod metrics;
mod mkfs;
mod mkfs_copied;
mod mount;
mod mount_point;
mod mounts;
mod outlook;
mod owner;
mod patience;
mod pipes;
#[cfg(feature = "cli")]
pub mod plan;
mod pool;
mod pool_names;
pub mod pools;
mod pools_file;
mod process;
mod queue;
mod reap;
mod replace;
mod request;
mod retention;
mod root;
mod session;
mod session_id;
mod source;
mod sparse;
mod stacked;
mod startup;
mod state;
mod state_dir;
#[cfg(feature = "cli")]
pub mod sudoers;
mod test_dev;
mod thin;
#[cfg(feature = "cli")]
pub mod timer;
mod trust;
mod udev;
mod undo;
mod unmount;
mod volume;
mod watchdog;

pub use error::{Error, Result};
/// Gives a test block devices of its own, and takes them back when the test is over.
///
/// ```rust,no_run,test_harness
/// use kdev_volumes::{Volume, kdev_volumes};
///
/// #[kdev_volumes(test = "10G", scratch = "10G")]
/// #[test]
/// fn copies_a_device(test: Volume, scratch: &Volume) -> Result<(), Box<dyn std::error::Error>> {
///     // Both are in the environment too: $TEST_DEV and $SCRATCH_DEV.
///     std::io::copy(&mut test.open()?, &mut scratch.open()?)?;
///     Ok(())
/// }
/// ```
///
/// # Examples
///
/// All volumes at once, as a [`Session`]. A name with several sizes is a set of volumes, `pool1`, `pool2` and
/// `pool3` here:
///
/// ```rust,no_run,test_harness
/// # use kdev_volumes::{Session, kdev_volumes};
/// #[kdev_volumes(test = "1G", pool = ["1G"; 3])]
/// #[test]
/// fn has_four_devices(session: Session) {
///     let names: Vec<&str> = session.volumes().iter().map(|volume| volume.name()).collect();
///     assert_eq!(names, ["test", "pool1", "pool2", "pool3"]);
/// }
/// ```
///
/// No guard, for a script or a C program that looks in the environment; `fstests` is all that [fstests] wants:
///
/// ```rust,no_run,test_harness
/// # use kdev_volumes::kdev_volumes;
/// #[kdev_volumes(fstests = "10G")]
/// #[test]
/// fn generic_tests() -> std::io::Result<()> {
///     let fstests = std::process::Command::new("tests/run-fstests.sh").status()?;
///     assert!(fstests.success());
///     Ok(())
/// }
/// ```
///
/// A volume with a fresh filesystem. [`Volume::mount`] mounts it until the [`Mount`] is dropped:
///
/// ```rust,no_run,test_harness
/// # use kdev_volumes::{Volume, kdev_volumes};
/// #[kdev_volumes(test(size = "1G", mkfs = "xfs", mkfs_args = ["-m", "crc=1"]))]
/// #[test]
/// fn writes_a_file(test: Volume) -> Result<(), Box<dyn std::error::Error>> {
///     let mount = test.mount()?;
///     std::fs::write(mount.path().join("file"), "content")?;
///     Ok(())
/// }
/// ```
///
/// A variable of your own choice, and a place behind the other volumes:
///
/// ```rust,no_run,test_harness
/// # use kdev_volumes::{Session, Volume, kdev_volumes};
/// #[kdev_volumes(journal(size = "512M", env = "MY_JOURNAL", order = 1), test = "10G")]
/// #[test]
/// fn journal_is_last(session: &Session) {
///     assert_eq!(session.volumes()[1].name(), "journal");
///     assert!(std::env::var_os("MY_JOURNAL").is_some());
/// }
/// ```
///
/// An async test, with what else makes a test of it below:
///
/// ```rust,no_run,test_harness
/// # use kdev_volumes::{Volume, kdev_volumes};
/// # async fn write_to(_: &std::path::Path) -> std::io::Result<()> { Ok(()) }
/// #[kdev_volumes(test = "1G")]
/// # /*
/// #[tokio::test]
/// # */
/// async fn writes_while_it_waits(test: Volume) -> std::io::Result<()> {
///     write_to(test.path()).await
/// }
/// ```
///
/// Cases of [rstest], each with a volume of its own:
///
/// ```rust,no_run,test_harness
/// # use kdev_volumes::{Volume, kdev_volumes};
/// # use rstest::rstest;
/// #[kdev_volumes(test(size = "1G", mkfs = "ext4"))]
/// #[rstest]
/// #[case::ordered("data=ordered")]
/// #[case::journal("data=journal")]
/// fn mounts(#[case] options: &str, test: Volume) -> kdev_volumes::Result<()> {
///     test.mount_with(options)?.unmount()
/// }
/// ```
///
/// A test that stays in the process of its runner, with a guard and without an environment of its own:
///
/// ```rust,no_run,test_harness
/// # use kdev_volumes::{Volume, kdev_volumes};
/// # static DEVICES_OPENED: std::sync::atomic::AtomicU32 = std::sync::atomic::AtomicU32::new(0);
/// #[kdev_volumes(test = "1G", in_process)]
/// #[test]
/// fn shares_a_counter_with_other_tests(test: Volume) -> kdev_volumes::Result<()> {
///     let device = test.open()?;
///     DEVICES_OPENED.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
///     Ok(())
/// }
/// ```
///
/// A manifest that has the crate by another name, `devices = { package = "kdev-volumes", version = "0.1" }`:
///
/// ```rust,no_run,test_harness
/// # extern crate kdev_volumes as devices;
/// #[devices::kdev_volumes(test = "1G", crate = "devices")]
/// #[test]
/// fn has_a_device(test: devices::Volume) {
///     assert!(test.path().exists());
/// }
/// ```
///
/// [fstests]: https://git.kernel.org/pub/scm/fs/xfs/xfstests-dev.git/about/
/// [rstest]: https://docs.rs/rstest
///
/// # Reference
pub use kdev_volumes_macros::kdev_volumes;
pub use kdev_volumes_spec::{Bytes, Spec, SpecError, VolumeSpec};
pub use mount::Mount;
pub use pool::Pool;
pub use session::Session;
pub use test_dev::TestDev;
pub use volume::Volume;

#[doc(hidden)]
pub mod __private {
    pub use crate::harness::{
        DECLARATIONS, Declaration, DeclaredVolume, Ended, Outcome, Session, lend, linkme, run, run_async,
        run_opaque, run_opaque_async, take,
    };
}

#[doc(hidden)]
pub mod __root {
    pub use crate::root::{IS_ROOT_PROGRAM, main};
}
