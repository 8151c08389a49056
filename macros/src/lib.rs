//! The attribute macro of kdev-volumes. Depend on [`kdev-volumes`], which re-exports it and shows examples; the
//! code that it writes needs that crate.
//!
//! [`kdev-volumes`]: https://docs.rs/kdev-volumes/latest/kdev_volumes/attr.kdev_volumes.html

use proc_macro::TokenStream;

mod attribute;
mod errors;
mod expand;
mod function;
mod inject;
mod panics;
mod value;
mod volumes;

/// `#[kdev_volumes(test = "10G", scratch = "10G")]`: what can be asked for, and what a test has of it.
///
/// # Put it first
///
/// The macro stands above `#[test]` and every other attribute that makes a test: `#[tokio::test]`,
/// `#[rstest]`, its `#[case]`s. It adds no `#[test]` of its own. Below `#[test]` it works for tests without
/// arguments; with guards, rustc says "functions used as tests can not have any arguments". Below `#[rstest]`
/// it could hold for some of the cases only, and is an error of the compiler.
///
/// # Tests
///
/// Anything that can be a test:
///
/// - functions that return `()`, a `Result`, an `ExitCode`, or `impl Termination`, which a type of your own has
///   to be written as; `?` and `return` do as always;
/// - `async` functions, under `#[tokio::test]` or what else makes a test of them;
/// - `#[should_panic]`, `#[ignore]`, also in `#[cfg_attr(...)]`;
/// - under `#[rstest]`, with cases, values, fixtures and a timeout. An argument that is no guard, or has an
///   attribute such as `#[case]` or `#[from]`, is left to rstest. Every case has volumes of its own. Under plain
///   `cargo test` fixtures are made twice: in the process of all tests, and in that of the test.
///
/// # Volumes
///
/// Each volume has a name and a size, at least one volume in all. What else is wanted of one stands in
/// brackets: `test(size = "10G", env = "MY_DEV")`.
///
/// | key | meaning |
/// | --- | --- |
/// | `size` | how large, at least; `test = "10G"` is short for `test(size = "10G")` |
/// | `env` | the environment variable with the device's path, if not the one of the table below |
/// | `order` | the volume's place among the others, lower first, 0 if not given; equal ones stay as written |
/// | `mkfs` | the filesystem that it carries when the test begins, as in `mkfs.TYPE`: `mkfs = "xfs"` |
/// | `mkfs_args` | what mkfs is told besides: `mkfs_args = ["-m", "crc=1"]` |
///
/// A list of sizes asks for a **set**, whose volumes have the name with a number, from 1 on; and `fstests`
/// stands for the seven volumes that fstests wants:
///
/// | written | volumes |
/// | --- | --- |
/// | `pool = ["10G"; 3]` | `pool1`, `pool2`, `pool3`, 10G each |
/// | `disk = ["10G", "5G"]` | `disk1` of 10G, `disk2` of 5G |
/// | `pool(size = ["10G"; 3], order = 1)` | as above, behind all volumes without an `order` |
/// | `fstests = "10G"` | `test`, `pool1` to `pool5`, and `logwrites`, 10G each |
///
/// Other keys hold for each volume of a set. A set has at most 64 volumes; no single volume can be named
/// `fstests`.
///
/// A **size** is a string, a whole number with a unit in base 2, `K`, `M`, `G`, `T`, `P` or `E`, in
/// either case (`"10G"`, `"10GiB"` and `"10gb"` are the same), or an integer literal, which is bytes.
/// There are no fractions: `"1536M"` is one and a half `G`. The volume is as large or larger: sizes are
/// rounded up to whole extents, 4 MiB on LVM unless its owner chose otherwise, and to 4 KiB for loop
/// devices and images.
///
/// A **name** is of lower-case letters, digits and `_`, a letter first, at most 32 characters. It
/// decides where the device's path is exported; most of these variables are those of fstests:
///
/// | volume | variable |
/// | --- | --- |
/// | `test`, `scratch` | `TEST_DEV`, `SCRATCH_DEV` |
/// | `pool1`, `pool2`, ... | all in `SCRATCH_DEV_POOL`, separated by spaces, in their order (then there is no `SCRATCH_DEV`) |
/// | `logwrites` | `LOGWRITES_DEV` |
/// | `test_log`, `scratch_log` | `TEST_LOGDEV`, `SCRATCH_LOGDEV` |
/// | `test_rt`, `scratch_rt` | `TEST_RTDEV`, `SCRATCH_RTDEV` |
/// | any other, such as `journal` | `JOURNAL_DEV` |
///
/// A **filesystem** is made by `mkfs.TYPE`, which has to be installed, with the `mkfs_args` before the
/// device. ext2, ext3, ext4, XFS, Btrfs and F2FS are told to be quiet and to ask nothing. If mkfs fails, the
/// test does, with what mkfs said, and has no volumes. It is not mounted: `test.mount()` does that.
///
/// Beside the volumes may stand:
///
/// | setting | meaning |
/// | --- | --- |
/// | `in_process` | the test stays in the process of its runner: it has guards, and no environment of its own |
/// | `crate = "path"` | where kdev-volumes is found, if your manifest gives it another name |
///
/// # Guards
///
/// A test may take what it was given as arguments, which the macro removes from its signature:
///
/// | argument | what it is |
/// | --- | --- |
/// | `test: Volume` | the volume with the name `test`, to keep, to close or to drop before the end |
/// | `test: &Volume` | the same, lent until the end |
/// | `all: Session` | all the volumes, by any name; no other guard can stand beside it |
/// | `all: &Session` | the same, lent until the end |
/// | none | nothing: the test reads the environment |
///
/// The last word of the type decides, so `kdev_volumes::Volume` will do. `mut test: Volume` is fine,
/// and so is `_test: Volume` for a volume that is only held. A volume whose name is a Rust keyword is an
/// argument as `r#type`. The test need not name all its volumes; those that it leaves out are there
/// all the same. Lifetimes in `&'a Volume` say nothing: what is lent is lent for the body.
///
/// # The end
///
/// When the test's body has ended, in whatever way, its volumes are given back; a test that passed
/// fails if that is not possible, because something still mounts or holds a device. A test that was
/// killed is cleaned up after. `KDEV_KEEP=failed` in the environment keeps the volumes of a
/// test that failed, `KDEV_KEEP=always` those of every test; a `#[should_panic]` test that panics has
/// not failed.
///
/// # A process for each test
///
/// Environment variables belong to the process. Under [nextest] each test is one. Under plain `cargo test`,
/// where tests are threads, an annotated test starts its own program again for itself alone (about 2 ms), so
/// that it has its `TEST_DEV` there and nobody else's. What it writes, panics with or returns is repeated in the
/// first process, under libtest's capture. A process that ends before its test is over fails the test, also if
/// it ends with `exit(0)`, and its volumes are taken back at once. It ends with the process that waits for it.
///
/// For that the program must be one of libtest, and the annotated function a test itself; where that is not
/// so, the test fails and says so. `in_process` then gives guards alone, as it does where a test must share
/// what other tests of its process have.
///
/// In the same environment `PATH` ends with `/usr/local/sbin`, `/usr/sbin` and `/sbin`, as far as it lacks them: on Debian
/// mkfs and fsck are there, and a user's `PATH` has none of these.
///
/// A thread that outlives its test must keep off the environment.
///
/// [nextest]: https://nexte.st
///
/// # Errors of the compiler
///
/// What can be known while compiling is an error there, at the place where it is written: a size that
/// is none; a name that LVM, or a variable that a shell, could not take; a set of none or too many; a
/// filesystem that cannot be one; a key that there is not or twice; two volumes with one name or one variable;
/// no volume; an argument that is no guard, or named like no volume, or there twice; a second
/// `#[kdev_volumes]`; a `const` or `extern` function; `self`; a place below `#[rstest]`'s cases. Whether a pool
/// has room is known only when the test runs.
#[proc_macro_attribute]
pub fn kdev_volumes(attribute: TokenStream, item: TokenStream) -> TokenStream {
    expand::expand(attribute.into(), item.into()).into()
}
