use kdev_volumes::kdev_volumes;

#[kdev_volumes(test(size = "1G", order = 1, size = "2G"))]
#[test]
fn f() {}

fn main() {}
