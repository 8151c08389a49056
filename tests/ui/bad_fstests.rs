use kdev_volumes::{Volume, kdev_volumes};

#[kdev_volumes(fstests = ["1G"; 7])]
#[test]
fn several_sizes() {}

#[kdev_volumes(test = "1G", fstests = "1G")]
#[test]
fn one_of_them_is_there() {}

#[kdev_volumes(fstests = "1G")]
#[test]
fn it_is_no_volume(fstests: Volume) {
    drop(fstests);
}

fn main() {}
