use kdev_volumes::kdev_volumes;

#[kdev_volumes(test = "1G")]
#[test]
extern "C" fn f() {}

fn main() {}
