use kdev_volumes::kdev_volumes;

#[kdev_volumes(test = "1G")]
fn name() -> Result<(), Box<dyn Fn() -> impl std::fmt::Debug>> {
    Ok(())
}

fn main() {}
