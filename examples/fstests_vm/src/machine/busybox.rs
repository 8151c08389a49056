//! The one program in the initramfs: a static busybox of the host.

use std::collections::HashSet;
use std::fs;
use std::path::{Path, PathBuf};

use super::{Error, Result, host};

/// Names under which distributions install a busybox that may be static.
const NAMES: [&str; 4] = ["/bin/busybox", "busybox", "busybox.static", "busybox-static"];

/// What installs one.
const REMEDY: &str = "apt-get install busybox-static";

/// A busybox that runs where there is no library.
#[derive(Debug)]
pub(crate) struct Busybox {
    /// The program itself.
    pub(crate) bytes: Vec<u8>,
}

impl Busybox {
    /// Finds a static busybox that has all of these applets.
    ///
    /// # Errors
    ///
    /// [`Error::Program`] if there is none, [`Error::Unfit`] if the one there is will not do.
    pub(crate) fn find(applets: &[&str]) -> Result<Self> {
        Self::among(NAMES.iter().filter_map(host::which), applets)
    }

    /// The first of some programs that will do; else why the last one will not.
    fn among(candidates: impl Iterator<Item = PathBuf>, applets: &[&str]) -> Result<Self> {
        let mut refusal = Error::Program {
            program: "a static busybox (`/bin/busybox`, or in PATH)".into(),
            remedy: REMEDY.into(),
        };
        for path in candidates {
            match Self::open(&path, applets) {
                Ok(busybox) => return Ok(busybox),
                Err(err) => refusal = err,
            }
        }
        Err(refusal)
    }

    /// Takes one program, if it will do.
    fn open(path: &Path, applets: &[&str]) -> Result<Self> {
        let bytes = fs::read(path).map_err(Error::read(path))?;
        let unfit = |why: String| Error::Unfit {
            program: path.to_owned(),
            why,
            remedy: REMEDY.into(),
        };
        match is_static(&bytes) {
            Some(true) => {}
            Some(false) => return Err(unfit("it is linked dynamically".into())),
            None => return Err(unfit("it is not an executable".into())),
        }
        let list = host::ask(path, &["--list"])?;
        let missing = missing(&String::from_utf8_lossy(&list), applets);
        if !missing.is_empty() {
            return Err(unfit(format!("it was built without {}", missing.join(", "))));
        }
        Ok(Self { bytes })
    }
}

/// The applets that a list does not have.
fn missing<'a>(list: &str, wanted: &[&'a str]) -> Vec<&'a str> {
    let has: HashSet<&str> = list.lines().map(str::trim).collect();
    wanted
        .iter()
        .copied()
        .filter(|applet| !has.contains(applet))
        .collect()
}

/// Whether an ELF executable asks for no interpreter; `None` if it is no whole ELF executable.
///
/// The layout is that of elf(5), little-endian: this program boots nothing else.
fn is_static(bytes: &[u8]) -> Option<bool> {
    /// Type of the program header that names the dynamic linker.
    const PT_INTERP: u64 = 3;
    let field = |at: usize, size: usize| -> Option<u64> {
        let field = bytes.get(at..at.checked_add(size)?)?;
        Some(
            field
                .iter()
                .rev()
                .fold(0, |sum, &byte| sum << 8 | u64::from(byte)),
        )
    };
    if !bytes.starts_with(b"\x7fELF") || *bytes.get(5)? != 1 {
        return None;
    }
    let (table, size, count) = match bytes.get(4)? {
        1 => (field(0x1c, 4)?, field(0x2a, 2)?, field(0x2c, 2)?),
        2 => (field(0x20, 8)?, field(0x36, 2)?, field(0x38, 2)?),
        _ => return None,
    };
    for index in 0..count {
        let at = table.checked_add(index.checked_mul(size)?)?;
        if field(usize::try_from(at).ok()?, 4)? == PT_INTERP {
            return Some(false);
        }
    }
    Some(count > 0)
}

#[cfg(test)]
mod tests {
    use rstest::rstest;

    use super::*;

    /// An ELF header of 64 bits and program headers of these types.
    fn elf(types: &[u32]) -> Vec<u8> {
        let mut bytes = vec![0; 0x40];
        bytes[..6].copy_from_slice(b"\x7fELF\x02\x01");
        bytes[0x20] = 0x40;
        bytes[0x36] = 0x38;
        bytes[0x38] = u8::try_from(types.len()).unwrap();
        for kind in types {
            bytes.extend(kind.to_le_bytes());
            bytes.extend([0; 0x34]);
        }
        bytes
    }

    #[rstest]
    #[case::static_one(elf(&[1, 1, 4]), Some(true))]
    #[case::dynamic(elf(&[6, 3, 1]), Some(false))]
    #[case::an_object_file(elf(&[]), Some(false))]
    #[case::a_script(b"#!/bin/sh\n".to_vec(), None)]
    #[case::nothing(Vec::new(), None)]
    fn a_static_program_is_one_that_names_no_interpreter(
        #[case] bytes: Vec<u8>,
        #[case] expected: Option<bool>,
    ) {
        assert_eq!(is_static(&bytes), expected);
    }

    #[test]
    fn a_program_cut_off_anywhere_is_not_taken_for_a_static_one() {
        let whole = elf(&[1, 3]);
        for end in 0..whole.len() - 0x34 {
            assert_eq!(is_static(&whole[..end]), None, "at {end}");
        }
    }

    #[test]
    fn a_table_of_headers_beyond_all_numbers_is_no_table() {
        let mut bytes = elf(&[1]);
        bytes[0x20..0x28].fill(0xff);
        assert_eq!(is_static(&bytes), None);
    }

    #[test]
    fn applets_are_whole_lines_of_the_list() {
        assert_eq!(
            missing("sh\nmount\nswitch_root\n", &["mount", "root", "insmod"]),
            ["root", "insmod"]
        );
    }

    #[test]
    fn the_last_refusal_is_told_when_none_will_do() {
        let text = Busybox::among(std::iter::empty(), &[]).unwrap_err().to_string();
        assert!(text.ends_with("(apt-get install busybox-static)"), "{text}");
        let text = Busybox::among(["/bin/sh".into()].into_iter(), &[])
            .unwrap_err()
            .to_string();
        assert!(
            text.contains("`/bin/sh` will not do: it is linked dynamically"),
            "{text}"
        );
    }

    #[test]
    fn this_hosts_busybox_has_a_shell() {
        assert!(
            Busybox::find(&["sh", "insmod", "switch_root"])
                .unwrap()
                .bytes
                .len()
                > 100_000
        );
        let text = Busybox::find(&["no-such-applet"]).unwrap_err().to_string();
        assert!(text.contains("built without no-such-applet"), "{text}");
    }
}
