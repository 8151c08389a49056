use kdev_volumes::{Volume, kdev_volumes};

#[kdev_volumes(test = "1G")]
#[test]
fn wrong_type(test: u32) {}

#[kdev_volumes(test = "1G")]
#[test]
fn wrong_reference(test: &mut Volume) {}

#[kdev_volumes(test = "1G")]
#[test]
fn wrong_pattern(ref test: Volume) {}

#[kdev_volumes(test = "1G")]
#[test]
fn generic(test: impl AsRef<Volume>) {}

fn main() {}
