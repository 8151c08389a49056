use kdev_volumes::kdev_volumes;

#[kdev_volumes(a(size = "1G", order = -1), b(size = "1G", order = "1"), c(size = "1G", order = 4294967296))]
#[test]
fn f() {}

fn main() {}
