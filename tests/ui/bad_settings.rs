use kdev_volumes::kdev_volumes;

#[kdev_volumes(test = "1G", in_process, in_process)]
#[test]
fn twice() {}

#[kdev_volumes(test = "1G", crate = renamed)]
#[test]
fn no_string() {}

#[kdev_volumes(test = "1G", crate = "a b")]
#[test]
fn no_path() {}

#[kdev_volumes(in_process)]
#[test]
fn alone() {}

fn main() {}
