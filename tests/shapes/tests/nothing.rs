//! A program of a package that depends on kdev-volumes, and does not use it.

#[test]
fn has_nothing_of_it() {}
