use kdev_volumes::kdev_volumes;

#[kdev_volumes(test = "10Q")]
#[test]
fn f() {}

fn main() {}
