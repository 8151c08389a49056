use kdev_volumes::kdev_volumes;

#[kdev_volumes(test(size = "1G", env = "MY-DEV"), scratch(size = "1G", env = MY_DEV))]
#[test]
fn f() {}

fn main() {}
