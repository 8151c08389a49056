use clap::{Parser, Subcommand};

use crate::completions::CompletionsArgs;
use crate::man::ManArgs;
use crate::metrics::MetricsArgs;
use crate::plan::PlanArgs;
use crate::pool::PoolCommand;
use crate::setup_sudo::SetupSudoArgs;
use crate::volume::VolumeCommand;

/// Real block devices for kernel and filesystem tests.
///
/// A pool is a disk that many tests share: one PV, one VG, from which each test takes logical volumes
/// of its own and gives them back.
#[derive(Debug, Parser)]
#[command(name = "kdev", version, propagate_version = true)]
#[command(after_help = "\
Environment:
  KERNELDEV_DEVICE_POOL  the pool from which tests take volumes; `fast,sata`: the one of these
                         with the most room; `auto`: of all; `images`: image files, which need
                         no rights; unset, or `embedded`: loop devices
  KDEV_WAIT              how long a test waits for room: 10m (default), 0 (not at all), forever
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
    /// Resize and remove volumes, and make snapshots of them
    Volume {
        #[command(subcommand)]
        command: VolumeCommand,
    },
    /// Show which tests need how much, and how many fit at once
    ///
    /// `cargo nextest list` lists the tests, having built them if need be, and their programs tell what
    /// they need. No test is run, and no volume is made.
    ///
    /// The room of a pool is what is free, and what is held by tests that run now or that are dead. Kept
    /// volumes, stuck ones, and LVs that are not ours stay.
    Plan(PlanArgs),
    Metrics(MetricsArgs),
    SetupSudo(SetupSudoArgs),
    /// Print what a shell completes
    ///
    /// For bash, for example, `kdev completions bash >/etc/bash_completion.d/kdev`.
    Completions(CompletionsArgs),
    /// Write the manual pages
    Man(ManArgs),
}
