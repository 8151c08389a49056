use kdev_volumes::{Volume, kdev_volumes};

#[kdev_volumes(Test = "1X", scratch(sise = 1, order = "x"), journal = "1G", journal = "1G")]
#[test]
async fn f(test: Volume) {}

fn main() {}
