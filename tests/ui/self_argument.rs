use kdev_volumes::{Volume, kdev_volumes};

struct Suite;

impl Suite {
    #[kdev_volumes(test = "1G")]
    #[test]
    fn f(&self, test: Volume) {}
}

fn main() {}
