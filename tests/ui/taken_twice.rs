use kdev_volumes::{Volume, kdev_volumes};

#[kdev_volumes(test = "1G")]
#[test]
fn f(test: Volume, _test: &Volume) {}

fn main() {}
