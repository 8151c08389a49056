use std::fs::File;

use kdev_volumes_spec::Bytes;

use crate::backend::{Leftover, Made, Named};
use crate::error::{Error, Result};
use crate::fault;
use crate::holders::standing_on;
use crate::images::{self, ImageDir};
use crate::sparse;
use crate::trust;

pub(super) fn make(dir: &ImageDir, volume: &mut Named, is_kept: bool) -> Result<Made> {
    make_with(dir, volume, is_kept, |image, volume| {
        // How large a file may be, and how much of it may be missing, is for the filesystem to say.
        image
            .set_len(volume.size.get())
            .map_err(|err| Error::io("make a sparse file of the volume's size of", &volume.path, err))
    })
}

/// Makes an image that is what another one is, beside that.
pub(super) fn snapshot(origin: &Named, volume: &mut Named, is_kept: bool) -> Result<Made> {
    let failed = |err| trust::error("copy the image", &origin.path, err);
    let missing = || failed(std::io::ErrorKind::NotFound.into());
    let dir = ImageDir::of_image(&origin.path).ok_or_else(missing)?;
    let from = images::pin(&origin.path, &origin.lv_name).ok_or_else(missing)?;
    volume.size = Bytes::new(from.metadata().map_err(failed)?.len());
    make_with(&dir, volume, is_kept, |image, volume| {
        let copied = image
            .set_len(volume.size.get())
            .and_then(|()| sparse::copy(&from, image, volume.size))
            .and_then(|()| image.sync_all());
        copied.map_err(failed)
    })
}

/// The volume's path is set as soon as its image is there.
fn make_with(
    dir: &ImageDir,
    volume: &mut Named,
    is_kept: bool,
    fill: impl FnOnce(&File, &Named) -> Result<()>,
) -> Result<Made> {
    let image = dir.make(&volume.lv_name)?;
    volume.path = dir.image(&volume.lv_name);
    fill(&image, volume)?;
    fault::point("image has its size");
    if is_kept {
        mark_kept(volume)?;
    }
    Ok(Made::of_image(volume))
}

pub(super) fn mark_kept(volume: &Named) -> Result<()> {
    images::mark_kept(&volume.path, &volume.lv_name)
        .map_err(|err| trust::error("mark as kept the image", &volume.path, err))
}

/// Only what stands on an image keeps it: a loop device would live on over a file without a name, and who
/// has mounted it would not know that it is lost.
pub(super) fn remove(volume: &Named) -> Option<Leftover> {
    let standing = standing_on(&[&volume.path]).remove(0);
    if !standing.is_empty() {
        return Some(Leftover::held(volume, standing.join(", ")));
    }
    let err = images::remove(&volume.path, &volume.lv_name).err()?;
    let err = trust::error("remove the image", &volume.path, err);
    Some(Leftover::new(volume, err.chain()))
}
