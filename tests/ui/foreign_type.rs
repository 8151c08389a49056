use kdev_volumes::kdev_volumes;

struct Volume;

#[kdev_volumes(test = "1G")]
fn owned(test: Volume) {}

#[kdev_volumes(test = "1G")]
fn lent(test: &Volume) {}

fn main() {}
