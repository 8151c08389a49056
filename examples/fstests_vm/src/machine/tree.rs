//! A directory of modules, as `depmod` describes it.

use std::collections::{HashMap, HashSet};
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use super::{Error, Result};

/// What a kernel's directory of modules says.
///
/// Names of modules are written with underscores, as the kernel does.
#[derive(Debug, Default)]
pub(crate) struct Tree {
    directory: PathBuf,
    modules: HashMap<String, Entry>,
    builtin: HashSet<String>,
    /// Whether it is known what is built in.
    pub(super) knows_builtin: bool,
    aliases: HashMap<String, Vec<String>>,
    before: HashMap<String, Vec<String>>,
}

/// A line of `modules.dep`.
#[derive(Debug)]
struct Entry {
    file: PathBuf,
    needs: Vec<String>,
}

/// What a name stands for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Found {
    /// It is in the kernel's image.
    Builtin,
    /// It is these modules: one, or all that have the alias.
    Modules(Vec<String>),
}

impl Tree {
    /// Reads a directory of modules; `None` if `depmod` was never there.
    ///
    /// Of the files that depmod(8) writes, only `modules.dep` must be there.
    ///
    /// # Errors
    ///
    /// [`Error::Read`].
    pub(crate) fn read(directory: &Path) -> Result<Option<Self>> {
        let text = |name: &str| match fs::read(directory.join(name)) {
            Ok(bytes) => Ok(Some(String::from_utf8_lossy(&bytes).into_owned())),
            Err(err) if err.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(err) => Err(Error::read(directory.join(name))(err)),
        };
        let Some(dependencies) = text("modules.dep")? else {
            return Ok(None);
        };
        let builtin = text("modules.builtin")?;
        let mut tree = Self {
            directory: directory.to_owned(),
            knows_builtin: builtin.is_some(),
            ..Self::default()
        };
        tree.add_modules(&dependencies);
        tree.add_builtin(&builtin.unwrap_or_default());
        tree.add_builtin_aliases(&text("modules.builtin.modinfo")?.unwrap_or_default());
        tree.add_aliases(&text("modules.alias")?.unwrap_or_default());
        tree.add_soft(&text("modules.softdep")?.unwrap_or_default());
        Ok(Some(tree))
    }

    /// Looks up a module by its name or an alias.
    pub(super) fn find(&self, name: &str) -> Option<Found> {
        let name = canonical(name);
        if self.builtin.contains(&name) {
            return Some(Found::Builtin);
        }
        if self.modules.contains_key(&name) {
            return Some(Found::Modules(vec![name]));
        }
        self.aliases.get(&name).cloned().map(Found::Modules)
    }

    /// Returns the file of a module.
    pub(super) fn file(&self, name: &str) -> Option<PathBuf> {
        self.modules
            .get(name)
            .map(|entry| self.directory.join(&entry.file))
    }

    /// Returns the modules without which a module cannot be loaded.
    pub(super) fn needs(&self, name: &str) -> &[String] {
        self.modules.get(name).map_or(&[], |entry| &entry.needs)
    }

    /// Returns the names that a module asks to be loaded before it, if they can be.
    pub(super) fn before(&self, name: &str) -> &[String] {
        self.before.get(name).map_or(&[], Vec::as_slice)
    }

    /// Takes in `modules.dep`: `kernel/fs/ext4/ext4.ko: kernel/lib/crc16.ko kernel/fs/mbcache.ko`.
    fn add_modules(&mut self, text: &str) {
        for (file, needs) in text.lines().filter_map(|line| line.split_once(':')) {
            let Some(name) = module_name(file) else { continue };
            let entry = Entry {
                file: PathBuf::from(file),
                needs: needs.split_whitespace().filter_map(module_name).collect(),
            };
            self.modules.insert(name, entry);
        }
    }

    /// Takes in `modules.builtin`: `kernel/fs/ext4/ext4.ko`.
    fn add_builtin(&mut self, text: &str) {
        self.builtin.extend(text.lines().filter_map(module_name));
    }

    /// Takes in `modules.builtin.modinfo`: `ext4.alias=fs-ext4`, each ended by a NUL.
    fn add_builtin_aliases(&mut self, text: &str) {
        for record in text.split('\0') {
            let alias = record.split_once('=').filter(|(key, _)| key.ends_with(".alias"));
            if let Some((_, alias)) = alias.filter(|(_, alias)| is_plain(alias)) {
                self.builtin.insert(canonical(alias));
            }
        }
    }

    /// Takes in `modules.alias`: `alias fs-ext4 ext4`. Patterns name devices, which nobody looks up here.
    fn add_aliases(&mut self, text: &str) {
        for line in text.lines() {
            let mut words = line.split_whitespace();
            let (Some("alias"), Some(alias), Some(name)) = (words.next(), words.next(), words.next()) else {
                continue;
            };
            let name = canonical(name);
            if is_plain(alias) && self.modules.contains_key(&name) {
                self.aliases.entry(canonical(alias)).or_default().push(name);
            }
        }
    }

    /// Takes in `modules.softdep`: `softdep ext4 pre: crypto-crc32c post: other` (modprobe.d(5)).
    fn add_soft(&mut self, text: &str) {
        for line in text.lines() {
            let mut words = line.split_whitespace();
            let (Some("softdep"), Some(name)) = (words.next(), words.next()) else {
                continue;
            };
            let before = words
                .skip_while(|&word| word != "pre:")
                .skip(1)
                .take_while(|&word| word != "post:")
                .map(canonical);
            self.before.entry(canonical(name)).or_default().extend(before);
        }
    }
}

/// The name of the module in a file: `kernel/fs/nls/nls_utf8.ko.xz` is `nls_utf8`.
fn module_name(file: &str) -> Option<String> {
    let file = file.trim().rsplit('/').next()?;
    let (name, rest) = file.split_once(".ko")?;
    let plain = !name.is_empty() && (rest.is_empty() || rest.starts_with('.'));
    plain.then(|| canonical(name))
}

/// A name as the kernel writes it.
fn canonical(name: &str) -> String {
    name.replace('-', "_")
}

/// Whether an alias is a name, not a pattern.
fn is_plain(alias: &str) -> bool {
    !alias.contains(['*', '?', '['])
}

/// A directory of modules with these files in it, for tests.
#[cfg(test)]
pub(super) fn sample(files: &[(&str, &str)]) -> tempfile::TempDir {
    let directory = tempfile::tempdir().unwrap();
    for (name, text) in files {
        fs::write(directory.path().join(name), text).unwrap();
    }
    directory
}

#[cfg(test)]
mod tests {
    use rstest::rstest;

    use super::*;

    // Lines of Debian's linux-image-6.1.0-56-amd64.
    const DEP: &str = "\
kernel/lib/crc16.ko:
kernel/crypto/crc32c_generic.ko:
kernel/arch/x86/crypto/crc32c-intel.ko:
kernel/fs/mbcache.ko:
kernel/fs/jbd2/jbd2.ko:
kernel/fs/ext4/ext4.ko: kernel/lib/crc16.ko kernel/fs/mbcache.ko kernel/fs/jbd2/jbd2.ko
kernel/fs/nls/nls_utf8.ko.xz:
";
    const ALIAS: &str = "\
# Aliases extracted from modules themselves.
alias fs-ext4 ext4
alias fs-ext3 ext4
alias crypto-crc32c crc32c_intel
alias crypto-crc32c crc32c_generic
alias cpu:type:x86,ven*fam*mod*:feature:*0094* crc32c_intel
";
    const SOFT: &str = "\
# Soft dependencies extracted from modules themselves.
softdep ext4 pre: crypto-crc32c
softdep act_mpls post: mpls_gso
softdep both pre: a-b c post: d
softdep cifs gcm
";
    const BUILTIN: &str = "kernel/drivers/tty/serial/8250/8250.ko\nkernel/fs/binfmt_elf.ko\n";
    const MODINFO: &str = "ext2.alias=fs-ext2\0ext2.license=GPL\0usb.alias=usb:v*\0";

    fn debian() -> Tree {
        let directory = sample(&[
            ("modules.dep", DEP),
            ("modules.alias", ALIAS),
            ("modules.softdep", SOFT),
            ("modules.builtin", BUILTIN),
            ("modules.builtin.modinfo", MODINFO),
        ]);
        Tree::read(directory.path()).unwrap().unwrap()
    }

    fn modules(names: &[&str]) -> Option<Found> {
        Some(Found::Modules(
            names.iter().map(|&name| name.to_owned()).collect(),
        ))
    }

    #[rstest]
    #[case("ext4", modules(&["ext4"]))]
    #[case("fs-ext3", modules(&["ext4"]))]
    #[case("fs_ext3", modules(&["ext4"]))]
    #[case("crc32c-intel", modules(&["crc32c_intel"]))]
    #[case("crypto-crc32c", modules(&["crc32c_intel", "crc32c_generic"]))]
    #[case("nls_utf8", modules(&["nls_utf8"]))]
    #[case("8250", Some(Found::Builtin))]
    #[case("fs-ext2", Some(Found::Builtin))]
    #[case("usb:v*", None)]
    #[case("xfs", None)]
    fn a_module_is_found_by_its_name_or_an_alias(#[case] name: &str, #[case] expected: Option<Found>) {
        assert_eq!(debian().find(name), expected);
    }

    #[test]
    fn what_is_needed_and_what_is_wished_for_are_told_apart() {
        let tree = debian();
        assert_eq!(tree.needs("ext4"), ["crc16", "mbcache", "jbd2"]);
        assert_eq!(tree.before("ext4"), ["crypto_crc32c"]);
        assert_eq!(tree.before("both"), ["a_b", "c"]);
        assert!(tree.before("act_mpls").is_empty());
        assert!(tree.before("cifs").is_empty());
        assert!(
            tree.file("nls_utf8")
                .unwrap()
                .ends_with("kernel/fs/nls/nls_utf8.ko.xz")
        );
    }

    #[test]
    fn a_directory_without_depmods_files_is_told_from_one_that_cannot_be_read() {
        let empty = sample(&[]);
        assert!(Tree::read(empty.path()).unwrap().is_none());
        let odd = sample(&[("modules.dep", DEP)]);
        fs::create_dir(odd.path().join("modules.alias")).unwrap();
        assert!(matches!(Tree::read(odd.path()), Err(Error::Read { .. })));
    }

    #[test]
    fn files_cut_off_anywhere_are_read_as_far_as_they_go() {
        let whole = [DEP, ALIAS, SOFT, BUILTIN, MODINFO];
        for end in 0..whole.iter().map(|text| text.len()).max().unwrap() {
            let cut = whole.map(|text| &text[..end.min(text.len())]);
            let mut tree = Tree::default();
            tree.add_modules(cut[0]);
            tree.add_aliases(cut[1]);
            tree.add_soft(cut[2]);
            tree.add_builtin(cut[3]);
            tree.add_builtin_aliases(cut[4]);
            assert!(tree.modules.len() <= 7);
        }
    }
}
