use kdev_volumes::kdev_volumes;

#[kdev_volumes(none = [], zero = ["1G"; 0], many = ["1G"; 1000000], name = ["1G"; COUNT], each = ["1G", "1Q"])]
#[test]
fn how_many() {}

#[kdev_volumes(a_name_of_thirty_two_characters_x = ["1G"; 2], disk(size = ["1G"; 2], env = "MY_DISK"))]
#[test]
fn named() {}

fn main() {}
