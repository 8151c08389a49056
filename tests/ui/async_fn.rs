use kdev_volumes::{Volume, kdev_volumes};

#[kdev_volumes(test = "1G")]
#[test]
async fn f(test: Volume) {}

fn main() {}
