use kdev_volumes::kdev_volumes;

#[kdev_volumes(test, scratch(order = 1), journal())]
#[test]
fn f() {}

fn main() {}
