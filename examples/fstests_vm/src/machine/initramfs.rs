//! The first files of the guest: what loads modules and mounts its root.

use std::collections::BTreeSet;
use std::io::{self, Write};

use cpio::newc::{Builder, ModeFileType, trailer};

use super::busybox::Busybox;
use super::modules::Module;
use super::{Error, Result};

/// Directories that are there even if nothing is in them.
const DIRECTORIES: [&str; 6] = ["bin", "dev", "modules", "proc", "run", "sys"];

/// The name of the file that says how to load the modules.
const ORDER: &str = "modules/order";

/// A file of the guest.
#[derive(Clone, Debug)]
pub(crate) struct File<'a> {
    /// Where it is in the guest, with or without a slash in front.
    pub(crate) path: &'a str,
    /// Its permissions.
    pub(crate) mode: u32,
    /// What is in it.
    pub(crate) bytes: &'a [u8],
}

/// Packs an initramfs: `/init`, `/bin/busybox`, the modules and further files.
///
/// `/modules/order` has a line for each module, in the order in which to load them: `require` or `try`, and
/// its file in `/modules`. The archive is not compressed: it never leaves this machine's memory. The
/// same parts give the same bytes.
///
/// # Errors
///
/// What [`Module::read`] says, and [`Error::System`] for a file of more than 4 GiB.
pub(crate) fn pack(init: &str, busybox: &Busybox, modules: &[Module], files: &[File<'_>]) -> Result<Vec<u8>> {
    let mut contents = Vec::with_capacity(modules.len());
    for (number, module) in modules.iter().enumerate() {
        contents.push((format!("{number:03}-{}.ko", module.name), module.read()?));
    }
    let order: String = modules
        .iter()
        .zip(&contents)
        .map(|(module, (file, _))| format!("{} {file}\n", if module.required { "require" } else { "try" }))
        .collect();
    let mut archive = Archive::default();
    archive
        .directories(files)
        .and_then(|()| archive.console())
        .and_then(|()| archive.file("init", 0o755, init.as_bytes()))
        .and_then(|()| archive.file("bin/busybox", 0o755, &busybox.bytes))
        .and_then(|()| {
            contents
                .iter()
                .try_for_each(|(file, bytes)| archive.file(&format!("modules/{file}"), 0o644, bytes))
        })
        .and_then(|()| archive.file(ORDER, 0o644, order.as_bytes()))
        .and_then(|()| {
            files
                .iter()
                .try_for_each(|file| archive.file(relative(file.path), file.mode, file.bytes))
        })
        .and_then(|()| trailer(archive.bytes))
        .map_err(Error::system("the initramfs"))
}

/// An archive as the kernel unpacks it (Documentation/driver-api/early-userspace/buffer-format.rst).
#[derive(Default)]
struct Archive {
    bytes: Vec<u8>,
    entries: u32,
}

impl Archive {
    /// Adds the directories, each before what is in it: the kernel makes none by itself.
    fn directories(&mut self, files: &[File<'_>]) -> io::Result<()> {
        let mut directories: BTreeSet<&str> = DIRECTORIES.into();
        for file in files {
            let path = relative(file.path);
            directories.extend(path.match_indices('/').map(|(at, _)| &path[..at]));
        }
        for directory in directories {
            self.add(directory, 0o755, ModeFileType::Directory, &[], (0, 0))?;
        }
        Ok(())
    }

    /// Adds the device that the kernel opens for init, before anybody has mounted devtmpfs.
    fn console(&mut self) -> io::Result<()> {
        self.add("dev/console", 0o600, ModeFileType::Char, &[], (5, 1))
    }

    fn file(&mut self, path: &str, mode: u32, bytes: &[u8]) -> io::Result<()> {
        self.add(path, mode, ModeFileType::Regular, bytes, (0, 0))
    }

    fn add(
        &mut self,
        path: &str,
        mode: u32,
        kind: ModeFileType,
        bytes: &[u8],
        device: (u32, u32),
    ) -> io::Result<()> {
        let too_large = |_| io::Error::new(io::ErrorKind::FileTooLarge, format!("`{path}` is too large"));
        let size = u32::try_from(bytes.len()).map_err(too_large)?;
        self.entries += 1;
        let mut entry = Builder::new(path)
            .ino(self.entries)
            .mode(mode)
            .set_mode_file_type(kind)
            .rdev_major(device.0)
            .rdev_minor(device.1)
            .write(&mut self.bytes, size);
        entry.write_all(bytes)?;
        entry.finish().map(drop)
    }
}

/// A path as an archive has it.
fn relative(path: &str) -> &str {
    path.trim_start_matches('/')
}

#[cfg(test)]
mod tests {
    use std::path::Path;
    use std::process::{Command, Stdio};

    use super::*;

    fn module(directory: &Path, name: &str, required: bool) -> Module {
        let file = directory.join(format!("{name}.ko"));
        std::fs::write(&file, format!("module {name}")).unwrap();
        Module {
            name: name.into(),
            file,
            required,
        }
    }

    fn packed() -> Vec<u8> {
        let directory = tempfile::tempdir().unwrap();
        let busybox = Busybox {
            bytes: b"busybox".to_vec(),
        };
        let modules = [
            module(directory.path(), "virtio", true),
            module(directory.path(), "crc32c_intel", false),
        ];
        let guest = File {
            path: "/kv/guest/init",
            mode: 0o700,
            bytes: b"#!/bin/bash\n",
        };
        pack("#!/bin/busybox sh\n", &busybox, &modules, &[guest]).unwrap()
    }

    /// Runs `cpio` on an archive in a directory.
    fn cpio(directory: &Path, arguments: &[&str], archive: &[u8]) -> String {
        let mut child = Command::new("cpio")
            .args(arguments)
            .current_dir(directory)
            .env("TZ", "UTC")
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        child.stdin.take().unwrap().write_all(archive).unwrap();
        let output = child.wait_with_output().unwrap();
        assert!(output.status.success());
        String::from_utf8(output.stdout).unwrap()
    }

    #[test]
    fn an_initramfs_has_each_directory_before_what_is_in_it() {
        let directory = tempfile::tempdir().unwrap();
        let list = cpio(directory.path(), &["-t", "--quiet"], &packed());
        let names: Vec<&str> = list.lines().collect();
        assert_eq!(
            names,
            [
                "bin",
                "dev",
                "kv",
                "kv/guest",
                "modules",
                "proc",
                "run",
                "sys",
                "dev/console",
                "init",
                "bin/busybox",
                "modules/000-virtio.ko",
                "modules/001-crc32c_intel.ko",
                "modules/order",
                "kv/guest/init",
            ]
        );
        let long = cpio(directory.path(), &["-tv", "--quiet", "-n"], &packed());
        let line = |name: &str| long.lines().find(|line| line.ends_with(name)).unwrap();
        assert!(line(" dev/console").starts_with("crw-------   1 0        0          5,   1"));
        assert!(line(" kv/guest/init").starts_with("-rwx------"));
        assert!(line(" init").starts_with("-rwxr-xr-x"));
    }

    #[test]
    fn the_order_says_what_must_be_loaded_and_what_may() {
        let directory = tempfile::tempdir().unwrap();
        cpio(directory.path(), &["-id", "--quiet", "modules/*"], &packed());
        let text = |name: &str| std::fs::read_to_string(directory.path().join("modules").join(name)).unwrap();
        assert_eq!(text("order"), "require 000-virtio.ko\ntry 001-crc32c_intel.ko\n");
        assert_eq!(text("000-virtio.ko"), "module virtio");
    }

    #[test]
    fn the_same_parts_give_the_same_bytes() {
        assert_eq!(packed(), packed());
    }

    #[test]
    fn a_module_that_cannot_be_read_is_named() {
        let module = Module {
            name: "x".into(),
            file: "/nowhere/x.ko".into(),
            required: true,
        };
        let busybox = Busybox { bytes: Vec::new() };
        let error = pack("", &busybox, &[module], &[]).unwrap_err();
        assert_eq!(error.to_string(), "cannot read `/nowhere/x.ko`");
    }
}
