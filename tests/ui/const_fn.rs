use kdev_volumes::kdev_volumes;

#[kdev_volumes(test = "1G")]
#[test]
const fn f() {}

fn main() {}
