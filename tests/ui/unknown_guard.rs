use kdev_volumes::{Volume, kdev_volumes};

#[kdev_volumes(test = "1G", scratch = "1G")]
#[test]
fn misspelt(test: Volume, scrtch: &Volume) {}

#[kdev_volumes(test = "1G")]
#[test]
fn nameless(_: Volume) {}

fn main() {}
