//! The QEMU of this host: where it is, and what it can do.

use std::path::{Path, PathBuf};

use super::{Error, Result, host};

/// What it is called if the user does not say.
const NAME: &str = "qemu-system-x86_64";

/// The first version that can be told to use memory of a given kind (`-machine memory-backend=`).
const LEAST: (u32, u32) = (5, 0);

/// A QEMU.
#[derive(Clone, Debug)]
pub(crate) struct Emulator {
    pub(crate) program: PathBuf,
    /// Its version, as it says it.
    pub(crate) version: String,
    /// Whether it was built with KVM.
    pub(crate) kvm: bool,
    /// Whether it can share a directory by 9p.
    pub(crate) nine_p: bool,
    /// Whether a virtiofsd can share a directory through it.
    pub(crate) virtiofs: bool,
}

impl Emulator {
    /// Finds the QEMU that the user named, or the one in `PATH`, and asks what it can do.
    ///
    /// # Errors
    ///
    /// [`Error::Program`] if there is none; [`Error::Unfit`] if it is too old or no QEMU for x86.
    pub(crate) fn find(given: Option<&Path>) -> Result<Self> {
        let name = given.unwrap_or(Path::new(NAME));
        let program = host::which(name).ok_or_else(|| Error::Program {
            program: format!("`{}`", name.display()),
            remedy: match given {
                Some(_) => "give the path of a qemu-system-x86_64 to `--qemu`, or leave it out".into(),
                None => "apt-get install qemu-system-x86, or give its path to `--qemu`".into(),
            },
        })?;
        let unfit = |why: String| Error::Unfit {
            program: program.clone(),
            why,
            remedy: "apt-get install qemu-system-x86".into(),
        };
        let ask = |arguments: &[&str]| {
            let said = host::ask(&program, arguments)?;
            Ok::<_, Error>(String::from_utf8_lossy(&said).into_owned())
        };
        let said = ask(&["--version"])?;
        let (version, number) = version(&said).ok_or_else(|| unfit("it does not say its version".into()))?;
        if number < LEAST {
            let (major, minor) = LEAST;
            return Err(unfit(format!(
                "it is QEMU {version}, and {major}.{minor} is the least"
            )));
        }
        let devices = ask(&["-device", "help"])?;
        if !has_device(&devices, "virtio-blk-pci") {
            return Err(unfit("it has no virtio-blk-pci".into()));
        }
        let accelerators = ask(&["-accel", "help"])?;
        Ok(Self {
            kvm: accelerators.lines().any(|line| line.trim() == "kvm"),
            nine_p: has_device(&devices, "virtio-9p-pci"),
            virtiofs: has_device(&devices, "vhost-user-fs-pci"),
            version,
            program,
        })
    }
}

/// The version in what QEMU says: `QEMU emulator version 7.2.22 (Debian 1:7.2+dfsg-7+deb12u18+b3)`.
fn version(said: &str) -> Option<(String, (u32, u32))> {
    let rest = said.lines().next()?.strip_prefix("QEMU emulator version ")?;
    let version = rest.split_whitespace().next()?;
    let mut numbers = version.split('.').map(str::parse);
    let number = (numbers.next()?.ok()?, numbers.next()?.ok()?);
    Some((version.to_owned(), number))
}

/// Whether a device is in the list of `-device help`: `name "virtio-9p-pci", bus PCI, alias "virtio-9p"`.
fn has_device(list: &str, name: &str) -> bool {
    let wanted = format!("name \"{name}\"");
    list.lines()
        .any(|line| line.split(',').next() == Some(wanted.as_str()))
}

#[cfg(test)]
mod tests {
    use rstest::rstest;

    use super::*;

    #[rstest]
    #[case(
        "QEMU emulator version 7.2.22 (Debian 1:7.2+dfsg-7+deb12u18+b3)\nCopyright (c) 2003-2022\n",
        Some(("7.2.22", (7, 2)))
    )]
    #[case("QEMU emulator version 10.0.0\n", Some(("10.0.0", (10, 0))))]
    #[case("QEMU emulator version \n", None)]
    #[case("QEMU emulator version x.y\n", None)]
    #[case("dash 0.5\n", None)]
    #[case("", None)]
    fn a_version_is_read_from_what_qemu_says(
        #[case] said: &str,
        #[case] expected: Option<(&str, (u32, u32))>,
    ) {
        let expected = expected.map(|(version, number)| (version.to_owned(), number));
        assert_eq!(version(said), expected);
    }

    #[test]
    fn a_device_is_found_by_its_whole_name() {
        let list = "Storage devices:\nname \"virtio-9p-pci\", bus PCI, alias \"virtio-9p\"\nname \"virtio-9p-pci-transitional\", bus PCI\n";
        assert!(has_device(list, "virtio-9p-pci"));
        assert!(!has_device(list, "virtio-9p"));
        assert!(!has_device(list, "virtio-9p-pci\", bus PCI"));
    }

    #[test]
    fn a_program_that_is_not_there_or_no_qemu_is_refused() {
        let error = Emulator::find(Some(Path::new("/nowhere/qemu"))).unwrap_err();
        assert!(error.to_string().contains("`--qemu`"), "{error}");
        let error = Emulator::find(Some(Path::new("/bin/echo"))).unwrap_err();
        assert!(error.to_string().contains("does not say its version"), "{error}");
    }
}
