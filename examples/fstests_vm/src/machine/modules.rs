//! What a kernel can do, and what must be loaded into it for that.

use std::collections::HashMap;
use std::path::{Path, PathBuf};

use super::config::{Setting, lookup};
use super::kernel::Kernel;
use super::needs::{Need, Part};
use super::tree::{Found, Tree};
use super::{Error, Result, host};

/// Whether a kernel can do something.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Presence {
    /// It is in the image.
    Builtin,
    /// It is a module, whose file is known.
    Module,
    /// Nothing tells.
    Unknown,
    /// It is a module by the configuration, but where the modules are is not known.
    Elsewhere,
    /// It is a module by the configuration, but not among the modules.
    Missing,
    /// The kernel was built without.
    Absent,
}

/// A module to load.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Module {
    /// Its name, with underscores.
    pub(crate) name: String,
    /// Its file, which may be compressed.
    pub(crate) file: PathBuf,
    /// Whether the guest cannot go on without it.
    pub(crate) required: bool,
}

/// What must be loaded for a guest to run.
#[derive(Debug, Default)]
pub(crate) struct Closure {
    /// The modules, in the order in which to load them.
    pub(crate) modules: Vec<Module>,
    /// What the kernel must be able to do, and nothing told whether it can.
    pub(crate) unchecked: Vec<String>,
}

/// What is known of a kernel.
#[derive(Debug)]
pub(crate) struct Features<'k> {
    kernel: &'k Kernel,
    tree: Option<Tree>,
}

impl<'k> Features<'k> {
    /// Reads what the modules of a kernel say.
    ///
    /// # Errors
    ///
    /// [`Error::Read`], and [`Error::Modules`] if nothing but `depmod` could tell what the kernel has.
    pub(crate) fn of(kernel: &'k Kernel) -> Result<Self> {
        let tree = match &kernel.modules {
            Some(directory) => Tree::read(directory)?,
            None => None,
        };
        match (&tree, &kernel.modules, &kernel.config) {
            (None, Some(directory), None) => Err(no_depmod(directory, &kernel.release)),
            _ => Ok(Self { kernel, tree }),
        }
    }

    /// Tells whether the kernel can do something: as much as its least part.
    pub(crate) fn has(&self, need: &Need) -> Presence {
        let parts = need.parts.iter().map(|part| self.has_part(part));
        parts.max().unwrap_or(Presence::Builtin)
    }

    fn has_part(&self, part: &Part) -> Presence {
        match self.find(part) {
            Some(Found::Builtin) => return Presence::Builtin,
            Some(Found::Modules(_)) => return Presence::Module,
            None => {}
        }
        let config = self.kernel.config.as_ref();
        let mut settings = part.symbols.iter().map(|symbol| lookup(config, symbol));
        match settings.find(|setting| *setting != Setting::No) {
            Some(Setting::Yes) => Presence::Builtin,
            Some(Setting::Module) if self.tree.is_some() => Presence::Missing,
            Some(Setting::Module) => Presence::Elsewhere,
            Some(Setting::Unknown) if part.modules.is_empty() => Presence::Unknown,
            Some(Setting::Unknown) => match &self.tree {
                Some(tree) if tree.knows_builtin => Presence::Absent,
                _ => Presence::Unknown,
            },
            Some(Setting::No) | None => Presence::Absent,
        }
    }

    /// Looks a part up among the modules, by any of its names.
    fn find(&self, part: &Part) -> Option<Found> {
        let tree = self.tree.as_ref()?;
        part.modules.iter().find_map(|name| tree.find(name))
    }

    /// Returns what to load so that the kernel can do all of what is wanted.
    ///
    /// # Errors
    ///
    /// [`Error::Lacks`] if the kernel cannot; [`Error::ModulesUnknown`] and [`Error::Modules`] if it
    /// could with modules that cannot be found.
    pub(crate) fn closure(&self, wanted: &[Need]) -> Result<Closure> {
        self.refuse(wanted)?;
        let mut order = Order::default();
        let mut unchecked = Vec::new();
        for need in wanted {
            if self.has(need) == Presence::Unknown && !need.optional {
                unchecked.push(need.what.clone());
            }
            for part in &need.parts {
                if let (Some(tree), Some(Found::Modules(names))) = (&self.tree, self.find(part)) {
                    for name in names {
                        order.add(tree, &name, !need.optional);
                    }
                }
            }
        }
        let modules = order.modules;
        Ok(Closure { modules, unchecked })
    }

    /// Refuses what the kernel certainly cannot do, all of it at once.
    fn refuse(&self, wanted: &[Need]) -> Result<()> {
        let required = || wanted.iter().filter(|need| !need.optional);
        let all = |presence| {
            let those = required().filter(move |need| self.has(need) == presence);
            those.map(|need| need.what.clone()).collect::<Vec<_>>()
        };
        let release = self.kernel.release.clone();
        let lacking = all(Presence::Absent);
        if !lacking.is_empty() {
            let parts = required().flat_map(|need| &need.parts);
            let symbols: Vec<String> = parts
                .filter(|part| self.has_part(part) == Presence::Absent)
                .filter_map(|part| part.symbols.first())
                .map(|symbol| format!("CONFIG_{symbol}=y"))
                .collect();
            return Err(Error::Lacks {
                release,
                needs: lacking,
                remedy: format!("build it with {}", symbols.join(" ")),
            });
        }
        let missing = all(Presence::Missing);
        if let (false, Some(directory)) = (missing.is_empty(), &self.kernel.modules) {
            return Err(Error::Modules {
                directory: directory.clone(),
                what: format!(
                    "{} should be modules, by the configuration, but are not there",
                    missing.join(", ")
                ),
                remedy: "install the rest of the kernel's modules, or `make modules_install` again".into(),
            });
        }
        let elsewhere = all(Presence::Elsewhere);
        if elsewhere.is_empty() {
            return Ok(());
        }
        if let Some(directory) = &self.kernel.modules {
            return Err(no_depmod(directory, &release));
        }
        let remedy = match &self.kernel.build {
            Some(_) => format!(
                "`make modules_install INSTALL_MOD_PATH=DIR` there and give `--modules DIR/lib/modules/{release}`, or build them in"
            ),
            None => "give it as `--modules`".into(),
        };
        Err(Error::ModulesUnknown {
            release,
            needs: elsewhere,
            remedy,
        })
    }
}

impl Module {
    /// Returns what the kernel takes: the file, decompressed.
    ///
    /// # Errors
    ///
    /// [`Error::Read`], and what [`host::ask`] says of the program that decompresses it.
    pub(crate) fn read(&self) -> Result<Vec<u8>> {
        let program = match self.file.extension().and_then(|extension| extension.to_str()) {
            Some("xz") => "xz",
            Some("zst") => "zstd",
            Some("gz") => "gzip",
            _ => return std::fs::read(&self.file).map_err(Error::read(&self.file)),
        };
        let found = host::which(program).ok_or_else(|| Error::Program {
            program: format!("`{program}`, for `{}`", self.file.display()),
            remedy: format!(
                "apt-get install {}",
                if program == "xz" { "xz-utils" } else { program }
            ),
        })?;
        host::ask(&found, &["-dc".as_ref(), self.file.as_os_str()])
    }
}

/// Modules in the order in which they can be loaded.
#[derive(Default)]
struct Order {
    modules: Vec<Module>,
    /// Whether each module that was seen is required.
    seen: HashMap<String, bool>,
}

impl Order {
    /// Adds a module behind all that it needs.
    fn add(&mut self, tree: &Tree, name: &str, required: bool) {
        // What was only wished for and is now required is gone through again, for what it needs.
        match self.seen.get(name) {
            Some(&before) if before || !required => return,
            _ => self.seen.insert(name.to_owned(), required),
        };
        for wish in tree.before(name) {
            if let Some(Found::Modules(names)) = tree.find(wish) {
                for name in names {
                    self.add(tree, &name, false);
                }
            }
        }
        for need in tree.needs(name) {
            self.add(tree, need, required);
        }
        match self.modules.iter_mut().find(|module| module.name == name) {
            Some(module) => module.required = required,
            None => self.modules.extend(tree.file(name).map(|file| Module {
                name: name.to_owned(),
                file,
                required,
            })),
        }
    }
}

/// Says that `depmod` was not run for a directory of modules.
fn no_depmod(directory: &Path, release: &str) -> Error {
    let root = directory
        .ends_with(Path::new("lib/modules").join(release))
        .then(|| directory.ancestors().nth(3))
        .flatten();
    let remedy = match root {
        Some(root) => format!("depmod -b {} {release}", root.display()),
        None => format!("put it in ROOT/lib/modules/{release} and run `depmod -b ROOT {release}`"),
    };
    Error::Modules {
        directory: directory.to_owned(),
        what: "there is no `modules.dep`".into(),
        remedy,
    }
}

#[cfg(test)]
mod tests;
