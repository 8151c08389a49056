//! What each argument may be. Decides, and touches nothing.

use std::path::{Component, Path, PathBuf};

use kdev_volumes_spec::{Bytes, LV_NAME_BUDGET, VolumeSpec, check_lv_part, lv_name_cost};

use crate::owner::OwnerTag;
use crate::root::caller::Caller;
use crate::session_id::SessionId;

/// A size in bytes is a whole number of these.
const SECTOR: u64 = 512;

/// As much as LVM promises to hold in a tag.
const LONGEST_TAG: usize = 1024;

type Checked<T> = Result<T, String>;

/// A VG's name. Whether that VG is ours LVM tells.
pub(super) fn vg(text: &str) -> Checked<String> {
    lvm_name(text).map_err(|why| format!("`{text}` is no name of a VG: {why}"))
}

/// The name of a part of a thin pool. Whether it may be taken down LVM tells.
pub(super) fn part(text: &str) -> Checked<String> {
    let pool = text
        .strip_suffix("_tmeta")
        .or_else(|| text.strip_suffix("_tdata"));
    match pool.map(lvm_name) {
        Some(Ok(_)) => Ok(text.to_owned()),
        _ => Err(format!("`{text}` is no part of a thin pool")),
    }
}

fn lvm_name(text: &str) -> Result<String, &'static str> {
    check_lv_part(text)?;
    match lv_name_cost(text) <= LV_NAME_BUDGET {
        true => Ok(text.to_owned()),
        false => Err("it is too long for device-mapper"),
    }
}

/// A tag that names the caller as the owner.
pub(super) fn tag(text: &str, caller: &Caller) -> Checked<OwnerTag> {
    let tag = OwnerTag::parse(text).filter(|_| text.len() <= LONGEST_TAG);
    let tag = tag.ok_or_else(|| format!("`{text}` is no tag of an owner"))?;
    match tag.owner.uid == Some(caller.uid) {
        true => Ok(tag),
        false => Err(format!("the owner of `{text}` is not user {}", caller.uid)),
    }
}

/// The name of an LV of the tag's session.
pub(super) fn lv(text: &str, vg: &str, tag: &OwnerTag) -> Checked<String> {
    let refused = |why: &str| Err(format!("`{text}` is no name of a volume: {why}"));
    if let Err(why) = check_lv_part(text) {
        return refused(why);
    }
    if SessionId::of_lv(text).as_ref() != Some(&tag.session) {
        return refused("it does not name the session that the tag names");
    }
    let volume = text.rsplit('-').next().unwrap_or_default();
    if VolumeSpec::new(volume, Bytes::new(SECTOR)).is_err() {
        return refused("its last part is no name that a test gives a volume");
    }
    match lv_name_cost(vg) + lv_name_cost(text) < LV_NAME_BUDGET {
        true => Ok(text.to_owned()),
        false => refused("it is too long for device-mapper"),
    }
}

/// A size in bytes, as digits alone: LVM takes `1` for a mebibyte, and `1b+` for something else.
pub(super) fn size(text: &str) -> Checked<Bytes> {
    let size = text.parse().ok().filter(|size: &u64| {
        let is_plain = size.to_string() == text;
        is_plain && *size > 0 && *size <= i64::MAX as u64 && *size % SECTOR == 0
    });
    size.map(Bytes::new)
        .ok_or_else(|| format!("`{text}` is no size in bytes that is a multiple of {SECTOR}"))
}

/// Where something is mounted: whose directory it is, and that no link is on the way, is asked when it is open.
pub(super) fn point(text: &str) -> Checked<PathBuf> {
    let path = Path::new(text);
    let is_plain = path
        .components()
        .skip(1)
        .all(|part| matches!(part, Component::Normal(_)));
    // As the kernel shows it. `components` passes over `//` and `/./`.
    let is_canonical = path.components().collect::<PathBuf>().as_os_str() == text;
    match path.is_absolute() && path.parent().is_some() && is_plain && is_canonical {
        true => Ok(path.to_owned()),
        false => Err(format!("`{text}` is not the whole path of a directory")),
    }
}

/// The name of a filesystem. Whether it may be mounted the kernel's list tells.
pub(super) fn fs_type(text: &str) -> Checked<String> {
    let is_plain = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'_';
    match !text.is_empty() && text.len() <= 32 && text.bytes().all(is_plain) {
        true => Ok(text.to_owned()),
        false => Err(format!("`{text}` is no name of a filesystem")),
    }
}

#[cfg(test)]
mod tests {
    use rstest::rstest;

    use super::*;

    const ME: Caller = Caller { uid: 1000 };
    const TAG: &str =
        "kdev:s=20251115103045-a3f9d2:p=1234.81234567:b=f5a2b1c0:n=4026531836:h=1a2b3c4d:u=1000";

    #[rstest]
    #[case("kerneldev-default-vg", true)]
    #[case("vg0", true)]
    #[case("", false)]
    #[case("-vg", false)]
    #[case("--config", false)]
    #[case("@tag", false)]
    #[case("vg/lv", false)]
    #[case("/dev/vg", false)]
    #[case("..", false)]
    #[case("vg other", false)]
    #[case("vg\n", false)]
    #[case("vg*", false)]
    #[case("vg0,vg1", false)]
    fn a_vg_is_a_name_and_nothing_else(#[case] text: &str, #[case] is_one: bool) {
        assert_eq!(vg(text).is_ok(), is_one);
    }

    #[test]
    fn a_name_longer_than_device_mappers_is_refused() {
        assert!(vg(&"v".repeat(LV_NAME_BUDGET)).is_ok());
        assert!(vg(&"v".repeat(LV_NAME_BUDGET + 1)).is_err());
    }

    #[rstest]
    #[case("pool_tmeta", true)]
    #[case("pool_tdata", true)]
    #[case("pool", false)]
    #[case("_tmeta", false)]
    #[case("a/pool_tmeta", false)]
    #[case("--yes_tmeta", false)]
    fn a_part_is_one_of_a_thin_pool(#[case] text: &str, #[case] is_one: bool) {
        assert_eq!(part(text).is_ok(), is_one);
    }

    #[rstest]
    #[case::own(TAG, true)]
    #[case::another_users("kdev:s=20251115103045-a3f9d2:p=1.2:u=1001", false)]
    #[case::roots("kdev:s=20251115103045-a3f9d2:p=1.2:u=0", false)]
    #[case::nobodys("kdev:s=20251115103045-a3f9d2:p=1.2", false)]
    #[case::two_users("kdev:s=20251115103045-a3f9d2:p=1.2:u=1000:u=0", false)]
    #[case::signed("kdev:s=20251115103045-a3f9d2:p=1.2:u=+1000", false)]
    #[case::other_tag("kdev.pool", false)]
    #[case::end_of_selection("kdev:s=20251115103045-a3f9d2:p=1.2:u=1000\"}||lv_name=~\"", false)]
    #[case::empty("", false)]
    fn a_tag_names_its_caller(#[case] text: &str, #[case] is_one: bool) {
        assert_eq!(tag(text, &ME).is_ok(), is_one);
    }

    #[rstest]
    #[case("kdev-20251115103045-a3f9d2-test", true)]
    #[case("my-prefix-20251115103045-a3f9d2-test_log", true)]
    #[case::another_session("kdev-20251115103045-ffffff-test", false)]
    #[case::no_prefix("20251115103045-a3f9d2-test", false)]
    #[case::no_volume("kdev-20251115103045-a3f9d2-", false)]
    #[case::not_a_volumes_name("kdev-20251115103045-a3f9d2-Test", false)]
    #[case::hidden("kdev-20251115103045-a3f9d2-a_tmeta", false)]
    #[case::option("-20251115103045-a3f9d2-test", false)]
    #[case::reserved("snapshot-20251115103045-a3f9d2-test", false)]
    #[case::path("../x-20251115103045-a3f9d2-test", false)]
    #[case::in_another_vg("vg1/kdev-20251115103045-a3f9d2-test", false)]
    #[case::foreign("root", false)]
    #[case::empty("", false)]
    fn a_volume_is_one_of_the_tags_session(#[case] text: &str, #[case] is_one: bool) {
        let tag = tag(TAG, &ME).unwrap();
        assert_eq!(lv(text, "vg0", &tag).is_ok(), is_one);
    }

    #[rstest]
    #[case("512", Some(512))]
    #[case("16777216", Some(16 << 20))]
    #[case("0", None)]
    #[case("1", None)]
    #[case("513", None)]
    #[case("-512", None)]
    #[case("+512", None)]
    #[case("0512", None)]
    #[case("512b", None)]
    #[case("1G", None)]
    #[case("100%FREE", None)]
    #[case("5e2", None)]
    #[case("", None)]
    #[case("9223372036854775808", None)]
    #[case("18446744073709551616", None)]
    fn a_size_is_a_plain_number(#[case] text: &str, #[case] bytes: Option<u64>) {
        assert_eq!(size(text).ok().map(Bytes::get), bytes);
    }

    #[rstest]
    #[case("/tmp/kdev-1", true)]
    #[case("/tmp/with a blank", true)]
    #[case("/", false)]
    #[case("tmp", false)]
    #[case("", false)]
    #[case("/tmp/../etc", false)]
    #[case("/tmp/./x", false)]
    #[case("/tmp//x", false)]
    #[case("/tmp/x/", false)]
    fn a_directory_is_named_from_the_root(#[case] text: &str, #[case] is_one: bool) {
        assert_eq!(point(text).is_ok(), is_one);
    }

    #[rstest]
    #[case("ext4", true)]
    #[case("iso9660", true)]
    #[case("../ext4", false)]
    #[case("fuse.sshfs", false)]
    #[case("-t", false)]
    #[case("", false)]
    fn a_filesystem_is_a_word(#[case] text: &str, #[case] is_one: bool) {
        assert_eq!(fs_type(text).is_ok(), is_one);
    }
}
