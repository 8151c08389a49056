//! The kernels that are booted.

use std::path::PathBuf;
use std::process::{Command, Stdio};

use super::scene::manifest_dir;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kernel {
    /// A program.
    Uml,
    /// Debian's for clouds, in QEMU without KVM: it has virtiofs.
    Cloud,
    /// Debian's usual one: it has 9p.
    Full,
}

impl Kernel {
    /// Returns what `--kernel` takes. One that is not on this machine yet is downloaded.
    pub(crate) fn path(self) -> PathBuf {
        let flavour: &[&str] = match self {
            Self::Uml => return "/usr/bin/linux.uml".into(),
            Self::Cloud => &[],
            Self::Full => &["full"],
        };
        let manifest_dir = manifest_dir();
        let provide = Command::new(manifest_dir.join("tests/kernel"))
            .arg(manifest_dir.join("../../target/kernels"))
            .args(flavour)
            .stderr(Stdio::inherit())
            .output()
            .unwrap();
        assert!(
            provide.status.success(),
            "there is no kernel to test with, see above"
        );
        String::from_utf8(provide.stdout).unwrap().trim_end().into()
    }
}
