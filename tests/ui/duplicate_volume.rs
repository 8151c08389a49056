use kdev_volumes::kdev_volumes;

#[kdev_volumes(test = "1G", scratch = "1G", test = "2G")]
#[test]
fn f() {}

fn main() {}
