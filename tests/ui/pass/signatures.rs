#![deny(warnings)]

use std::process::{ExitCode, Termination};

use kdev_volumes::{Volume, kdev_volumes};

mod inner {
    use super::{Volume, kdev_volumes};

    /// Documented, and seen from outside.
    #[kdev_volumes(test = "1G")]
    pub(crate) fn visible(test: Volume) {
        drop(test);
    }
}

#[kdev_volumes(test = "1G")]
fn generic<T>(test: Volume) -> Result<(), T>
where
    T: Default,
{
    drop(test);
    Err(T::default())
}

#[kdev_volumes(test = "1G")]
unsafe fn not_safe(test: &Volume) {
    let _: &Volume = test;
}

#[kdev_volumes(test = "1G")]
fn early(test: Volume) -> Result<(), Box<dyn std::error::Error>> {
    if std::process::id() == 0 {
        return Err("no such process".into());
    }
    drop(test);
    Ok(())
}

#[kdev_volumes(test = "1G")]
#[should_panic(expected = "on purpose")]
#[test]
fn panics() {
    panic!("on purpose");
}

#[kdev_volumes(test = "1G")]
fn never_ends() {
    loop {
        std::thread::park();
    }
}

#[kdev_volumes(test = "1G")]
fn with_inner_attributes() {
    #![allow(unused_mut)]
    let mut _x = 1;
}

#[kdev_volumes(test = "1G")]
async fn asynchronous(test: Volume) -> Result<(), Box<dyn std::error::Error>> {
    std::future::ready(()).await;
    std::fs::metadata(test.path())?;
    Ok(())
}

#[kdev_volumes(test = "1G", in_process)]
async fn lends<'a>(test: &'a Volume) {
    std::future::ready(test.path()).await;
}

#[kdev_volumes(test = "1G")]
fn opaque(test: Volume) -> impl Termination {
    drop(test);
    ExitCode::SUCCESS
}

struct Suite;

impl Suite {
    #[kdev_volumes(test = "1G")]
    fn associated(test: Volume) {
        drop(test);
    }
}

fn main() {
    let _: [fn(); 4] = [
        inner::visible,
        never_ends,
        with_inner_attributes,
        Suite::associated,
    ];
    let _ = (asynchronous, lends, opaque);
    let _: fn() -> Result<(), u32> = generic::<u32>;
    let _: unsafe fn() = not_safe;
    let _: fn() -> Result<(), Box<dyn std::error::Error>> = early;
}
