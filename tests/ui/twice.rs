use kdev_volumes::kdev_volumes;

#[kdev_volumes(test = "1G")]
#[kdev_volumes(scratch = "1G")]
#[test]
fn f() {}

fn main() {}
