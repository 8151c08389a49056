use kdev_volumes::kdev_volumes;

#[kdev_volumes(test = 0, scratch(size = "0G"))]
#[test]
fn f() {}

fn main() {}
