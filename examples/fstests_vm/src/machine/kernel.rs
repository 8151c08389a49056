//! Which kernel: what the user gives to `--kernel`, and what belongs to it.

use std::path::{Path, PathBuf};

use super::config::{Config, Setting};
use super::image::{self, Image};
use super::places::Places;
use super::uml::xstate;
use super::{Error, Result, host};

/// How a kernel is started.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Flavour {
    /// By QEMU, as a compressed image for x86.
    Bzimage,
    /// As a program: User-Mode Linux.
    Uml,
}

/// A kernel that can be booted, as far as can be told from outside.
#[derive(Clone, Debug)]
pub(crate) struct Kernel {
    /// The file to boot, absolute and without symbolic links.
    pub(crate) image: PathBuf,
    /// How it is started.
    pub(crate) flavour: Flavour,
    /// Its release, as `uname -r` will say in the guest.
    pub(crate) release: String,
    /// What it was built with, if that was found.
    pub(crate) config: Option<Config>,
    /// The directory with its modules: `.../lib/modules/RELEASE`, if there is one.
    pub(crate) modules: Option<PathBuf>,
    /// The Linux build directory it is in, if it is in one.
    pub(crate) build: Option<PathBuf>,
}

impl Kernel {
    /// Finds the kernel that a path means, with its configuration and modules.
    ///
    /// The path is a vmlinuz or bzImage, a User-Mode Linux executable, a Linux build directory, or a
    /// directory of modules (`/lib/modules/RELEASE`, also in an unpacked package). A name without a slash that is
    /// no such path is looked for in `PATH`, as `linux` is. `modules` is what
    /// the user says of the modules; it beats what is found, and may be the directory above
    /// `lib/modules`.
    ///
    /// # Errors
    ///
    /// [`Error::Kernel`], [`Error::NoImage`] and [`Error::Modules`] say what was looked for and what to
    /// give instead; [`Error::Read`], and what running a User-Mode Linux executable may say.
    pub(crate) fn find(path: &Path, modules: Option<&Path>) -> Result<Self> {
        let path = path
            .canonicalize()
            .or_else(|err| in_path(path).ok_or(err))
            .map_err(|err| missing(path, &err))?;
        let places = Places::of(&path)?;
        let mut kernel = Self::from_image(&places.image)?;
        places.check_release(&kernel.release)?;
        kernel.modules = match modules {
            Some(given) => Some(given_modules(given, &kernel.release)?),
            None => places.modules(&kernel.release),
        };
        if kernel.config.is_none() {
            let beside = places.configs(&kernel.release, kernel.modules.as_deref());
            kernel.config = first_config(&beside)?;
        }
        kernel.build = places.build;
        Ok(kernel)
    }

    /// What the image says of itself.
    fn from_image(path: &Path) -> Result<Self> {
        let (flavour, release, config) = match image::look(path)? {
            Image::Bzimage(release) => (Flavour::Bzimage, release, None),
            Image::Uml(linkage) => {
                let release = image::uml_release(path)?;
                xstate::check(path, linkage, &release)?;
                let config = Config::parse(&image::uml_config(path)?);
                (Flavour::Uml, release, config)
            }
            other => return Err(refusal(path, &other)),
        };
        // Some other architecture's image has no such header; a User-Mode Linux configuration
        // that does not say so would be another program's.
        if config
            .as_ref()
            .is_some_and(|config| config.get("UML") != Setting::Yes)
        {
            return Err(refusal(path, &Image::Executable));
        }
        Ok(Self {
            image: path.to_owned(),
            flavour,
            release,
            config,
            modules: None,
            build: None,
        })
    }
}

/// The modules that the user gave, for a kernel of this release.
fn given_modules(given: &Path, release: &str) -> Result<PathBuf> {
    let refuse = |what: String| Error::Modules {
        directory: given.to_owned(),
        what,
        remedy: format!("give the directory `lib/modules/{release}`, as `make modules_install` makes it"),
    };
    let directory = given
        .canonicalize()
        .map_err(|err| refuse(format!("the directory cannot be opened: {err}")))?;
    let installed = directory.join("lib/modules").join(release);
    if installed.is_dir() {
        return Ok(installed);
    }
    if !directory.is_dir() {
        return Err(refuse("it is not a directory".into()));
    }
    if directory.file_name().is_none_or(|name| name != release) {
        return Err(refuse(format!(
            "the kernel's release is {release}, and it would refuse the modules of another"
        )));
    }
    Ok(directory)
}

/// The first configuration among the places where it may be.
fn first_config(places: &[PathBuf]) -> Result<Option<Config>> {
    for place in places {
        // What may not be read is as good as not there: the kernel can be booted without.
        match Config::read(place) {
            Ok(Some(config)) => return Ok(Some(config)),
            Ok(None) | Err(Error::Read { .. }) => {}
            Err(err) => return Err(err),
        }
    }
    Ok(None)
}

/// Says why a file that is no kernel for us cannot be booted.
fn refusal(path: &Path, image: &Image) -> Error {
    let (what, remedy) = match image {
        Image::Vmlinux => (
            "it is a vmlinux, which QEMU can boot only by another protocol, if at all",
            "give the compressed image of the same build, arch/x86/boot/bzImage",
        ),
        Image::Executable => (
            "it is an executable, but not a User-Mode Linux kernel",
            "give a vmlinuz, or build one with `make ARCH=um`",
        ),
        Image::Nameless => (
            "its header names no release",
            "give a bzImage of Linux 2.6.14 or later",
        ),
        Image::Bzimage(_) | Image::Uml(_) | Image::Other => (
            "it is neither a compressed kernel for x86 (no `HdrS` at 0x202) nor a User-Mode Linux executable",
            "give a vmlinuz, a Linux build directory, /lib/modules/RELEASE or a User-Mode Linux executable",
        ),
    };
    Error::Kernel {
        path: path.to_owned(),
        what: what.into(),
        remedy: remedy.into(),
    }
}

/// The program of that name, if it is a name alone.
fn in_path(name: &Path) -> Option<PathBuf> {
    let is_name = name.components().count() == 1 && name.file_name().is_some();
    let program = is_name.then(|| host::which(name))??;
    program.canonicalize().ok()
}

/// Says that what was given is not there.
fn missing(path: &Path, err: &std::io::Error) -> Error {
    Error::Kernel {
        path: path.to_owned(),
        what: match err.kind() {
            std::io::ErrorKind::NotFound if path.components().count() == 1 => {
                "it does not exist, and no program in PATH has that name".into()
            }
            std::io::ErrorKind::NotFound => "it does not exist".into(),
            _ => format!("it cannot be opened: {err}"),
        },
        remedy:
            "give a vmlinuz, a Linux build directory, /lib/modules/RELEASE or a User-Mode Linux executable"
                .into(),
    }
}

#[cfg(test)]
mod tests {
    use std::fs;

    use rstest::rstest;
    use tempfile::TempDir;

    use super::*;

    const RELEASE: &str = "6.1.0-56-amd64";

    /// A directory with these files in it; what ends in a slash is a directory.
    fn tree(files: &[&str]) -> TempDir {
        let root = tempfile::tempdir().unwrap();
        for file in files {
            let path = root.path().join(file);
            if file.ends_with('/') {
                fs::create_dir_all(path).unwrap();
                continue;
            }
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            let name = path.file_name().unwrap().to_str().unwrap();
            let bytes = match name {
                "bzImage" | "vmlinuz" => image::bzimage(RELEASE),
                _ if name.starts_with("vmlinuz-") => image::bzimage(name.strip_prefix("vmlinuz-").unwrap()),
                _ if name.contains("config") => b"CONFIG_EXT4_FS=y\n".to_vec(),
                _ => Vec::new(),
            };
            fs::write(path, bytes).unwrap();
        }
        root
    }

    const PACKAGE: &[&str] = &[
        "boot/vmlinuz-6.1.0-56-amd64",
        "boot/config-6.1.0-56-amd64",
        "lib/modules/6.1.0-56-amd64/modules.dep",
    ];
    const BUILD: &[&str] = &[
        "arch/x86/boot/bzImage",
        ".config",
        "include/config/kernel.release",
    ];

    #[rstest]
    #[case::image_of_a_package(PACKAGE, "boot/vmlinuz-6.1.0-56-amd64", true, true)]
    #[case::modules_of_a_package(PACKAGE, "lib/modules/6.1.0-56-amd64", true, true)]
    #[case::a_root_with_one_usr(
        &["boot/vmlinuz-6.1.0-56-amd64", "usr/lib/modules/6.1.0-56-amd64/modules.dep"],
        "usr/lib/modules/6.1.0-56-amd64", true, false,
    )]
    #[case::image_of_a_root_with_one_usr(
        &["boot/vmlinuz-6.1.0-56-amd64", "usr/lib/modules/6.1.0-56-amd64/modules.dep"],
        "boot/vmlinuz-6.1.0-56-amd64", true, false,
    )]
    #[case::image_among_the_modules(
        &["lib/modules/6.1.0-56-amd64/vmlinuz", "lib/modules/6.1.0-56-amd64/config"],
        "lib/modules/6.1.0-56-amd64", true, true,
    )]
    #[case::that_image_itself(
        &["lib/modules/6.1.0-56-amd64/vmlinuz", "lib/modules/6.1.0-56-amd64/config"],
        "lib/modules/6.1.0-56-amd64/vmlinuz", true, true,
    )]
    #[case::config_of_the_build(
        &["boot/vmlinuz-6.1.0-56-amd64", "lib/modules/6.1.0-56-amd64/build/.config"],
        "boot/vmlinuz-6.1.0-56-amd64", true, true,
    )]
    #[case::a_build(BUILD, ".", false, true)]
    #[case::image_of_a_build(BUILD, "arch/x86/boot/bzImage", false, true)]
    #[case::an_image_alone(&["some/where/vmlinuz"], "some/where/vmlinuz", false, false)]
    fn a_kernel_is_found_with_what_belongs_to_it(
        #[case] files: &[&str],
        #[case] given: &str,
        #[case] modules: bool,
        #[case] config: bool,
    ) {
        let root = tree(files);
        let kernel = Kernel::find(&root.path().join(given), None).unwrap();
        assert_eq!(kernel.flavour, Flavour::Bzimage);
        assert_eq!(kernel.release, RELEASE);
        assert_eq!(
            kernel
                .modules
                .as_deref()
                .and_then(Path::file_name)
                .map(|name| name == RELEASE),
            modules.then_some(true)
        );
        assert_eq!(kernel.config.is_some(), config);
        assert_eq!(kernel.build.is_some(), files == BUILD);
    }

    #[rstest]
    #[case::nothing(&[], "nowhere", "does not exist")]
    #[case::an_empty_directory(&["empty/"], "empty", "neither a Linux build directory nor one of modules")]
    #[case::not_built(&[".config", "Kbuild", "Makefile"], ".", "looked for")]
    #[case::source(&["Kbuild", "Makefile"], ".", "`make defconfig`")]
    #[case::no_image_for_modules(&["lib/modules/6.1.0/modules.dep"], "lib/modules/6.1.0", "boot/vmlinuz-6.1.0`")]
    #[case::the_directory_above(&["lib/modules/6.1.0/modules.dep"], ".", "lib/modules/6.1.0`")]
    #[case::an_empty_file(&["kernel"], "kernel", "neither a compressed kernel")]
    #[case::another_release(
        &["lib/modules/6.2.0/vmlinuz", "lib/modules/6.2.0/modules.dep"],
        "lib/modules/6.2.0", "6.1.0-56-amd64",
    )]
    fn what_cannot_be_booted_is_refused_with_a_remedy(
        #[case] files: &[&str],
        #[case] given: &str,
        #[case] expected: &str,
    ) {
        let root = tree(files);
        let error = Kernel::find(&root.path().join(given), None).unwrap_err();
        assert!(error.is_usage());
        let text = error.to_string();
        assert!(text.contains(expected) && text.ends_with(')'), "{text}");
    }

    #[test]
    fn a_vmlinux_is_refused_and_the_image_of_its_build_is_named() {
        let root = tree(&[]);
        let vmlinux = root.path().join("vmlinux");
        fs::write(&vmlinux, b"\x7fELF Linux version 6.1.0").unwrap();
        let text = Kernel::find(&vmlinux, None).unwrap_err().to_string();
        assert!(text.contains("arch/x86/boot/bzImage"), "{text}");
    }

    #[rstest]
    #[case("root", Ok("root/lib/modules/6.1.0-56-amd64"))]
    #[case("root/lib/modules/6.1.0-56-amd64", Ok("root/lib/modules/6.1.0-56-amd64"))]
    #[case("other/6.1.0", Err("release is 6.1.0-56-amd64"))]
    #[case("nowhere", Err("cannot be opened"))]
    #[case("vmlinuz", Err("not a directory"))]
    fn modules_that_are_given_must_be_this_kernels(
        #[case] given: &str,
        #[case] expected: Result<&str, &str>,
    ) {
        let root = tree(&["vmlinuz", "root/lib/modules/6.1.0-56-amd64/", "other/6.1.0/"]);
        let got = Kernel::find(&root.path().join("vmlinuz"), Some(&root.path().join(given)));
        match expected {
            Ok(directory) => assert_eq!(
                got.unwrap().modules.unwrap(),
                root.path().canonicalize().unwrap().join(directory)
            ),
            Err(text) => {
                let error = got.unwrap_err();
                assert!(error.is_usage() && error.to_string().contains(text), "{error}");
            }
        }
    }

    #[test]
    fn debians_user_mode_linux_is_found_by_its_name() {
        let kernel = Kernel::find(Path::new("linux.uml"), None).unwrap();
        assert_eq!(kernel.image, Path::new("/usr/bin/linux.uml"));
        // An alternative of Debian's, which leads to it.
        assert_eq!(
            Kernel::find(Path::new("linux"), None).unwrap().image,
            kernel.image
        );
    }

    #[test]
    fn a_name_that_is_no_program_is_refused_as_one() {
        let text = Kernel::find(Path::new("no-such-kernel"), None)
            .unwrap_err()
            .to_string();
        assert!(text.contains("no program in PATH has that name"), "{text}");
        let text = Kernel::find(Path::new("./no-such-kernel"), None)
            .unwrap_err()
            .to_string();
        assert!(!text.contains("PATH"), "{text}");
    }

    #[test]
    fn debians_user_mode_linux_is_found_with_its_modules_and_configuration() {
        let kernel = Kernel::find(Path::new("/usr/bin/linux.uml"), None).unwrap();
        assert_eq!(kernel.flavour, Flavour::Uml);
        assert_eq!(
            kernel.modules.unwrap(),
            Path::new("/usr/lib/uml/modules").join(&kernel.release)
        );
        assert_eq!(kernel.config.unwrap().get("HOSTFS"), Setting::Yes);
    }
}
