use kdev_volumes::kdev_volumes;

#[kdev_volumes(test(size = "1G", mkfs = "../sh"), scratch(size = "1G", mkfs = xfs))]
#[test]
fn no_type() {}

#[kdev_volumes(test(size = "1G", mkfs_args = ["-q"]), scratch(size = "1G", mkfs = "xfs", mkfs_args = "-m crc=1"))]
#[test]
fn no_arguments() {}

fn main() {}
