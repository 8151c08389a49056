//! The program and the text, where sudo finds them.

use std::env;
use std::fs::{self, File, Permissions};
use std::io::{self, ErrorKind, Write};
use std::os::unix::fs::{OpenOptionsExt, PermissionsExt, fchown};
use std::path::{Path, PathBuf};

use nix::libc;
use tempfile::NamedTempFile;

use crate::command::Invocation;
use crate::error::{Error, Result};
use crate::root::PROGRAM;
use crate::sudoers::line::MARK;
use crate::trust::{NotRoots, check_only_root};

/// sudo reads all of this directory, but for names with a `.` in them (sudoers(5)).
pub(super) const SUDOERS: &str = "/etc/sudoers.d/kdev-volumes";

pub(super) fn check(text: &str) -> Result<bool> {
    let visudo = match Invocation::of_sudo("visudo") {
        Err(Error::NotInstalled { .. }) => return Ok(false),
        found => found?,
    };
    let failed = |err| Error::io("write for visudo in", env::temp_dir(), err);
    let mut file = NamedTempFile::new().map_err(failed)?;
    file.write_all(text.as_bytes()).map_err(failed)?;
    visudo.args(["-c", "-f"]).arg(file.path()).run()?;
    Ok(true)
}

pub(super) fn install(text: &str) -> Result<Vec<PathBuf>> {
    let (program, sudoers) = (Path::new(PROGRAM), Path::new(SUDOERS));
    // All that can be refused is refused before anything is written.
    let visudo = Invocation::of_sudo("visudo")?;
    is_ours(sudoers)?;
    for directory in [program, sudoers].into_iter().filter_map(Path::parent) {
        only_roots(directory)?;
    }
    let (source, mut from) = beside_us()?;
    let failed = |err| Error::io("install", program, err);
    let mut new = new_beside(program).map_err(failed)?;
    io::copy(&mut from, &mut new).map_err(|err| Error::io("copy", source, err))?;
    let new_text = new_beside(sudoers).and_then(|mut file| {
        file.write_all(text.as_bytes())?;
        finish(&file, 0o440)?;
        Ok(file)
    });
    let new_text = new_text.map_err(|err| Error::io("write beside", sudoers, err))?;
    visudo.args(["-c", "-f"]).arg(new_text.path()).run()?;
    // The program first: a line that leads nowhere would be one that somebody else could lead somewhere.
    finish(&new, 0o755).map_err(failed)?;
    new.persist(program).map_err(|err| failed(err.error))?;
    let written = new_text.persist(sudoers);
    written.map_err(|err| Error::io("install", sudoers, err.error))?;
    Ok(vec![program.to_owned(), sudoers.to_owned()])
}

pub(super) fn remove() -> Result<Vec<PathBuf>> {
    let mut files = Vec::new();
    if is_ours(Path::new(SUDOERS))? {
        files.push(PathBuf::from(SUDOERS));
    }
    if fs::symlink_metadata(PROGRAM).is_ok() {
        files.push(PathBuf::from(PROGRAM));
    }
    for file in &files {
        fs::remove_file(file).map_err(|err| Error::io("remove", file, err))?;
    }
    Ok(files)
}

/// Tells whether the text is there; another file in its place is an error.
fn is_ours(file: &Path) -> Result<bool> {
    let text = match fs::read_to_string(file) {
        Err(err) if err.kind() == ErrorKind::NotFound => return Ok(false),
        text => text.map_err(|err| Error::io("read", file, err))?,
    };
    match text.lines().next() == Some(MARK) {
        true => Ok(true),
        false => Err(Error::NotOurs {
            what: format!("`{}`", file.display()),
            why: "`kdev setup-sudo` did not write it (look what it is for, and remove it yourself)".into(),
        }),
    }
}

/// Who may write to a directory, or to one on the way to it, may put another program in the place of ours.
fn only_roots(directory: &Path) -> Result<()> {
    match check_only_root(directory) {
        Ok(()) => Ok(()),
        Err(NotRoots::Unknown(path, err)) => Err(Error::io("look at", path, err)),
        Err(NotRoots::Changeable(path)) => Err(Error::Untrusted {
            why: format!(
                "others than root may write to it, and so put anything in the place of what sudo runs (`chown root {0}; chmod go-w {0}`)",
                path.display()
            ),
            path,
        }),
    }
}

/// Opens the `kdev-root` that was built with this program.
fn beside_us() -> Result<(PathBuf, File)> {
    let myself = env::current_exe().map_err(|err| Error::io("find", "/proc/self/exe", err))?;
    let source = myself.with_file_name("kdev-root");
    let opened = File::options()
        .read(true)
        .custom_flags(libc::O_NOFOLLOW)
        .open(&source);
    match opened {
        Err(err) if err.kind() == ErrorKind::NotFound => Err(Error::Missing {
            what: format!("`{}`", source.display()),
            hint: "`cargo install` puts it beside `kdev`; move both together",
        }),
        Err(err) => Err(Error::io("open", source, err)),
        Ok(file) => Ok((source, file)),
    }
}

/// sudo passes over it, by the `.` in its name.
fn new_beside(file: &Path) -> io::Result<NamedTempFile> {
    let directory = file.parent().unwrap_or(file);
    tempfile::Builder::new().prefix(".kdev-").tempfile_in(directory)
}

fn finish(file: &NamedTempFile, mode: u32) -> io::Result<()> {
    let file = file.as_file();
    fchown(file, Some(0), Some(0))?;
    file.set_permissions(Permissions::from_mode(mode))?;
    file.sync_all()
}
