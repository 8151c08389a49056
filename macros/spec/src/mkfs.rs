//! The rules for filesystems that volumes are to carry.

use crate::SpecError;

const LONGEST_TYPE: usize = 32;

/// A type is part of a program's name, which root runs: it can lead to no other directory.
pub(crate) fn check_type(fs_type: &str, volume: &str) -> Result<(), SpecError> {
    let first_is_letter = fs_type.starts_with(|c: char| c.is_ascii_lowercase());
    let allowed = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || matches!(c, '.' | '_' | '-');
    let good = first_is_letter && fs_type.chars().all(allowed) && fs_type.len() <= LONGEST_TYPE;
    match good {
        true => Ok(()),
        false => refuse(
            volume,
            format!(
                "`{fs_type}` is no type as in `mkfs.TYPE`: lower-case letters, digits, `.`, `_` and `-`, a letter first, at most {LONGEST_TYPE} characters"
            ),
        ),
    }
}

pub(crate) fn check_args(args: &[String], fs_type: Option<&str>, volume: &str) -> Result<(), SpecError> {
    if fs_type.is_none() {
        return refuse(
            volume,
            "`mkfs_args` want a `mkfs`, such as `mkfs = \"ext4\"`".to_owned(),
        );
    }
    match args.iter().find(|arg| arg.contains('\0')) {
        Some(arg) => refuse(volume, format!("the argument {arg:?} of mkfs holds a NUL")),
        None => Ok(()),
    }
}

fn refuse(volume: &str, reason: String) -> Result<(), SpecError> {
    Err(SpecError::Mkfs {
        volume: volume.to_owned(),
        reason,
    })
}

#[cfg(test)]
mod tests {
    use rstest::rstest;

    use crate::{Bytes, VolumeSpec};

    fn volume() -> VolumeSpec {
        VolumeSpec::new("test", Bytes::new(1 << 30)).unwrap()
    }

    #[rstest]
    #[case("ext4")]
    #[case("xfs")]
    #[case("f2fs")]
    #[case("ext4.static")]
    #[case("my_fs-2")]
    fn a_type_is_what_comes_after_mkfs(#[case] fs_type: &str) {
        assert_eq!(volume().with_mkfs(fs_type).unwrap().mkfs(), Some(fs_type));
    }

    #[rstest]
    #[case("")]
    #[case("XFS")]
    #[case("4ext")]
    #[case(".ext4")]
    #[case("-t")]
    #[case("../bin/sh")]
    #[case("ext4 -F")]
    #[case("ext4\0")]
    #[case("a23456789012345678901234567890123")]
    fn what_could_be_another_program_is_refused(#[case] fs_type: &str) {
        let message = volume().with_mkfs(fs_type).unwrap_err().to_string();
        assert!(
            message.starts_with("bad filesystem for volume `test`") && message.contains("mkfs.TYPE"),
            "{message}"
        );
    }

    #[test]
    fn arguments_belong_to_a_filesystem_and_can_be_given_to_a_program() {
        let message = volume().with_mkfs_args(["-q"]).unwrap_err().to_string();
        assert!(message.contains("want a `mkfs`"), "{message}");
        let ext4 = || volume().with_mkfs("ext4").unwrap();
        let message = ext4().with_mkfs_args(["-L", "a\0b"]).unwrap_err().to_string();
        assert!(message.contains(r#""a\0b" of mkfs holds a NUL"#), "{message}");
        let args = ["-L", "two words", ""].map(str::to_owned);
        assert_eq!(ext4().with_mkfs_args(args.clone()).unwrap().mkfs_args(), args);
    }
}
