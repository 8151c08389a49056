use kdev_volumes::kdev_volumes;

#[kdev_volumes(test = "1G")]
struct Test;

#[kdev_volumes(test = "1G")]
mod tests {}

fn main() {}
