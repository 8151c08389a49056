//! Where a kernel's image, modules and configuration are, by the ways in which they are laid out.

use std::path::{Path, PathBuf};

use super::config::{Config, Setting, lookup};
use super::{Error, Result};

/// The image in a build directory, for QEMU.
const BZIMAGE: &str = "arch/x86/boot/bzImage";

/// The image in a build directory, for User-Mode Linux.
const UML: &str = "linux";

/// Where the parts of one kernel are.
#[derive(Debug)]
pub(super) struct Places {
    /// The file to boot.
    pub(super) image: PathBuf,
    /// The Linux build directory that the image is in.
    pub(super) build: Option<PathBuf>,
    /// The directory of modules that was given or that the image is in.
    modules: Option<PathBuf>,
}

impl Places {
    /// Tells the layout from a path, which must be canonical.
    pub(super) fn of(path: &Path) -> Result<Self> {
        if !path.is_dir() {
            return Ok(Self::of_image(path));
        }
        if path.join(".config").is_file() || path.join("include/config/kernel.release").is_file() {
            return Self::of_build(path);
        }
        if path.join("modules.dep").is_file()
            || path.join("modules.order").is_file()
            || path
                .parent()
                .is_some_and(|parent| parent.file_name().is_some_and(|name| name == "modules"))
        {
            return Self::of_modules(path);
        }
        Err(refuse_directory(path))
    }

    /// The layout around an image.
    fn of_image(image: &Path) -> Self {
        let directory = image.parent().unwrap_or(Path::new("/"));
        let build = [image.ancestors().nth(4), Some(directory)]
            .into_iter()
            .flatten()
            .find(|build| {
                [BZIMAGE, UML].iter().any(|name| build.join(name) == image) && build.join(".config").is_file()
            })
            .map(Path::to_owned);
        let modules = (is_in_modules(directory)).then(|| directory.to_owned());
        Self {
            image: image.to_owned(),
            build,
            modules,
        }
    }

    /// The layout of a build directory.
    fn of_build(build: &Path) -> Result<Self> {
        let config = Config::read(&build.join(".config"))?;
        let (looked, remedy) = match lookup(config.as_ref(), "UML") {
            Setting::Yes => (vec![build.join(UML)], "build it with `make ARCH=um`"),
            Setting::Unknown => (
                vec![build.join(BZIMAGE), build.join(UML)],
                "build it with `make bzImage`",
            ),
            Setting::No | Setting::Module => (vec![build.join(BZIMAGE)], "build it with `make bzImage`"),
        };
        let image = present(looked, build, "a Linux build directory", remedy)?;
        Ok(Self {
            image,
            build: Some(build.to_owned()),
            modules: None,
        })
    }

    /// The layout of a directory of modules, installed or in an unpacked package.
    fn of_modules(modules: &Path) -> Result<Self> {
        let mut looked = vec![modules.join("vmlinuz")];
        if let Some(release) = modules.file_name() {
            let mut name = std::ffi::OsString::from("vmlinuz-");
            name.push(release);
            looked.extend(roots(modules).map(|root| root.join("boot").join(&name)));
        }
        let image = present(
            looked,
            modules,
            "a directory of modules",
            "give the image itself, and this directory as `--modules`",
        )?;
        Ok(Self {
            image,
            build: None,
            modules: Some(modules.to_owned()),
        })
    }

    /// Refuses a directory of modules that an image of another release was found for.
    pub(super) fn check_release(&self, release: &str) -> Result<()> {
        match &self.modules {
            Some(directory) if directory.file_name().is_none_or(|name| name != release) => {
                Err(Error::Modules {
                    directory: directory.clone(),
                    what: format!("`{}` is of release {release}", self.image.display()),
                    remedy: "give the image itself, and the directory of its modules as `--modules`".into(),
                })
            }
            _ => Ok(()),
        }
    }

    /// The modules of a kernel of this release, if they are where they may be.
    pub(super) fn modules(&self, release: &str) -> Option<PathBuf> {
        if let Some(directory) = &self.modules {
            return Some(directory.clone());
        }
        let host = Path::new("/lib/modules").join(release);
        if let Some(build) = &self.build {
            // Every build of one version has the same release: the host's modules are this
            // build's only if they say that they were installed from it.
            let from = host.join("build").canonicalize().ok();
            return from
                .filter(|from| from == build)
                .and_then(|_| host.canonicalize().ok());
        }
        let beside = self.image.ancestors().nth(2).unwrap_or(Path::new("/"));
        ["lib/modules", "usr/lib/modules", "lib/uml/modules"]
            .iter()
            .map(|directory| beside.join(directory).join(release))
            .chain([host])
            .find(|directory| directory.is_dir())
            .and_then(|directory| directory.canonicalize().ok())
    }

    /// The files in which the configuration of a kernel of this release may be, the likeliest first.
    pub(super) fn configs(&self, release: &str, modules: Option<&Path>) -> Vec<PathBuf> {
        let mut files = Vec::new();
        if let Some(build) = &self.build {
            files.push(build.join(".config"));
        }
        let name = format!("config-{release}");
        files.push(self.image.with_file_name(&name));
        if let Some(modules) = modules {
            files.push(modules.join("config"));
            files.push(modules.join("build/.config"));
            files.extend(roots(modules).map(|root| root.join("boot").join(&name)));
        }
        files
    }
}

/// Whether a directory is one of modules: `.../modules/RELEASE`.
fn is_in_modules(directory: &Path) -> bool {
    directory
        .parent()
        .is_some_and(|parent| parent.ends_with("lib/modules"))
}

/// The roots of the file system that a directory `ROOT/lib/modules/RELEASE` may belong to.
///
/// Two, because `/lib` is `/usr/lib` on most systems, while `/boot` is in the root.
fn roots(modules: &Path) -> impl Iterator<Item = &Path> {
    let root = modules.ancestors().nth(3);
    let above = root.filter(|root| root.ends_with("usr")).and_then(Path::parent);
    [root, above].into_iter().flatten()
}

/// The first of some files that is there.
fn present(
    looked: Vec<PathBuf>,
    directory: &Path,
    kind: &'static str,
    remedy: &'static str,
) -> Result<PathBuf> {
    match looked.iter().find(|file| file.is_file()) {
        Some(image) => image.canonicalize().map_err(Error::read(image)),
        None => Err(Error::NoImage {
            directory: directory.to_owned(),
            kind,
            looked,
            remedy: remedy.into(),
        }),
    }
}

/// Says why a directory means no kernel, and which one in it does.
fn refuse_directory(path: &Path) -> Error {
    let inside = std::fs::read_dir(path.join("lib/modules"))
        .ok()
        .and_then(|mut entries| entries.find_map(std::result::Result::ok));
    let (what, remedy) = if let Some(entry) = inside {
        (
            "it is a directory with modules further in".to_owned(),
            format!("give `{}`", entry.path().display()),
        )
    } else if path.join("Kbuild").is_file() && path.join("Makefile").is_file() {
        (
            "it is Linux source that was not built here: no `.config`".to_owned(),
            "build it with `make defconfig` and `make`, or give the directory it was built in".to_owned(),
        )
    } else {
        (
            "it is neither a Linux build directory nor one of modules: no `.config`, \
             `include/config/kernel.release` or `modules.dep` in it"
                .to_owned(),
            "give a vmlinuz, a Linux build directory, /lib/modules/RELEASE or a User-Mode Linux executable"
                .to_owned(),
        )
    };
    Error::Kernel {
        path: path.to_owned(),
        what,
        remedy,
    }
}
