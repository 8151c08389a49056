//! The register state of this processor, which a User-Mode Linux kernel must have room for.
//!
//! Up to Linux 6.12 it has room for 2696 bytes, and the host's kernel takes nothing less than the whole state: with
//! AMX about 11 KiB. A preloaded library makes up for it, see `xstate.c`.

use std::ffi::OsString;
use std::os::fd::OwnedFd;
use std::path::Path;

use crate::machine::fds;
use crate::machine::image::Linkage;
use crate::machine::{Error, Result};

/// Empty where User-Mode Linux is not for.
const LIBRARY: &[u8] = include_bytes!(concat!(env!("OUT_DIR"), "/xstate.so"));

/// The room that kernels have (`HOST_FP_SIZE` in arch/x86/um/user-offsets.c), in bytes.
const ROOM: usize = 2696;

/// The first release that asks the host how much room it needs.
const ASKS: (u32, u32) = (6, 13);

/// Returns the library, as a file that a machine inherits; `None` where there is none.
///
/// # Errors
///
/// [`Error::System`].
pub(crate) fn library() -> Result<Option<OwnedFd>> {
    (!LIBRARY.is_empty()).then(|| fds::sealed(LIBRARY)).transpose()
}

/// The setting by which a machine that inherits the library has it loaded, beside what the caller preloads.
pub(crate) fn preload(library: &OwnedFd) -> (OsString, OsString) {
    let mut paths = OsString::from(fds::path_in_child(library));
    if let Some(others) = std::env::var_os("LD_PRELOAD").filter(|others| !others.is_empty()) {
        paths.push(":");
        paths.push(others);
    }
    ("LD_PRELOAD".into(), paths)
}

/// Refuses a User-Mode Linux kernel that cannot run on this processor.
///
/// # Errors
///
/// [`Error::Kernel`].
pub(crate) fn check(kernel: &Path, linkage: Linkage, release: &str) -> Result<()> {
    let state = state_size();
    if has_room(linkage, release, state) {
        return Ok(());
    }
    Err(Error::Kernel {
        path: kernel.to_owned(),
        what: format!(
            "it has room for {ROOM} bytes of register state, and this processor has {state}; and it is linked \
             statically, so that nothing can be preloaded that makes up for it"
        ),
        remedy: "build it without CONFIG_STATIC_LINK, or Linux 6.13 or later, or give a kernel for QEMU"
            .into(),
    })
}

/// Whether a kernel has room for that much register state, or can be helped.
fn has_room(linkage: Linkage, release: &str, state: usize) -> bool {
    let mut numbers = release.split(|c: char| !c.is_ascii_digit()).map(str::parse);
    let version = match (numbers.next(), numbers.next()) {
        (Some(Ok(major)), Some(Ok(minor))) => (major, minor),
        _ => (0, 0),
    };
    state <= ROOM || linkage == Linkage::Dynamic || version >= ASKS
}

/// The size of this processor's register state in bytes, as far as the host's kernel uses it.
fn state_size() -> usize {
    #[cfg(target_arch = "x86_64")]
    {
        use std::arch::x86_64::{__cpuid_count, CpuidResult};
        const XSAVE_LEAF: u32 = 13;
        // Rust before 1.93 has it as an unsafe function.
        let cpuid: unsafe fn(u32, u32) -> CpuidResult = __cpuid_count;
        // SAFETY: every 64-bit x86 has the instruction, and leaf 13 is asked for only where it is there.
        let size = unsafe {
            match cpuid(0, 0).eax {
                XSAVE_LEAF.. => cpuid(XSAVE_LEAF, 0).ebx,
                _ => 0,
            }
        };
        size as usize
    }
    #[cfg(not(target_arch = "x86_64"))]
    0
}

#[cfg(test)]
mod tests;
