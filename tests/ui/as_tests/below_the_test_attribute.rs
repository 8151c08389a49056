use kdev_volumes::{Volume, kdev_volumes};

#[test]
#[kdev_volumes(test = "1G")]
fn name(test: Volume) {
    drop(test);
}
