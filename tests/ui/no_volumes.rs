use kdev_volumes::kdev_volumes;

#[kdev_volumes]
#[test]
fn bare() {}

#[kdev_volumes()]
#[test]
fn empty() {}

fn main() {}
