//! A kernel's configuration: what it was built with.

use std::collections::HashMap;
use std::fs;
use std::path::Path;

use super::{Error, Result};

/// What a configuration says of one symbol.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Setting {
    /// Built in: `=y`; or a text or a number.
    Yes,
    /// A module: `=m`.
    Module,
    /// Not set, or not known to this kernel's Kconfig.
    No,
    /// There is no configuration to look it up in.
    Unknown,
}

/// The configuration of one kernel.
#[derive(Clone, Debug)]
pub(crate) struct Config {
    text: String,
    settings: HashMap<String, Setting>,
}

impl Config {
    /// Reads a configuration; `None` if the file does not exist or says nothing.
    ///
    /// # Errors
    ///
    /// [`Error::Read`] if it is there but cannot be read.
    pub(crate) fn read(path: &Path) -> Result<Option<Self>> {
        match fs::read(path) {
            Ok(bytes) => Ok(Self::parse(&String::from_utf8_lossy(&bytes))),
            Err(err) if is_absent(&err) => Ok(None),
            Err(err) => Err(Error::read(path)(err)),
        }
    }

    /// Parses the text of a `.config`; `None` if no line of it sets anything.
    ///
    /// Without that, the text of something else would say of everything that it is not set.
    pub(crate) fn parse(text: &str) -> Option<Self> {
        let settings: HashMap<String, Setting> = text.lines().filter_map(setting).collect();
        (!settings.is_empty()).then(|| Self {
            text: text.to_owned(),
            settings,
        })
    }

    /// Returns what is set for a symbol, without its `CONFIG_`.
    pub(crate) fn get(&self, symbol: &str) -> Setting {
        self.settings.get(symbol).copied().unwrap_or(Setting::No)
    }

    /// Returns the whole text, as fstests wants to have it in `KCONFIG_PATH`.
    pub(crate) fn text(&self) -> &str {
        &self.text
    }
}

/// Returns what is set for a symbol, in a configuration that may not be there.
pub(crate) fn lookup(config: Option<&Config>, symbol: &str) -> Setting {
    config.map_or(Setting::Unknown, |config| config.get(symbol))
}

/// Whether an error says that there is no such file.
fn is_absent(err: &std::io::Error) -> bool {
    use std::io::ErrorKind::{NotADirectory, NotFound};
    matches!(err.kind(), NotFound | NotADirectory)
}

/// What one line sets: `CONFIG_EXT4_FS=m`.
fn setting(line: &str) -> Option<(String, Setting)> {
    let (symbol, value) = line.strip_prefix("CONFIG_")?.split_once('=')?;
    let setting = match value.trim_end() {
        "m" => Setting::Module,
        "n" => Setting::No,
        _ => Setting::Yes,
    };
    Some((symbol.to_owned(), setting))
}

#[cfg(test)]
mod tests {
    use rstest::rstest;

    use super::*;

    /// The head and some lines of Debian's config-6.1.0-56-cloud-amd64.
    const DEBIAN: &str = "\
#
# Automatically generated file; DO NOT EDIT.
# Linux/x86 6.1.192 Kernel Configuration
#
CONFIG_CC_VERSION_TEXT=\"gcc-12 (Debian 12.2.0-14+deb12u1) 12.2.0\"
CONFIG_EXT4_FS=y
CONFIG_XFS_FS=m
# CONFIG_NET_9P is not set
CONFIG_HZ=250
";

    #[rstest]
    #[case("EXT4_FS", Setting::Yes)]
    #[case("XFS_FS", Setting::Module)]
    #[case("NET_9P", Setting::No)]
    #[case("NEVER_HEARD_OF", Setting::No)]
    #[case("HZ", Setting::Yes)]
    #[case("CC_VERSION_TEXT", Setting::Yes)]
    #[case("EXT4", Setting::No)]
    fn a_symbol_is_what_its_line_says(#[case] symbol: &str, #[case] expected: Setting) {
        let config = Config::parse(DEBIAN).unwrap();
        assert_eq!(config.get(symbol), expected);
        assert_eq!(lookup(Some(&config), symbol), expected);
    }

    #[test]
    fn without_a_configuration_nothing_is_known() {
        assert_eq!(lookup(None, "EXT4_FS"), Setting::Unknown);
    }

    #[rstest]
    #[case("")]
    #[case("\0\0\x7fELF")]
    #[case("# CONFIG_NET_9P is not set\n")]
    #[case("obj-y += main.o\n")]
    fn what_sets_nothing_is_no_configuration(#[case] text: &str) {
        assert!(Config::parse(text).is_none());
    }

    #[test]
    fn a_configuration_cut_off_anywhere_is_read_as_far_as_it_goes() {
        for end in 0..DEBIAN.len() {
            if let Some(config) = Config::parse(&DEBIAN[..end]) {
                assert_ne!(config.get("NET_9P"), Setting::Module);
            }
        }
    }

    #[test]
    fn a_file_that_is_not_there_is_no_configuration() {
        let directory = tempfile::tempdir().unwrap();
        assert!(Config::read(&directory.path().join(".config")).unwrap().is_none());
        assert!(Config::read(directory.path()).is_err());
    }
}
