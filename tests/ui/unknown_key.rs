use kdev_volumes::kdev_volumes;

#[kdev_volumes(test(size = "1G", sise = "1G", fs = "xfs"))]
#[test]
fn f() {}

fn main() {}
