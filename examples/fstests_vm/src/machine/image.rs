//! What a file is, as a kernel: told from its first bytes and the names in it, never from its own name.

use std::fs;
use std::path::Path;

use super::{Error, Result, host};

/// What a file that was given as a kernel turns out to be.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Image {
    /// A compressed kernel for x86, with its release.
    Bzimage(String),
    /// A User-Mode Linux executable.
    Uml(Linkage),
    /// A kernel as the linker left it.
    Vmlinux,
    /// Another executable.
    Executable,
    /// A compressed kernel of another age or shape: it has the magic, but names no release.
    Nameless,
    /// Nothing that looks like a kernel.
    Other,
}

/// How an executable comes to the functions of the C library.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Linkage {
    /// By the dynamic linker, which a library can be preloaded by.
    Dynamic,
    /// They are in it.
    Static,
}

/// Looks at a file.
///
/// # Errors
///
/// [`Error::Read`].
pub(crate) fn look(path: &Path) -> Result<Image> {
    let bytes = fs::read(path).map_err(Error::read(path))?;
    Ok(classify(&bytes))
}

/// Asks a User-Mode Linux executable for its release.
///
/// # Errors
///
/// What [`host::ask`] says, or [`Error::Kernel`] if the answer is not a release.
pub(crate) fn uml_release(path: &Path) -> Result<String> {
    let answer = host::ask(path, &["--version"])?;
    let answer = String::from_utf8_lossy(&answer);
    first_word(&answer).ok_or_else(|| Error::Kernel {
        path: path.to_owned(),
        what: "it does not say its release when run with `--version`".into(),
        remedy: "give a User-Mode Linux executable that runs on this host".into(),
    })
}

/// Asks a User-Mode Linux executable for the configuration in it; empty if it does not say.
pub(crate) fn uml_config(path: &Path) -> Result<String> {
    let answer = host::ask(path, &["--showconfig"])?;
    Ok(String::from_utf8_lossy(&answer).into_owned())
}

/// Tells what the bytes of a file are.
fn classify(bytes: &[u8]) -> Image {
    if bytes.starts_with(b"\x7fELF") {
        // The setup functions of arch/um/kernel, in a section that survives `strip`.
        return if contains(bytes, b".uml.setup.init") {
            Image::Uml(linkage(bytes))
        } else if contains(bytes, b"Linux version ") {
            Image::Vmlinux
        } else {
            Image::Executable
        };
    }
    // Documentation/arch/x86/boot.rst: the boot protocol's header.
    if bytes.get(0x202..0x206) != Some(b"HdrS") {
        return Image::Other;
    }
    release_of(bytes).map_or(Image::Nameless, Image::Bzimage)
}

/// How a 64-bit executable is linked: one that names an interpreter is linked dynamically (elf(5), PT_INTERP).
fn linkage(bytes: &[u8]) -> Linkage {
    const PT_INTERP: u32 = 3;
    let half = |at: usize| Some(u16::from_le_bytes(bytes.get(at..at + 2)?.try_into().ok()?).into());
    // e_phoff, e_phentsize and e_phnum of Elf64_Ehdr.
    let table = bytes
        .get(32..40)
        .and_then(|bytes| bytes.try_into().ok())
        .and_then(|bytes| usize::try_from(u64::from_le_bytes(bytes)).ok());
    let (Some(table), Some(size), Some(count)) = (table, half(54), half(56)) else {
        return Linkage::Static;
    };
    let is_interpreter = |number: usize| {
        let header = table.checked_add(number * size)?;
        let kind = bytes.get(header..header.checked_add(4)?)?;
        Some(u32::from_le_bytes(kind.try_into().ok()?) == PT_INTERP)
    };
    match (0..count).any(|number| is_interpreter(number).unwrap_or(false)) {
        true => Linkage::Dynamic,
        false => Linkage::Static,
    }
}

/// The release in a bzImage: the first word of the string that the header points at.
fn release_of(bytes: &[u8]) -> Option<String> {
    let pointer: [u8; 2] = bytes.get(0x20e..0x210)?.try_into().ok()?;
    let offset = match u16::from_le_bytes(pointer) {
        0 => return None,
        // "This value should contain the offset ... less 0x200" (boot.rst, kernel_version).
        pointer => usize::from(pointer) + 0x200,
    };
    let rest = bytes.get(offset..)?;
    let end = rest.iter().take(512).position(|&byte| byte == 0)?;
    first_word(std::str::from_utf8(&rest[..end]).ok()?)
}

/// The first word of a text, if it can be a kernel's release: it will be part of paths.
fn first_word(text: &str) -> Option<String> {
    let word = text.split_whitespace().next()?;
    let plain = word.starts_with(|c: char| c.is_ascii_digit())
        && word
            .chars()
            .all(|c| c.is_ascii_alphanumeric() || "._+~-".contains(c));
    plain.then(|| word.to_owned())
}

/// Whether a text occurs in some bytes.
fn contains(bytes: &[u8], wanted: &[u8]) -> bool {
    let Some(&first) = wanted.first() else { return true };
    let mut rest = bytes;
    while let Some(at) = rest.iter().position(|&byte| byte == first) {
        if rest[at..].starts_with(wanted) {
            return true;
        }
        rest = &rest[at + 1..];
    }
    false
}

/// The first kibibytes of a bzImage, for tests.
#[cfg(test)]
pub(crate) fn bzimage(release: &str) -> Vec<u8> {
    let mut bytes = vec![0; 0x1000];
    bytes[0x1fe..0x200].copy_from_slice(&[0x55, 0xaa]);
    bytes[0x202..0x206].copy_from_slice(b"HdrS");
    bytes[0x20e..0x210].copy_from_slice(&0x0600_u16.to_le_bytes());
    let text = format!("{release} (builder@host) #1 SMP PREEMPT_DYNAMIC Debian 6.1.192-2 (2026-10-30)\0");
    bytes[0x800..0x800 + text.len()].copy_from_slice(text.as_bytes());
    bytes
}

#[cfg(test)]
mod tests {
    use rstest::rstest;

    use super::*;

    #[test]
    fn a_bzimage_says_its_release() {
        assert_eq!(
            classify(&bzimage("6.1.0-56-amd64")),
            Image::Bzimage("6.1.0-56-amd64".into())
        );
        assert_eq!(
            classify(&bzimage("6.12.0-rc3+")),
            Image::Bzimage("6.12.0-rc3+".into())
        );
    }

    #[rstest]
    #[case::a_path("../../etc")]
    #[case::no_number("linux")]
    #[case::not_ascii("6.1\u{e9}")]
    fn what_cannot_be_a_release_is_not_taken_for_one(#[case] text: &str) {
        assert_eq!(classify(&bzimage(text)), Image::Nameless);
    }

    #[test]
    fn a_bzimage_cut_off_anywhere_is_no_bzimage_or_a_nameless_one() {
        let whole = bzimage("6.1.0");
        let end_of_text = 0x800 + whole[0x800..].iter().position(|&byte| byte == 0).unwrap();
        for end in 0..=end_of_text {
            let got = classify(&whole[..end]);
            let expected = if end < 0x206 {
                Image::Other
            } else {
                Image::Nameless
            };
            assert_eq!(got, expected, "at {end}");
        }
    }

    #[rstest]
    #[case(b"", Image::Other)]
    #[case(b"#!/bin/sh\n", Image::Other)]
    #[case(b"\x7fELF\x02\x01\x01", Image::Executable)]
    #[case(b"\x7fELF....Linux version 6.1.0 (me@here)", Image::Vmlinux)]
    #[case(
        b"\x7fELF....Linux version 6.1.0....\0.uml.setup.init\0",
        Image::Uml(Linkage::Static)
    )]
    #[case(b"\x7fELF....uml.setup.ini", Image::Executable)]
    fn a_file_is_told_by_what_is_in_it(#[case] bytes: &[u8], #[case] expected: Image) {
        assert_eq!(classify(bytes), expected);
    }

    #[test]
    fn an_executable_cut_off_anywhere_is_read_without_harm() {
        let whole = fs::read("/proc/self/exe").unwrap();
        assert_eq!(linkage(&whole), Linkage::Dynamic);
        for end in 0..1024 {
            linkage(&whole[..end]);
        }
        let mut wild = whole[..1024].to_vec();
        wild[32..40].fill(0xff);
        assert_eq!(linkage(&wild), Linkage::Static);
    }

    #[test]
    fn debians_user_mode_linux_says_its_release_and_its_configuration() {
        let linux = Path::new("/usr/bin/linux.uml");
        assert_eq!(look(linux).unwrap(), Image::Uml(Linkage::Dynamic));
        let release = uml_release(linux).unwrap();
        assert!(
            Path::new("/usr/lib/uml/modules").join(&release).is_dir(),
            "{release}"
        );
        assert!(uml_config(linux).unwrap().contains("\nCONFIG_UML=y\n"));
    }
}
