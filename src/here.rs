//! Where this process runs: which kernel, which boot of it, which pid namespace.

use std::fs;
use std::os::unix::fs::MetadataExt;

use once_cell::sync::OnceCell;

use crate::error::{Error, Result};

/// The surroundings in which a pid means something.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Here {
    /// This boot of the kernel, as random(4) writes it.
    pub(crate) boot_id: String,
    /// The inode number of our pid namespace (pid_namespaces(7)).
    pub(crate) pid_ns: u64,
    /// This machine, as eight hexadecimal digits; stays the same over boots.
    pub(crate) host: String,
}

impl Here {
    /// Asks the kernel, once.
    pub(crate) fn get() -> Result<&'static Self> {
        static HERE: OnceCell<Here> = OnceCell::new();
        HERE.get_or_try_init(|| {
            let boot_file = "/proc/sys/kernel/random/boot_id";
            let boot_id = fs::read_to_string(boot_file).map_err(|err| Error::io("read", boot_file, err))?;
            let ns_file = "/proc/self/ns/pid";
            let pid_ns = fs::metadata(ns_file)
                .map_err(|err| Error::io("look at", ns_file, err))?
                .ino();
            Ok(Self {
                boot_id: boot_id.trim().to_owned(),
                pid_ns,
                host: host(),
            })
        })
    }
}

/// A digest of machine-id(5) and the host's name.
///
/// The id alone would not do: guests that boot from their host's root file system, and cloned
/// machines, have the same one. It is not written out as it is, since it is meant to stay private.
fn host() -> String {
    let machine_id = fs::read_to_string("/etc/machine-id").unwrap_or_default();
    let name = nix::unistd::gethostname().unwrap_or_default();
    format!(
        "{:08x}",
        fnv1a(machine_id.trim().bytes().chain(name.to_string_lossy().bytes()))
    )
}

/// The FNV-1a hash. It goes into tags and files that other versions of this crate read, and std's
/// hasher promises no stable result.
fn fnv1a(bytes: impl Iterator<Item = u8>) -> u32 {
    bytes.fold(0x811c_9dc5, |hash, byte| {
        (hash ^ u32::from(byte)).wrapping_mul(0x0100_0193)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_digest_stays_the_same_for_ever() {
        assert_eq!(fnv1a(b"".iter().copied()), 0x811c_9dc5);
        assert_eq!(fnv1a(b"foobar".iter().copied()), 0xbf9c_f968);
    }
}
