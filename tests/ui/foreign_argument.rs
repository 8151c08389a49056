use kdev_volumes::{Volume, kdev_volumes};

#[kdev_volumes(test = "1G")]
#[rstest::rstest]
fn misspelt(tset: Volume) {
    drop(tset);
}

#[kdev_volumes(test = "1G")]
#[test]
fn nobody_takes_it(number: u32) {
    let _ = number;
}

fn main() {}
