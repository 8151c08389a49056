use kdev_volumes::kdev_volumes;

#[kdev_volumes(test = "1G")]
#[test]
fn f() -> Result<(), impl std::fmt::Debug> {
    Ok::<(), String>(())
}

fn main() {}
