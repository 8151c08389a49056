#![deny(warnings)]

use kdev_volumes::{Session, Volume, kdev_volumes};

#[kdev_volumes(test = "10G", scratch = "10G")]
fn owned_and_lent(test: Volume, scratch: &Volume) -> Result<(), std::num::ParseIntError> {
    drop(test);
    let _: &Volume = scratch;
    "1".parse::<u32>()?;
    Ok(())
}

#[kdev_volumes(test = "10G", scratch = "10G")]
fn lent_before_owned(scratch: &Volume, test: Volume) {
    drop(test);
    let _: &Volume = scratch;
}

#[kdev_volumes(test = "10G")]
fn held_but_not_used(test: Volume) {}

#[kdev_volumes(test = "10G")]
fn with_an_underscore(_test: &Volume) {}

#[kdev_volumes(test = "10G")]
fn mutable(mut test: Volume) {
    let _: &mut Volume = &mut test;
}

#[kdev_volumes(test = "10G")]
fn named_by_path(test: ::kdev_volumes::Volume) {
    drop(test);
}

#[kdev_volumes(type = "10G")]
fn named_like_a_keyword(r#type: Volume) {
    drop(r#type);
}

#[kdev_volumes(test = "10G", scratch = "10G")]
fn whole_session(all: Session) {
    drop(all);
}

#[kdev_volumes(test = "10G", scratch = "10G")]
fn whole_session_lent(all: &Session) {
    let _: &Session = all;
}

#[kdev_volumes(test = "10G")]
fn environment_only() {}

#[kdev_volumes(test = "10G")]
#[allow(clippy::extra_unused_lifetimes)]
fn with_a_lifetime<'a>(test: &'a Volume) {
    let _: &Volume = test;
}

fn main() {
    // Nothing runs: what is claimed is that no argument is left and nothing warns.
    let _: fn() -> Result<(), std::num::ParseIntError> = owned_and_lent;
    let _: [fn(); 10] = [
        lent_before_owned,
        held_but_not_used,
        with_an_underscore,
        mutable,
        named_by_path,
        named_like_a_keyword,
        whole_session,
        whole_session_lent,
        environment_only,
        with_a_lifetime,
    ];
}
