//! What runs in the guest: our scripts, and what they are told.

mod config;
mod shell;

pub(crate) use config::{GuestConfig, Purpose, Root};
pub(crate) use shell::{arguments, environment};

/// The first process, which makes the machine's root.
pub(crate) const INIT: &str = include_str!("init.sh");

/// What that becomes: it does what we ask for.
pub(crate) const JOB: &str = include_str!("job.sh");

/// What both of them have.
pub(crate) const DISK: &str = include_str!("disk.sh");

/// The applets of busybox that the first script needs. The second has the host's programs too.
pub(crate) const APPLETS: &[&str] = &[
    "sh",
    "mount",
    "umount",
    "insmod",
    "switch_root",
    "mkdir",
    "cat",
    "echo",
    "sleep",
    "poweroff",
    "cp",
    "chmod",
    "chown",
    "cut",
    "env",
    "grep",
    "tail",
    "stty",
    "ln",
    "ip",
    "sync",
    "mv",
    "setsid",
];
