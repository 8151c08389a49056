//! A disk of the machine: a volume of the host, or a part of one.

use std::path::PathBuf;

use kdev_volumes::Bytes;

use super::{Error, Result};

/// The bytes of a serial number that a virtio disk keeps (`VIRTIO_BLK_ID_BYTES`).
const SERIAL_BYTES: usize = 20;

/// Which part of a file or device is a disk.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Backing {
    /// All of it.
    Whole,
    /// A slice; both in bytes, whole sectors of 512.
    Slice { offset: Bytes, len: Bytes },
}

/// A disk of the machine.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Disk {
    /// The name by which the guest finds it, in `/sys/block/*/serial`.
    pub(crate) serial: String,
    /// The file or block device of the host, absolute.
    pub(crate) path: PathBuf,
    /// Which part of that.
    pub(crate) backing: Backing,
    /// Whether the path is a block device.
    pub(crate) is_block_device: bool,
    /// Whether the guest may only read it.
    pub(crate) read_only: bool,
}

impl Disk {
    /// Refuses a serial number that would not arrive in the guest as it is.
    ///
    /// # Errors
    ///
    /// [`Error::Disk`].
    pub(super) fn check_serial(&self) -> Result<()> {
        let plain = |c: char| c.is_ascii_alphanumeric() || "._-".contains(c);
        let length = self.serial.len();
        let why = if length == 0 {
            "its serial number is empty".to_owned()
        } else if length > SERIAL_BYTES {
            format!("its serial number has {length} bytes, and a disk keeps {SERIAL_BYTES}")
        } else if !self.serial.chars().all(plain) {
            "its serial number has other characters than letters, digits, `.`, `_` and `-`".to_owned()
        } else {
            return Ok(());
        };
        Err(self.refusal(why, "give it a short, plain name"))
    }

    /// Says why this disk cannot be had, and what helps.
    pub(super) fn refusal(&self, why: impl Into<String>, remedy: impl Into<String>) -> Error {
        Error::Disk {
            serial: self.serial.clone(),
            why: why.into(),
            remedy: remedy.into(),
        }
    }
}

/// A whole disk in a file, for tests.
#[cfg(test)]
pub(super) fn sample(serial: &str, path: &str) -> Disk {
    Disk {
        serial: serial.into(),
        path: path.into(),
        backing: Backing::Whole,
        is_block_device: false,
        read_only: false,
    }
}

#[cfg(test)]
mod tests {
    use rstest::rstest;

    use super::*;

    #[rstest]
    #[case("test", None)]
    #[case("pool-5.log_dev", None)]
    #[case("12345678901234567890", None)]
    #[case("123456789012345678901", Some("21 bytes"))]
    #[case("", Some("empty"))]
    #[case("a,b", Some("other characters"))]
    #[case("a b", Some("other characters"))]
    #[case("ä", Some("other characters"))]
    fn a_serial_number_must_arrive_as_it_is(#[case] serial: &str, #[case] expected: Option<&str>) {
        let got = sample(serial, "/x").check_serial().map_err(|err| err.to_string());
        match (got, expected) {
            (Ok(()), None) => {}
            (Err(text), Some(expected)) => assert!(text.contains(expected), "{text}"),
            other => panic!("{other:?}"),
        }
    }
}
