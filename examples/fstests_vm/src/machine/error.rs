//! What keeps a machine from being started, and what helps.

use std::io;
use std::path::PathBuf;

use kdev_volumes::Bytes;

/// A result of this room.
pub(crate) type Result<T, E = Error> = std::result::Result<T, E>;

/// What could not be done, to what, and the remedy.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Error {
    /// What was named as a kernel is none that can be booted here.
    #[error("`{}` cannot be booted: {what} ({remedy})", path.display())]
    Kernel {
        path: PathBuf,
        what: String,
        remedy: String,
    },

    /// A directory in which a kernel image should be, by its kind, has none.
    #[error("`{}` is {kind}, but there is no kernel image in it: looked for {} ({remedy})", directory.display(), paths(looked))]
    NoImage {
        directory: PathBuf,
        kind: &'static str,
        looked: Vec<PathBuf>,
        remedy: String,
    },

    /// The directory of modules cannot be used for this kernel.
    #[error("modules in `{}` cannot be used: {what} ({remedy})", directory.display())]
    Modules {
        directory: PathBuf,
        what: String,
        remedy: String,
    },

    /// The kernel cannot do what the guest cannot do without.
    #[error("kernel {release} has no {} ({remedy})", needs.join(", no "))]
    Lacks {
        release: String,
        needs: Vec<String>,
        remedy: String,
    },

    /// The kernel needs modules, and nobody knows where they are.
    #[error("kernel {release} has {} as modules, but their directory is not known ({remedy})", needs.join(", "))]
    ModulesUnknown {
        release: String,
        needs: Vec<String>,
        remedy: String,
    },

    /// The host's directories cannot be shared with the guest.
    #[error("cannot share the host's files with the guest: {why} ({remedy})")]
    Share { why: String, remedy: String },

    /// A disk cannot be given to the machine in the way that was asked for.
    #[error("cannot give disk `{serial}` to the machine: {why} ({remedy})")]
    Disk {
        serial: String,
        why: String,
        remedy: String,
    },

    /// A value cannot stand in the arguments of the machine.
    #[error("cannot pass {what} to the machine: {why} ({remedy})")]
    Argument {
        what: String,
        why: String,
        remedy: String,
    },

    /// A directory is not a tree of fstests that can run.
    #[error("cannot run fstests from `{}`: {what} ({remedy})", directory.display())]
    Fstests {
        directory: PathBuf,
        what: String,
        remedy: String,
    },

    /// A volume is smaller than its filesystem can be.
    #[error(
        "volume `{volume}` of {size} is too small for {filesystem}, which needs {least} (give it a larger volume)"
    )]
    TooSmall {
        volume: String,
        size: Bytes,
        filesystem: String,
        least: Bytes,
    },

    /// A program of the host is missing.
    #[error("cannot find {program} ({remedy})")]
    Program { program: String, remedy: String },

    /// A program of the host is there, but will not do.
    #[error("`{}` will not do: {why} ({remedy})", program.display())]
    Unfit {
        program: PathBuf,
        why: String,
        remedy: String,
    },

    /// A program of the host could not be started.
    #[error("cannot run `{command}`")]
    Spawn {
        command: String,
        #[source]
        source: io::Error,
    },

    /// A program of the host failed.
    #[error("`{command}` failed ({status}){}", said(stderr))]
    Command {
        command: String,
        status: std::process::ExitStatus,
        stderr: String,
    },

    /// The accelerator that was asked for is not to be had.
    #[error("cannot use KVM: {why} ({remedy})")]
    Kvm { why: String, remedy: String },

    /// A file or directory could not be read.
    #[error("cannot read `{}`", path.display())]
    Read {
        path: PathBuf,
        #[source]
        source: io::Error,
    },

    /// The system refused something that has no path.
    #[error("cannot make {what}")]
    System {
        what: &'static str,
        #[source]
        source: io::Error,
    },
}

impl Error {
    /// Whether what the user gave is at fault, and not what this host has.
    ///
    /// The first is exit code 2, as for a wrong option; the second is 69, `EX_UNAVAILABLE` of
    /// sysexits.h. A bisection can tell from it that the kernel has not been tried.
    pub(crate) fn is_usage(&self) -> bool {
        match self {
            Self::Kernel { .. }
            | Self::NoImage { .. }
            | Self::Modules { .. }
            | Self::Lacks { .. }
            | Self::ModulesUnknown { .. }
            | Self::Disk { .. }
            | Self::Argument { .. }
            | Self::Fstests { .. }
            | Self::TooSmall { .. } => true,
            Self::Share { .. }
            | Self::Program { .. }
            | Self::Unfit { .. }
            | Self::Spawn { .. }
            | Self::Command { .. }
            | Self::Kvm { .. }
            | Self::Read { .. }
            | Self::System { .. } => false,
        }
    }

    /// Returns what says that a path could not be read, for `map_err`.
    pub(crate) fn read(path: impl Into<PathBuf>) -> impl FnOnce(io::Error) -> Self {
        let path = path.into();
        move |source| Self::Read { path, source }
    }

    /// Returns what says that the system refused to make something, for `map_err`.
    pub(crate) fn system<E: Into<io::Error>>(what: &'static str) -> impl FnOnce(E) -> Self {
        move |source| Self::System {
            what,
            source: source.into(),
        }
    }
}

/// Names some paths in one sentence.
fn paths(paths: &[PathBuf]) -> String {
    let quoted: Vec<String> = paths.iter().map(|path| format!("`{}`", path.display())).collect();
    quoted.join(", ")
}

/// What a program said, as the end of a sentence; nothing if it said nothing.
fn said(stderr: &str) -> String {
    match stderr.trim() {
        "" => String::new(),
        text => format!(": {text}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_kernel_that_cannot_be_booted_is_the_users_to_change() {
        let error = Error::Kernel {
            path: "/x".into(),
            what: "it does not exist".into(),
            remedy: "look again".into(),
        };
        assert!(error.is_usage());
        assert_eq!(
            error.to_string(),
            "`/x` cannot be booted: it does not exist (look again)"
        );
    }

    #[test]
    fn a_missing_program_is_the_hosts() {
        let error = Error::Program {
            program: "qemu-system-x86_64".into(),
            remedy: "apt-get install qemu-system-x86".into(),
        };
        assert!(!error.is_usage());
    }
}
