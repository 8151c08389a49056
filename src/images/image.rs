//! What is done with one image. Records name it by its path: `$TMPDIR` of whoever made it may have been
//! another than ours.

use std::fs::{self, File};
use std::io::{self, ErrorKind};
use std::os::unix::fs::MetadataExt;
use std::path::Path;

use kdev_volumes_spec::Bytes;

use crate::fault;
use crate::images::dir::{Opened, make_file};
use crate::trust;

/// Tells whether a volume's image is there.
///
/// # Errors
///
/// If its directory is there and is not trusted.
pub(crate) fn is_there(path: &Path, lv_name: &str) -> io::Result<bool> {
    match Opened::of_image(path, lv_name)? {
        Some(directory) => is_file(&directory.image(lv_name)),
        None => Ok(false),
    }
}

/// Tells whether the image is marked as kept. What cannot be looked at is not.
pub(crate) fn is_marked_kept(path: &Path, lv_name: &str) -> bool {
    let marked = Opened::of_image(path, lv_name)
        .and_then(|directory| directory.map_or(Ok(false), |directory| is_file(&directory.marker(lv_name))));
    marked.unwrap_or(false)
}

/// Marks an image as kept, should the records be lost.
pub(crate) fn mark_kept(path: &Path, lv_name: &str) -> io::Result<()> {
    let Some(directory) = Opened::of_image(path, lv_name)? else {
        return Err(ErrorKind::NotFound.into());
    };
    match make_file(&directory.marker(lv_name)) {
        Err(err) if err.kind() != ErrorKind::AlreadyExists => Err(err),
        _ => {
            fault::point("image marked as kept");
            Ok(())
        }
    }
}

/// Gives an image another size.
pub(crate) fn resize(path: &Path, lv_name: &str, size: Bytes) -> io::Result<()> {
    let Some(directory) = Opened::of_image(path, lv_name)? else {
        return Err(ErrorKind::NotFound.into());
    };
    trust::open_to_write(&directory.image(lv_name))?.set_len(size.get())
}

/// Holds an image open, if it is there: as long as this file is open, its inode number cannot become
/// another's.
pub(crate) fn pin(path: &Path, lv_name: &str) -> Option<File> {
    let directory = Opened::of_image(path, lv_name).ok()??;
    trust::open(&directory.image(lv_name)).ok()
}

/// Removes an image and then its mark, if they are there.
///
/// In this order, since an image without its mark would not be known as kept any more, if this goes no
/// further and the records are lost. A mark without its image is removed by whoever finds it.
///
/// What merely has the image open does not hinder this: it keeps the file, without a name, until it closes
/// it, and then the kernel gives the room back.
pub(crate) fn remove(path: &Path, lv_name: &str) -> io::Result<()> {
    let Some(directory) = Opened::of_image(path, lv_name)? else {
        return Ok(());
    };
    remove_file(&directory.image(lv_name), "image removed")?;
    remove_file(&directory.marker(lv_name), "mark of an image removed")
}

/// Removes the mark of an image that is gone.
pub(crate) fn remove_marker(path: &Path, lv_name: &str) -> io::Result<()> {
    match Opened::of_image(path, lv_name)? {
        Some(directory) if !is_file(&directory.image(lv_name))? => {
            remove_file(&directory.marker(lv_name), "mark of an image removed")
        }
        _ => Ok(()),
    }
}

/// Returns what the kernel knows a regular file by: the number of its file system, and its own; `None` for
/// anything else.
pub(crate) fn identity(file: &File) -> io::Result<Option<(u64, u64)>> {
    let meta = file.metadata()?;
    Ok(meta.is_file().then(|| (meta.dev(), meta.ino())))
}

fn is_file(path: &Path) -> io::Result<bool> {
    match fs::symlink_metadata(path) {
        Ok(_) => Ok(true),
        Err(err) if err.kind() == ErrorKind::NotFound => Ok(false),
        Err(err) => Err(err),
    }
}

fn remove_file(path: &Path, done: &str) -> io::Result<()> {
    match fs::remove_file(path) {
        Ok(()) => {
            fault::point(done);
            Ok(())
        }
        Err(err) if err.kind() == ErrorKind::NotFound => Ok(()),
        Err(err) => Err(err),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::trust::make_private_directory;

    const NAME: &str = "kdev-20251115103045-a3f9d2-test";

    #[test]
    fn an_image_goes_with_its_mark_and_what_has_it_open_does_not_matter() {
        let root = tempfile::tempdir().unwrap();
        let dir = root.path().join("kdev-images-0");
        make_private_directory(&dir).unwrap();
        let image = dir.join(format!("{NAME}.img"));
        fs::write(&image, "content").unwrap();
        let user = pin(&image, NAME).unwrap();
        mark_kept(&image, NAME).unwrap();
        mark_kept(&image, NAME).unwrap();
        remove_marker(&image, NAME).unwrap();
        assert!(is_there(&image, NAME).unwrap() && is_marked_kept(&image, NAME));
        remove(&image, NAME).unwrap();
        remove(&image, NAME).unwrap();
        assert!(!is_there(&image, NAME).unwrap() && !is_marked_kept(&image, NAME));
        assert_eq!(user.metadata().unwrap().len(), 7);
        assert_eq!(fs::read_dir(&dir).unwrap().count(), 0);
    }

    #[test]
    fn a_mark_without_its_image_can_be_removed() {
        let root = tempfile::tempdir().unwrap();
        let dir = root.path().join("kdev-images-0");
        make_private_directory(&dir).unwrap();
        let image = dir.join(format!("{NAME}.img"));
        mark_kept(&image, NAME).unwrap();
        assert!(is_marked_kept(&image, NAME));
        remove_marker(&image, NAME).unwrap();
        assert_eq!(fs::read_dir(&dir).unwrap().count(), 0);
    }
}
