use kdev_volumes::kdev_volumes;

#[kdev_volumes(test = "1.5G", scratch = "G", journal = "9E")]
#[test]
fn in_quotes() {}

#[kdev_volumes(a = -1, b = 1.5, c = true, d = 10G, e = 1 << 30)]
#[test]
fn without_quotes() {}

fn main() {}
