use kdev_volumes::kdev_volumes;

#[kdev_volumes(test = "1G", other(size = "1G", env = "TEST_DEV"))]
#[test]
fn f() {}

fn main() {}
