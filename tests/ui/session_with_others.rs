use kdev_volumes::{Session, Volume, kdev_volumes};

#[kdev_volumes(test = "1G")]
#[test]
fn a_volume(session: Session, test: Volume) {}

#[kdev_volumes(test = "1G")]
#[test]
fn another_session(test: &Session, more: &Session) {}

fn main() {}
