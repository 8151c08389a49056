//! Sparse files in a directory of ours: volumes that need no rights.

mod dir;
mod image;

pub(crate) use dir::{Found, ImageDir, in_directory, is_image};
pub(crate) use image::{identity, is_marked_kept, is_there, mark_kept, pin, remove, remove_marker, resize};
