use std::path::PathBuf;
use std::time::Duration;

use clap::{Parser, Subcommand};

use crate::plan::PlanArgs;

/// Real block devices for kernel and filesystem tests.
///
/// A pool is a disk that many tests share: one PV, one VG, from which each test takes logical volumes
/// of its own and gives them back.
#[derive(Debug, Parser)]
#[command(name = "kdev", version, propagate_version = true)]
#[command(after_help = "\
Environment:
  KERNELDEV_DEVICE_POOL  the pool from which tests take volumes; `images`: image files, which
                         need no rights; unset, or `embedded`: loop devices
  KDEV_KEEP              what tests do with their volumes: never (default), always, failed
  KDEV_KEEP_MAX          of how many tests each pool keeps volumes so at most; unset: of all
  KDEV_STATE_DIR         where pools and records are kept; unset: ~/.kerneldev-mcp

Exit status: 0 done, 1 failed, 2 usage, 69 this host lacks what is needed.")]
pub(crate) struct Args {
    #[command(subcommand)]
    pub(crate) command: Command,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Set up, show, clean and take down device pools
    Pool {
        #[command(subcommand)]
        command: PoolCommand,
    },
    /// Show which tests need how much, and how many fit at once
    ///
    /// `cargo nextest list` lists the tests, having built them if need be, and their programs tell what
    /// they need. No test is run, and no volume is made.
    ///
    /// The room of a pool is what is free, and what is held by tests that run now or that are dead. Kept
    /// volumes, stuck ones, and LVs that are not ours stay.
    Plan(PlanArgs),
}

const STATUS_KEYS: &str = "\
With --json: one document, {\"pools\": [POOL...]}. Every key is always there, and null if nobody
knows. Later versions may add keys and verdicts.

  POOL
    name          the pool's name; `embedded` for loop devices, `images` for image files
    vg_name       its VG; null for loop devices and images
    size_bytes    the VG's room in all
    free_bytes    of that, what a new volume may take
    trouble       why the VG cannot be looked at
    foreign       names of LVs in the VG, or of images, that are not ours
    volumes       [VOLUME...]

  VOLUME
    lv_name       its name, by which `kdev pool cleanup --kept` takes it
    path          the device, or the image file
    size_bytes    null until it is made
    pool          the pool that it was taken from
    pid           the process that it was made for
    uid           the user whom that ran as
    host          the machine, as eight hexadecimal digits
    session       what the names of a test's volumes have in common
    test          the test
    attempt       which attempt at it, from 1 on, where nextest said so
    run_id        which run of nextest
    allocated_at  the time, in UTC: 2025-11-15T10:30:45
    age_seconds   how long ago that was
    verdict       alive, dead, kept, unknown, removing, stuck or gone
    why           why its owner is unknown, or who holds a stuck volume
    kept          why it was kept: always, failed or asked";

#[derive(Debug, Subcommand)]
pub(crate) enum PoolCommand {
    /// Make a pool of a blank disk or partition
    ///
    /// Writes a PV and a VG to the device. A device that is in use, or on which anything is found, is
    /// refused and not written to; the message lists all that was found and what to do.
    Setup {
        /// The disk or partition; all of it becomes the pool's
        #[arg(long)]
        device: PathBuf,
        /// The pool's name; `embedded` and `images` are no names for one
        #[arg(long, default_value = "default")]
        pool: String,
        /// The VG's name [default: kerneldev-POOL-vg]
        #[arg(long)]
        vg_name: Option<String>,
        /// What the names of its volumes begin with [default: kdev]
        #[arg(long)]
        lv_prefix: Option<String>,
    },
    /// List the pools that are set up
    List,
    /// Show each pool's room and volumes, and what is known of their owners
    ///
    /// Verdicts: alive; dead (the next cleanup removes it); kept; unknown (nothing proves its owner
    /// dead, so it is left alone); removing (somebody is at it); stuck (dead, but something holds it);
    /// gone (only a record is left).
    #[command(after_long_help = STATUS_KEYS)]
    Status {
        /// Only this pool; `embedded` for loop devices, `images` for image files
        #[arg(long)]
        pool: Option<String>,
        /// One JSON document, for programs; `--help` tells its keys
        #[arg(long)]
        json: bool,
    },
    /// Remove what dead processes left behind
    ///
    /// What they left mounted, swapped to or stacked on their volumes, and on nothing else, is taken away
    /// first, unless a process uses it. Lost records are written anew, and a setup or teardown that was
    /// interrupted is finished. Volumes of live owners, of unknown ones, and LVs that are not ours stay
    /// in any case.
    Cleanup {
        /// Only this pool; `embedded` for loop devices, `images` for image files
        #[arg(long)]
        pool: Option<String>,
        /// Remove kept volumes too
        #[arg(long)]
        kept: bool,
        /// With --kept: of the kept volumes only those at least that old, such as 12h or 2d
        #[arg(long, value_name = "AGE", requires = "kept", conflicts_with = "names", value_parser = humantime::parse_duration)]
        older_than: Option<Duration>,
        /// With --kept: only these kept volumes, by name, and nothing else
        #[arg(value_name = "VOLUME", requires = "kept")]
        names: Vec<String>,
    },
    /// Take a pool down and leave its device blank
    ///
    /// Refuses while anything but dead processes' volumes is in it, and names it.
    Teardown {
        /// The pool's name
        #[arg(long)]
        pool: String,
    },
}
