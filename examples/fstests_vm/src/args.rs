use std::ffi::OsString;
use std::path::PathBuf;
use std::time::Duration;

use clap::{ArgGroup, Parser, ValueEnum};
use kdev_volumes::Bytes;

use crate::arg_values::{factor, memory, time, variable};
use crate::results::split::Share;

/// What the program says of itself; one text, so that `-h` and `--help` are the same.
const ABOUT: &str = "\
Runs fstests in a virtual machine, on volumes of its own.

Takes volumes from a pool, boots a kernel with them as disks and this host's own files as its read-only root, runs \
fstests' `check` there, tells what happens, and gives the volumes back. Everything after `--` is for `check`: \
`-g quick`, `generic/001`, `-x dangerous`, ...";

/// The arguments of the program.
#[derive(Debug, Parser)]
#[command(
    name = "fstests_vm",
    version,
    about = ABOUT,
    long_about = None,
    group = ArgGroup::new("what").required(true).args(["kernel", "merge"]),
    override_usage = "fstests_vm --kernel KERNEL --fstests DIR [OPTIONS] [-- CHECK-ARGUMENTS]\n       \
                      fstests_vm --merge DIR... [--results DIR] [--baseline DIR] [--json]",
    after_help = "A SIZE is a whole number with a unit of base 2, such as 512M or 10G. A TIME is such as 90s, 15m or \
                  1h30m.\n\nExit codes: 0 all passed; 1 failures; 2 usage; 3 kernel trouble (a panic, a hang, a \
                  warning, ...); 69 this host cannot; 130 interrupted."
)]
pub(crate) struct Args {
    #[command(flatten)]
    pub(crate) machine: MachineArgs,

    #[command(flatten)]
    pub(crate) volumes: VolumeArgs,

    #[command(flatten)]
    pub(crate) fstests: FstestsArgs,

    #[command(flatten)]
    pub(crate) limits: LimitArgs,

    #[command(flatten)]
    pub(crate) course: CourseArgs,

    #[command(flatten)]
    pub(crate) results: ResultArgs,

    /// For fstests' `check`, which has a --help of its own
    #[arg(last = true, value_name = "CHECK-ARGUMENTS", help_heading = "Arguments")]
    pub(crate) check: Vec<String>,
}

#[derive(Debug, clap::Args)]
#[command(next_help_heading = "Kernel and machine")]
pub(crate) struct MachineArgs {
    /// A bzImage, /lib/modules/VERSION, a Linux build directory, or a User-Mode Linux kernel: a path, or a name in
    /// PATH such as `linux`
    #[arg(long, value_name = "KERNEL", requires = "fstests")]
    pub(crate) kernel: Option<PathBuf>,

    /// The kernel's modules, if they are not where they usually are
    #[arg(long, value_name = "DIR")]
    pub(crate) modules: Option<PathBuf>,

    /// A filesystem image to boot from, instead of this host's own files
    #[arg(long, value_name = "IMAGE")]
    pub(crate) rootfs: Option<PathBuf>,

    /// How QEMU runs the guest's instructions; auto: KVM if a guest comes up with it, else TCG
    #[arg(long, value_enum, default_value_t)]
    pub(crate) accel: AccelArg,

    /// How the guest gets at this host's files; auto: what its kernel has
    #[arg(long, value_enum, default_value_t)]
    pub(crate) share: ShareArg,

    /// Memory of each machine, at least 64M
    #[arg(long, value_name = "SIZE", default_value = "2G", value_parser = memory)]
    pub(crate) memory: Bytes,

    /// Processors of each machine [default: 2 with KVM, else 1]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..=255))]
    pub(crate) cpus: Option<u32>,

    /// QEMU's machine type, one with PCI [default: pc]
    #[arg(long, value_name = "TYPE")]
    pub(crate) machine: Option<String>,

    /// QEMU itself [default: qemu-system-x86_64]
    #[arg(long, value_name = "PROGRAM")]
    pub(crate) qemu: Option<PathBuf>,

    /// One more argument for QEMU, or for a User-Mode Linux kernel (may be repeated)
    #[arg(long, value_name = "ARGUMENT", allow_hyphen_values = true)]
    pub(crate) machine_arg: Vec<OsString>,

    /// More for the kernel's command line
    #[arg(long, value_name = "WORDS", allow_hyphen_values = true)]
    pub(crate) append: Option<String>,
}

#[derive(Debug, clap::Args)]
#[command(next_help_heading = "Volumes")]
pub(crate) struct VolumeArgs {
    /// The pool to take volumes from; `embedded`: loop devices, `images`: files, which need no rights
    /// [default: KERNELDEV_DEVICE_POOL; if unset, embedded for root and images for others]
    #[arg(long, value_name = "NAME")]
    pub(crate) pool: Option<String>,

    /// The size of each disk
    #[arg(long, value_name = "SIZE", default_value = "10G")]
    pub(crate) size: Bytes,

    /// Two disks, test and scratch, instead of fstests' seven
    #[arg(long)]
    pub(crate) scratch: bool,

    /// One volume for each machine, of which its disks are slices, in whole MiB, instead of a volume for each disk;
    /// not for User-Mode Linux
    #[arg(long)]
    pub(crate) sliced: bool,

    /// Keep the volumes after the run: whatever came of it, or if not all tests have passed [default
    /// WHEN: always]
    #[arg(long, value_enum, value_name = "WHEN", num_args = 0..=1, require_equals = true, default_missing_value = "always")]
    pub(crate) keep_volumes: Option<KeepArg>,
}

#[derive(Debug, clap::Args)]
#[command(next_help_heading = "fstests")]
pub(crate) struct FstestsArgs {
    /// The directory of a built fstests
    #[arg(long, value_name = "DIR")]
    pub(crate) fstests: Option<PathBuf>,

    /// The filesystem under test, for which this host must have a mkfs
    #[arg(long, value_name = "NAME", default_value = "ext4")]
    pub(crate) fs: String,

    /// A variable for `check`, such as MKFS_OPTIONS='-b 1024' (may be repeated)
    #[arg(long, value_name = "NAME=VALUE", value_parser = variable)]
    pub(crate) env: Vec<(String, OsString)>,

    /// A file of tests that are not to be run, one a line, as for check's -E (may be repeated)
    #[arg(long, value_name = "FILE")]
    pub(crate) exclude: Vec<PathBuf>,
}

#[derive(Debug, clap::Args)]
#[command(next_help_heading = "Limits, as they are for KVM: multiplied by the time scale")]
pub(crate) struct LimitArgs {
    /// How long a machine may take until it is ready
    #[arg(long, value_name = "TIME", default_value = "1m", value_parser = time)]
    pub(crate) boot_limit: Duration,

    /// How long a test may take
    #[arg(long, value_name = "TIME", default_value = "15m", value_parser = time)]
    pub(crate) test_limit: Duration,

    /// How long the whole run may take [default: no limit]
    #[arg(long, value_name = "TIME", value_parser = time)]
    pub(crate) limit: Option<Duration>,

    /// By how much limits are multiplied [default: 1 for KVM, 4 for User-Mode Linux, 6 for TCG]
    #[arg(long, value_name = "FACTOR", value_parser = factor, allow_negative_numbers = true)]
    pub(crate) time_scale: Option<f64>,
}

#[derive(Debug, clap::Args)]
#[command(next_help_heading = "Course")]
pub(crate) struct CourseArgs {
    /// Only boot a machine, and list the tests that would run in it
    #[arg(long, conflicts_with_all = ["go_on", "repeat", "retry_failed", "shards", "baseline", "keep_volumes"])]
    pub(crate) list: bool,

    /// After a crash or a hang, go on behind it in a new machine
    #[arg(long = "continue")]
    pub(crate) go_on: bool,

    /// Run all tests so many times
    #[arg(long, value_name = "N", default_value_t = 1, value_parser = clap::value_parser!(u32).range(1..=1000))]
    pub(crate) repeat: u32,

    /// Run those that fail again, at most so many times, until they pass
    #[arg(long, value_name = "N", default_value_t = 0, value_parser = clap::value_parser!(u32).range(0..=1000))]
    pub(crate) retry_failed: u32,

    /// Split the tests over so many machines at once
    #[arg(long, value_name = "N", default_value_t = 1, value_parser = clap::value_parser!(u32).range(1..=64))]
    pub(crate) shards: u32,

    /// Run only the I-th of N parts, so that several hosts can run one each
    #[arg(long, value_name = "I/N")]
    pub(crate) shard: Option<Share>,
}

#[derive(Debug, clap::Args)]
#[command(next_help_heading = "Results")]
pub(crate) struct ResultArgs {
    /// Where each run gets a directory of its own
    #[arg(long, value_name = "DIR", default_value = "fstests-results")]
    pub(crate) results: PathBuf,

    /// Say what is new and what is fixed since the run in this directory
    #[arg(long, value_name = "DIR")]
    pub(crate) baseline: Option<PathBuf>,

    /// Do not run anything: put the parts together that hosts have run with --shard
    #[arg(long, value_name = "DIR", num_args = 1.., conflicts_with_all = NOT_FOR_MERGE)]
    pub(crate) merge: Vec<PathBuf>,

    /// Tell what happens as JSON, one object a line
    #[arg(long)]
    pub(crate) json: bool,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub(crate) enum AccelArg {
    #[default]
    Auto,
    Kvm,
    Tcg,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub(crate) enum ShareArg {
    #[default]
    Auto,
    Virtiofs,
    #[value(name = "9p")]
    NineP,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum KeepArg {
    Always,
    Failed,
}

/// All that says something of a run.
const NOT_FOR_MERGE: [&str; 31] = [
    "kernel",
    "modules",
    "rootfs",
    "accel",
    "share",
    "memory",
    "cpus",
    "machine",
    "qemu",
    "machine_arg",
    "append",
    "pool",
    "size",
    "scratch",
    "sliced",
    "keep_volumes",
    "fstests",
    "fs",
    "env",
    "exclude",
    "list",
    "go_on",
    "repeat",
    "retry_failed",
    "shards",
    "shard",
    "check",
    "boot_limit",
    "test_limit",
    "limit",
    "time_scale",
];

#[cfg(test)]
#[path = "args_tests.rs"]
mod tests;
