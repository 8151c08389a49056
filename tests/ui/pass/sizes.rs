#![deny(warnings)]

use kdev_volumes::{Session, Volume, kdev_volumes};

#[kdev_volumes(a = "10G", b = "512 MiB", c = 1073741824, d = 1_048_576, e = 0x1000)]
fn every_notation() {}

#[kdev_volumes(
    test(size = "10G", env = "MY_DEV", order = 2, mkfs = "xfs", mkfs_args = ["-m", "crc=1"]),
    scratch(size = 4096,)
)]
fn every_key() {}

#[kdev_volumes(pool1 = "1G", pool2 = "1G", pool3 = "1G")]
fn one_variable_for_a_pool() {}

#[kdev_volumes(pool = ["1G"; 3], disk = ["2G", "1G"], data(size = [4096], order = 1))]
fn sets(pool2: &Volume, disk1: Volume, data1: Volume) {
    drop((disk1, data1));
    let _: &Volume = pool2;
}

#[kdev_volumes(fstests = "10G")]
fn all_of_fstests(volumes: &Session) {
    let _: &Session = volumes;
}

macro_rules! test_of_size {
    ($name:ident, $size:expr) => {
        #[kdev_volumes(test = $size)]
        fn $name() {}
    };
}

test_of_size!(small, "1M");
test_of_size!(large, "1T");
test_of_size!(set, ["1G"; 2]);

fn main() {
    let _: [fn(); 8] = [every_notation, every_key, one_variable_for_a_pool, sets, all_of_fstests, small, large, set];
}
