use std::io;
use std::path::PathBuf;
use std::time::Duration;

use kdev_volumes_spec::{Bytes, SpecError};

use crate::error::words::{in_queue, installing, listed, of_thin, of_which, said};
use crate::thin::Thin;

/// A result of this crate.
///
/// ```
/// # use kdev_volumes::{Result, Spec, VolumeSpec};
/// fn mirror() -> Result<Spec> {
///     Ok(Spec::new(VolumeSpec::set("disk", ["1G".parse()?; 2])?)?)
/// }
/// # assert_eq!(mirror()?.volumes().len(), 2);
/// # Ok::<(), kdev_volumes::Error>(())
/// ```
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// What could not be done, to what, and what helps.
///
/// Whatever the error, nothing is left half done: a session has all of its volumes or none, a pool
/// is set up or its device is as it was. What could not be removed is on record and is tried again
/// by the next reaper.
///
/// The text says what helps. A program that knows better what to do matches on the variant:
///
/// ```no_run
/// use kdev_volumes::pools::{Kept, Pools};
/// use kdev_volumes::{Error, Pool, Result, Session, Spec};
///
/// fn allocate(spec: &Spec) -> Result<Session> {
///     let pool = Pool::from_env()?;
///     match pool.allocate(spec) {
///         Err(Error::NeverFits { pool: name, .. }) => {
///             // Nobody will look at what was kept on this machine.
///             Pools::from_env()?.cleanup(Some(&name), &Kept::Go)?;
///             pool.allocate(spec)
///         }
///         got => got,
///     }
/// }
/// ```
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The volumes asked for cannot be had from any pool.
    #[error(transparent)]
    Spec(#[from] SpecError),

    /// A size to which a volume would have to be rounded up does not fit in 64 bits.
    #[error("volume `{volume}` of {size} cannot be rounded up to a whole number of {unit} (ask for less)")]
    TooLarge {
        /// The volume's name.
        volume: String,
        /// The size asked for.
        size: Bytes,
        /// What sizes are rounded up to.
        unit: Bytes,
    },

    /// An environment variable has a value that means nothing here.
    #[error("`{variable}={value}` is not understood (use {expected})")]
    Variable {
        /// The variable.
        variable: &'static str,
        /// Its value.
        value: String,
        /// What it may be.
        expected: &'static str,
    },

    /// No device is exported under that name.
    #[error(
        "`{variable}` is not set (run this in a test with `#[kdev_volumes(...)]`, or below one, or give it `Session::envs`)"
    )]
    NoDevice {
        /// The variable.
        variable: String,
    },

    /// A device in the environment that is not proved to be a volume of the test's own.
    #[error("`{variable}={}` is not used: {why}", path.display())]
    NotOurDevice {
        /// The variable.
        variable: String,
        /// Its value.
        path: PathBuf,
        /// What is missing of the proof, and what helps.
        why: String,
    },

    /// The pool that was named is not set up.
    #[error(
        "there is no pool `{pool}` in `{file}` (set up: {known}; make it with `kdev pool setup --pool={pool} --device=DEVICE`)"
    )]
    NoPool {
        /// The pool's name.
        pool: String,
        /// Where pools are kept.
        file: PathBuf,
        /// The pools that are set up, for people to read.
        known: String,
    },

    /// No pool is set up, and whichever there is was asked for.
    #[error("`auto` is all pools that are set up, and there is none in `{}` (make one with `kdev pool setup --device=DEVICE`)", file.display())]
    NoPools {
        /// Where pools are kept.
        file: PathBuf,
    },

    /// A pool of that name, or one on that device, exists already.
    #[error(
        "pool `{pool}` exists already, on `{device}` (choose another name, or `kdev pool teardown --pool={pool}`)"
    )]
    PoolExists {
        /// The pool's name.
        pool: String,
        /// The device that it is on.
        device: String,
    },

    /// A pool's name, its VG's or its prefix cannot be used.
    #[error("bad {what} `{name}` ({reason})")]
    PoolName {
        /// What the name was for.
        what: &'static str,
        /// The name.
        name: String,
        /// The rule that it breaks.
        reason: String,
    },

    /// The pool has no room for what was asked for, or none that others do not wait for.
    #[error(
        "pool `{pool}` has {free} free but {want} is needed{}{}{holders} (try `kdev pool status --pool={pool}`, a longer KDEV_WAIT, or `kdev pool cleanup --kept --pool={pool}` if kept volumes may go)",
        in_queue(*before, *waited),
        of_thin(thin.as_ref())
    )]
    NoSpace {
        /// The pool's name.
        pool: String,
        /// The room left, in whole extents.
        free: Bytes,
        /// The room needed, in whole extents.
        want: Bytes,
        /// How many others wait for room who came earlier.
        before: usize,
        /// How long was waited; nothing if that was not wanted.
        waited: Duration,
        /// How full a thin pool is; `None` of a thick one.
        thin: Option<Thin>,
        /// Who holds the rest, for people to read; empty if nobody does.
        holders: String,
    },

    /// The pool cannot hold what was asked for, however long one waits.
    #[error(
        "pool `{pool}` can never hold the {want} that is needed: it has {size} in all{}{} (ask for less, name another pool, or see `kdev pool status --pool={pool}`)",
        of_which(staying),
        of_thin(thin.as_ref())
    )]
    NeverFits {
        /// The pool's name.
        pool: String,
        /// The room needed, in whole extents.
        want: Bytes,
        /// The room of the VG.
        size: Bytes,
        /// What of it will not go by itself, for people to read: kept volumes, stuck ones, those of unknown
        /// owners, and LVs that are not ours.
        staying: Vec<String>,
        /// How full a thin pool is that gives nothing more out for as long as that stays; else `None`.
        thin: Option<Thin>,
    },

    /// A ratio by which no thin pool can give out more than it has.
    #[error("an over-commit of {ratio} is none that can be had (use a whole number from 1 to 100)")]
    Overcommit {
        /// The ratio.
        ratio: String,
    },

    /// None of several pools gives what was asked for.
    #[error("none of the pools of `{pools}` gives what is needed: {}", reasons.join("; "))]
    NoneServes {
        /// The pools, as they were named.
        pools: String,
        /// Each pool's name and reason, for people to read.
        reasons: Vec<String>,
    },

    /// A device that may not be written to.
    #[error("`{}` was refused and not written to:{}", device.display(), listed(findings))]
    Refused {
        /// The device.
        device: PathBuf,
        /// All that speaks against it, each with its remedy.
        findings: Vec<String>,
    },

    /// A pool that may not be taken down.
    #[error("pool `{pool}` is in use and was left as it is:{}", listed(volumes))]
    PoolInUse {
        /// The pool's name.
        pool: String,
        /// What is in it, each with its remedy.
        volumes: Vec<String>,
    },

    /// A pool on a file that is not attached, as after a boot.
    #[error("pool `{pool}` is not started: its file `{}` is not attached to a loop device (`kdev pool start --pool={pool}`)", file.display())]
    NotStarted {
        /// The pool's name.
        pool: String,
        /// Its file.
        file: PathBuf,
    },

    /// Another change of a pool was interrupted, and is not finished yet: its disk may not be here.
    #[error(
        "a setup or teardown was interrupted, as `{}` says, and is to be finished first (`kdev pool cleanup` does; if it waits for a disk that is lost, remove that file)", file.display()
    )]
    Unfinished {
        /// What was begun.
        file: PathBuf,
    },

    /// A VG or LV that should be there.
    #[error("{what} is not there ({hint})")]
    Missing {
        /// The VG or LV.
        what: String,
        /// Where to look.
        hint: &'static str,
    },

    /// A VG or LV without our tags, or a file that we did not write; nothing of ours touches it.
    #[error("{what} is not ours and was not touched: {why}")]
    NotOurs {
        /// The VG, LV or file.
        what: String,
        /// What it lacks, and what helps.
        why: String,
    },

    /// Volumes that could not be removed. They stay on record.
    #[error("could not remove {} (they stay on record, and `kdev pool cleanup` tries again)", volumes.join("; "))]
    Busy {
        /// Each volume's name and path, with what was found to hold it.
        volumes: Vec<String>,
    },

    /// A volume that was left as it is.
    #[error("`{volume}` was not {done}: {why}")]
    NotAltered {
        /// The volume's name, as `lvs` and `kdev pool status` have it.
        volume: String,
        /// What was to be done: `resized`, `removed`, `given a snapshot`.
        done: &'static str,
        /// What speaks against it, and what helps.
        why: String,
    },

    /// There is no volume of that name or path.
    #[error("`{volume}` is no volume that a record, a pool's VG or the images know (see `kdev pool status`)")]
    NoVolume {
        /// The name or path.
        volume: String,
    },

    /// A filesystem that could not be unmounted. It stays mounted, and its volume on record.
    #[error(
        "could not unmount `{}`: {users} (it stays mounted; end what uses it, and `kdev pool cleanup` removes the volume)",
        point.display()
    )]
    StillMounted {
        /// Where it is mounted.
        point: PathBuf,
        /// Who uses it, for people to read.
        users: String,
    },

    /// The user may not do that.
    #[error(
        "{doing} needs root (run it as root, for example `sudo -E cargo nextest run`; for a pool, have root run `kdev setup-sudo --install` once; where files will do, KERNELDEV_DEVICE_POOL=images gives image files without any rights)"
    )]
    NotRoot {
        /// What was to be done.
        doing: &'static str,
    },

    /// sudo does not let this user have done what ordinary users may.
    #[error(
        "sudo did not run `{}`: {said} (as root: `kdev setup-sudo --install --user NAME`; or run this as root)", program.display()
    )]
    NoSudo {
        /// What it was to run.
        program: PathBuf,
        /// What it said.
        said: String,
    },

    /// A program that is needed is not installed, or not where it is looked for.
    #[error("cannot run `{program}`: it is not in {searched} (on Debian: `{}`)", installing(program, *package))]
    NotInstalled {
        /// The program.
        program: String,
        /// Where it was looked for, and what was found there but is not used, and why; for people to read.
        searched: String,
        /// The Debian package that has it, if we know that.
        package: Option<&'static str>,
    },

    /// A filesystem could not be made on a volume.
    #[error("could not make {fs_type} on volume `{volume}` of {size}")]
    Mkfs {
        /// The type, as in `mkfs.TYPE`.
        fs_type: String,
        /// The volume's name.
        volume: String,
        /// Its size.
        size: Bytes,
        /// The command, and what it said.
        #[source]
        source: Box<Error>,
    },

    /// The kernel gives no loop devices here.
    #[error(
        "cannot get a loop device (`modprobe loop`; in a container, run it privileged, with /dev/loop-control and /dev/loop* of the host; or set up a pool with `kdev pool setup --device=DEVICE` and name it in KERNELDEV_DEVICE_POOL; where files will do, that is `images`)"
    )]
    NoLoop {
        /// What the kernel said.
        #[source]
        source: io::Error,
    },

    /// There is no device-mapper in this kernel, or this process may not use it.
    #[error(
        "cannot use LVM: the kernel has no device-mapper that this process can use (`modprobe dm-mod`; in a container, load it on the host, and run the container privileged, with /dev of the host; to do without, unset KERNELDEV_DEVICE_POOL to use loop devices, or set it to `images` to use files)"
    )]
    NoDeviceMapper,

    /// udev does not run, and LVM's configuration leaves the nodes of LVs to it.
    #[error(
        "cannot use LVM: udev does not run, which makes the nodes of LVs (start systemd-udevd; in a container, set `activation {{ udev_rules = 0 udev_sync = 0 }}` in /etc/lvm/lvm.conf, so that LVM makes them)"
    )]
    NoUdev,

    /// There are no thin pools in this kernel.
    #[error(
        "this kernel has no thin pools (`modprobe dm-thin-pool`, which is in the package of the kernel's modules; or leave out `--thin`)"
    )]
    NoThinPools,

    /// A program failed.
    #[error("`{command}` {ended}{}", said(stderr))]
    Command {
        /// The command as one would type it.
        command: String,
        /// How it ended.
        ended: String,
        /// What it said on standard error.
        stderr: String,
    },

    /// A program answered something that we cannot read.
    #[error("the answer of `{command}` cannot be read")]
    Report {
        /// The command as one would type it.
        command: String,
        /// Where reading stopped.
        #[source]
        source: serde_json::Error,
    },

    /// The tests of a suite could not be listed.
    #[error("`{command}` {ended}, so it is not known what the tests need (what it said is above)")]
    Listing {
        /// The command as one would type it.
        command: String,
        /// How it ended.
        ended: String,
    },

    /// cargo-nextest, which lists the tests, is not installed.
    #[error(
        "cargo-nextest is not installed, and without it tests cannot be listed (`cargo install --locked cargo-nextest`)"
    )]
    NoNextest,

    /// There is nothing to plan.
    #[error(
        "none of the {listed} tests that were listed is annotated with `#[kdev_volumes]` (choose others with arguments for nextest, such as `-- --workspace`; ignored tests are listed with `-- --run-ignored=all`)"
    )]
    NothingAnnotated {
        /// How many tests would run.
        listed: usize,
    },

    /// A plan is for one pool: how many tests fit into several depends on which go where.
    #[error(
        "`{pools}` are several pools, and a plan is for one (name it with `--pool`; or run the tests without a plan, and each takes volumes from the pool that has room, or waits for it)"
    )]
    SeveralPools {
        /// The pools, as they were named.
        pools: String,
    },

    /// Nothing bounds how many tests fit at once.
    #[error(
        "loop devices and images are sparse files, which have no bound that could be written down (name a pool with `--pool` or KERNELDEV_DEVICE_POOL, or the room of one with `--room`)"
    )]
    NoBound,

    /// A file of ours that was written by a later version of this crate.
    #[error(
        "`{file}` has version {version}, which this version cannot write (upgrade kdev-volumes, or set KDEV_STATE_DIR to another directory)"
    )]
    NewerFile {
        /// The file.
        file: PathBuf,
        /// Its version.
        version: String,
    },

    /// The file of pools is damaged. It is not replaced, since nothing could rebuild it.
    #[error(
        "`{file}` cannot be read (mend or remove it; the pools' VGs are marked with the tag `kdev.pool`)"
    )]
    BadPools {
        /// The file.
        file: PathBuf,
        /// Where reading stopped.
        #[source]
        source: serde_json::Error,
    },

    /// A file or directory of the state that somebody else could have laid there.
    #[error("`{}` is not used: {why}", path.display())]
    Untrusted {
        /// The file or directory.
        path: PathBuf,
        /// What speaks against it, with its remedy.
        why: String,
    },

    /// systemd does not run here.
    #[error(
        "systemd does not run here, so that it cannot be asked to enable anything (install the units without `--enable`, or take `kdev pool timer --cron`)"
    )]
    NoSystemd,

    /// Nobody says where the state is kept.
    #[error("there is no home directory to keep state in (set KDEV_STATE_DIR)")]
    NoHome,

    /// The operating system refused something.
    #[error("could not {doing} `{}`", path.display())]
    Io {
        /// What was to be done.
        doing: &'static str,
        /// To which file or device.
        path: PathBuf,
        /// What the system said.
        #[source]
        source: io::Error,
    },
}
