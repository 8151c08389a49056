use kdev_volumes::kdev_volumes;

#[kdev_volumes(Test = "1G", my_tdata = "1G", super = "1G")]
#[test]
fn f() {}

fn main() {}
