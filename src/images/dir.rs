use std::env;
use std::fs::{self, File, OpenOptions};
use std::io::{self, ErrorKind};
use std::os::fd::AsRawFd;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{self, Path, PathBuf};

use kdev_volumes_spec::Bytes;
use nix::libc;

use crate::error::{Error, Result};
use crate::fault;
use crate::trust;

/// What the names of the directories begin with; the user's number comes after it.
const DIR_PREFIX: &str = "kdev-images-";

/// What comes after the volume's name.
const IMAGE: &str = ".img";

/// What comes after the volume's name in the file that says that the image is kept.
const MARKER: &str = ".img.kept";

/// The directory in which this user's images are made.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct ImageDir {
    path: PathBuf,
}

/// An image, or the mark of one that is gone, found by a look into its directory.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Found {
    pub(crate) lv_name: String,
    pub(crate) path: PathBuf,
    /// `None` if there is only the mark.
    pub(crate) size: Option<Bytes>,
    pub(crate) is_marked_kept: bool,
}

impl ImageDir {
    /// Takes `kdev-images-UID` in `$TMPDIR`, else in `/var/tmp`: a place on a disk, where `/tmp` is often
    /// in memory.
    pub(crate) fn from_env() -> Self {
        let above = env::var_os("TMPDIR")
            .filter(|dir| !dir.is_empty())
            .map_or_else(|| "/var/tmp".into(), PathBuf::from);
        // A test may change its working directory; where its volumes are must not change with it. If even
        // that directory is gone, making an image says so.
        let above = path::absolute(&above).unwrap_or(above);
        Self {
            path: above.join(format!("{DIR_PREFIX}{}", nix::unistd::geteuid())),
        }
    }

    /// Takes the one that an image is in: `$TMPDIR` of who made it may have been another.
    pub(crate) fn of_image(image: &Path) -> Option<Self> {
        let path = image.parent().filter(|path| is_of_our_form(path))?.to_owned();
        Some(Self { path })
    }

    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    /// Returns where a volume's image will be.
    pub(crate) fn image(&self, lv_name: &str) -> PathBuf {
        self.path.join(format!("{lv_name}{IMAGE}"))
    }

    /// Makes an image without any content, and the directory if it is missing. It is of no size yet.
    pub(crate) fn make(&self, lv_name: &str) -> Result<File> {
        let directory = trust::make_private_directory(&self.path)
            .map_err(|err| trust::error("make the directory", &self.path, err))?;
        fault::point("directory of images made");
        let directory = Opened(directory);
        let image = make_file(&directory.image(lv_name))
            .map_err(|err| Error::io("make the image", self.image(lv_name), err))?;
        fault::point("image made");
        Ok(image)
    }
}

/// Tells whether a volume's path is that of an image.
pub(crate) fn is_image(path: &Path) -> bool {
    path.extension().is_some_and(|extension| extension == "img") && path.parent().is_some_and(is_of_our_form)
}

fn is_of_our_form(directory: &Path) -> bool {
    let name = directory.file_name().and_then(|name| name.to_str());
    name.is_some_and(|name| name.starts_with(DIR_PREFIX))
}

/// Lists what there is in a directory of images, by volume; nothing if that is missing.
pub(crate) fn in_directory(path: &Path) -> io::Result<Vec<Found>> {
    let Some(directory) = Opened::of(path)? else {
        return Ok(Vec::new());
    };
    let entries = fs::read_dir(directory.at(""))?;
    let names: Vec<String> = entries
        .map(|entry| Ok(entry?.file_name()))
        .filter_map(|name: io::Result<_>| name.map(|name| name.into_string().ok()).transpose())
        .collect::<io::Result<_>>()?;
    let is_there = |name: &str| names.iter().any(|found| found == name);
    let found = names.iter().filter_map(|name| {
        let (lv_name, is_marker) = match name.strip_suffix(MARKER) {
            Some(lv_name) => (lv_name, true),
            None => (name.strip_suffix(IMAGE)?, false),
        };
        let image = format!("{lv_name}{IMAGE}");
        if is_marker && is_there(&image) {
            return None;
        }
        let meta = fs::symlink_metadata(directory.at(&image)).ok();
        Some(Found {
            path: path.join(&image),
            size: meta.map(|meta| Bytes::new(meta.len())),
            is_marked_kept: is_there(&format!("{lv_name}{MARKER}")),
            lv_name: lv_name.to_owned(),
        })
    });
    Ok(found.collect())
}

/// A directory of images that was looked at and is trusted. Files in it are reached through it, so that
/// nobody can put another one in its place between the look and the deed.
pub(super) struct Opened(File);

impl Opened {
    /// Opens a directory of images; `None` if there is none at that path, or its name is not of our form.
    pub(super) fn of(path: &Path) -> io::Result<Option<Self>> {
        if !is_of_our_form(path) {
            return Ok(None);
        }
        match trust::open_private_directory(path) {
            Ok(directory) => Ok(Some(Self(directory))),
            Err(err) if err.kind() == ErrorKind::NotFound => Ok(None),
            Err(err) => Err(err),
        }
    }

    /// Opens the directory of a volume's image; `None` too if the image's path is not of our form.
    pub(super) fn of_image(image: &Path, lv_name: &str) -> io::Result<Option<Self>> {
        // Who writes records is trusted, but a name that leads elsewhere is none of ours.
        let is_ours = image
            .file_name()
            .is_some_and(|name| name.to_str() == Some(&format!("{lv_name}{IMAGE}")));
        match image.parent() {
            Some(directory) if is_ours => Self::of(directory),
            _ => Ok(None),
        }
    }

    pub(super) fn image(&self, lv_name: &str) -> PathBuf {
        self.at(&format!("{lv_name}{IMAGE}"))
    }

    pub(super) fn marker(&self, lv_name: &str) -> PathBuf {
        self.at(&format!("{lv_name}{MARKER}"))
    }

    fn at(&self, name: &str) -> PathBuf {
        Path::new("/proc/self/fd")
            .join(self.0.as_raw_fd().to_string())
            .join(name)
    }
}

/// Makes a file that is not there, for its owner only.
pub(super) fn make_file(path: &Path) -> io::Result<File> {
    let mut options = OpenOptions::new();
    options.read(true).write(true).create_new(true).mode(0o600);
    options.custom_flags(libc::O_NOFOLLOW).open(path)
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use super::*;

    const NAME: &str = "kdev-20251115103045-a3f9d2-test";

    fn directory(above: &Path) -> ImageDir {
        let path = above.join("kdev-images-0");
        ImageDir { path }
    }

    #[test]
    fn an_image_is_made_for_its_owner_only_and_only_once() {
        let root = tempfile::tempdir().unwrap();
        let dir = directory(root.path());
        let image = dir.make(NAME).unwrap();
        assert_eq!(image.metadata().unwrap().permissions().mode() & 0o777, 0o600);
        let again = dir.make(NAME).unwrap_err();
        assert!(matches!(again, Error::Io { source, .. } if source.kind() == ErrorKind::AlreadyExists));
    }

    #[test]
    fn images_and_marks_are_found_by_volume_and_other_files_are_not() {
        let root = tempfile::tempdir().unwrap();
        let dir = directory(root.path());
        assert_eq!(in_directory(dir.path()).unwrap(), []);
        dir.make("a").unwrap().set_len(4096).unwrap();
        dir.make("b").unwrap();
        for name in ["b.img.kept", "c.img.kept", "other", "d.img.bak"] {
            fs::write(dir.path().join(name), "").unwrap();
        }
        let mut found = in_directory(dir.path()).unwrap();
        found.sort_by(|one, other| one.lv_name.cmp(&other.lv_name));
        let found: Vec<_> = found
            .iter()
            .map(|found| (found.lv_name.as_str(), found.size, found.is_marked_kept))
            .collect();
        assert_eq!(
            found,
            [
                ("a", Some(Bytes::new(4096)), false),
                ("b", Some(Bytes::new(0)), true),
                ("c", None, true)
            ]
        );
    }

    #[test]
    fn a_directory_or_a_file_of_another_name_is_none_of_ours() {
        let root = tempfile::tempdir().unwrap();
        let dir = directory(root.path());
        dir.make(NAME).unwrap();
        assert!(Opened::of(root.path()).unwrap().is_none());
        assert!(Opened::of_image(&dir.image("other"), NAME).unwrap().is_none());
        assert!(Opened::of_image(Path::new(""), NAME).unwrap().is_none());
        assert!(Opened::of_image(&dir.image(NAME), NAME).unwrap().is_some());
    }
}
