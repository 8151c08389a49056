use std::ffi::OsStr;
use std::fs::{self, File};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use kdev_volumes_spec::Bytes;

use crate::command::Invocation;
use crate::error::Result;
use crate::fault;
use crate::lvm::ioctl;
use crate::mounts::text_of;
use crate::udev;

/// An LV that is active, as the kernel has it: known without asking LVM, which takes longer to start
/// than to answer.
#[derive(Debug)]
pub(crate) struct Mapped {
    /// Below `/dev/mapper`; fstests' `check` takes no other kind of link.
    pub(crate) path: PathBuf,
    /// The LV's UUID as LVM writes it.
    pub(crate) uuid: String,
    pub(crate) size: Bytes,
    /// Below the VG's directory in `/dev`.
    link: PathBuf,
    /// The device's directory in sysfs.
    dir: PathBuf,
    kernel_uuid: String,
}

impl Mapped {
    /// Finds an LV by its link in `/dev`, which is there when LVM has waited for udev.
    ///
    /// `None` if it is not active, or if anything about it is not as expected; then LVM is to be asked.
    pub(crate) fn find(vg_name: &str, lv_name: &str) -> Option<Self> {
        let link = Path::new("/dev").join(vg_name).join(lv_name);
        let device = fs::canonicalize(&link).ok()?;
        let dir = Path::new("/sys/block").join(device.file_name()?);
        let name = read(&dir.join("dm/name"))?;
        // A link that was left behind may point to a device that is another's by now.
        if name != mapped_name(vg_name, lv_name) {
            return None;
        }
        let kernel_uuid = read(&dir.join("dm/uuid"))?;
        let sectors: u64 = read(&dir.join("size"))?.parse().ok()?;
        Some(Self {
            path: Path::new("/dev/mapper").join(name),
            uuid: lv_uuid(&kernel_uuid)?,
            size: Bytes::new(sectors.checked_mul(512)?),
            link,
            dir,
            kernel_uuid,
        })
    }

    /// Holds the device open, if it is still this one.
    pub(crate) fn pin(&self) -> Option<File> {
        let file = File::open(&self.path).ok()?;
        let number = text_of(file.metadata().ok()?.rdev());
        let uuid = read(&Path::new("/sys/dev/block").join(number).join("dm/uuid"))?;
        (uuid == self.kernel_uuid).then_some(file)
    }

    /// Returns the node that has the kernel's name for the device. That name nobody can change, and it is this
    /// device's for as long as it is held.
    pub(crate) fn node(&self) -> PathBuf {
        Path::new("/dev").join(self.dir.file_name().unwrap_or_default())
    }

    /// Returns the UUID by which the kernel, and udev, know it.
    pub(crate) fn kernel_uuid(&self) -> &str {
        &self.kernel_uuid
    }

    /// Tells whether it is a thick snapshot.
    pub(crate) fn is_snapshot(&self) -> bool {
        self.below().iter().any(|(name, _)| name.ends_with("-cow"))
    }

    /// Lists the thick snapshots that it has, by the names of their LVs: they go with it.
    pub(crate) fn snapshots(&self) -> Vec<String> {
        if self.is_snapshot() {
            return Vec::new();
        }
        let below = self.below().into_iter();
        let real = below.filter(|(name, _)| name.ends_with("-real"));
        let above = real.flat_map(|(_, dir)| devices_in(&dir.join("holders")));
        let above = above.filter(|(_, dir)| read(&dir.join("dm/uuid")).as_ref() != Some(&self.kernel_uuid));
        let mut names: Vec<String> = above.filter_map(|(name, _)| Some(names(&name)?.1)).collect();
        names.sort();
        names
    }

    /// What device-mapper has below it: of an LV that has snapshots, or is one, layers of LVM's.
    fn below(&self) -> Vec<(String, PathBuf)> {
        devices_in(&self.dir.join("slaves"))
    }

    /// Has the kernel let go of it, if nobody uses it and LVM has put nothing above or below it. The LV stays.
    ///
    /// Nobody waits for udev, which takes the links away by itself; where it does not run, that is LVM's to do.
    pub(crate) fn let_go(&self) -> bool {
        let has_none = |dir: &str| fs::read_dir(self.dir.join(dir)).is_ok_and(|mut dir| dir.next().is_none());
        let is_free = udev::runs() && self.below().is_empty() && has_none("holders");
        let is_off = is_free && ioctl::remove(&self.kernel_uuid).is_ok();
        if is_off {
            fault::point("the kernel let go of it");
        }
        is_off
    }

    /// Lists what is in `/dev` still by its names, and leads to no device of that name.
    pub(crate) fn stale_links(&self) -> Vec<&Path> {
        let is_stale = |path: &&Path| {
            let Ok(found) = fs::metadata(path) else {
                return fs::symlink_metadata(path).is_ok();
            };
            let dir = Path::new("/sys/dev/block").join(text_of(found.rdev()));
            read(&dir.join("dm/name")).as_deref() != self.path.file_name().and_then(OsStr::to_str)
        };
        let both = [self.path.as_path(), self.link.as_path()];
        both.into_iter().filter(is_stale).collect()
    }

    /// Tells whether the kernel has it no more.
    pub(crate) fn is_gone(&self) -> bool {
        read(&self.dir.join("dm/uuid")).is_none_or(|uuid| uuid != self.kernel_uuid)
    }
}

/// Which LV a device is, of whatever VG, by the kernel's word.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct MappedName {
    pub(crate) vg_name: String,
    pub(crate) lv_name: String,
    /// The LV's UUID as LVM writes it.
    pub(crate) uuid: String,
}

impl MappedName {
    /// Finds out of which LV a device number is at this moment; `None` if it is of none.
    pub(crate) fn of(number: u64) -> Option<Self> {
        let dir = Path::new("/sys/dev/block").join(text_of(number)).join("dm");
        let uuid = lv_uuid(&read(&dir.join("uuid"))?)?;
        let (vg_name, lv_name) = names(&read(&dir.join("name"))?)?;
        Some(Self {
            vg_name,
            lv_name,
            uuid,
        })
    }
}

/// Removes a device of device-mapper that is nobody's LV, unless somebody has it open.
pub(crate) fn unmap(name: &str) -> Result<()> {
    Invocation::new("dmsetup", "dmsetup")?
        .args(["remove", name])
        .changing()
        .run()?;
    Ok(())
}

/// Lists the devices of device-mapper in a directory of sysfs, by their names there.
fn devices_in(dir: &Path) -> Vec<(String, PathBuf)> {
    let entries = fs::read_dir(dir).into_iter().flatten();
    let paths = entries.filter_map(|entry| Some(entry.ok()?.path()));
    paths
        .filter_map(|path| Some((read(&path.join("dm/name"))?, path)))
        .collect()
}

fn read(file: &Path) -> Option<String> {
    Some(fs::read_to_string(file).ok()?.trim_end().to_owned())
}

/// device-mapper's names join VG and LV with one hyphen, and double those within.
pub(crate) fn mapped_name(vg_name: &str, lv_name: &str) -> String {
    format!("{}-{}", vg_name.replace('-', "--"), lv_name.replace('-', "--"))
}

/// Takes such a name apart; `None` for one that is not made so, as that of a layer below an LV.
fn names(mapped: &str) -> Option<(String, String)> {
    // No LV's name begins with a hyphen, so the first one that has no second one after it joins the two.
    let mut hyphens = mapped.match_indices('-').map(|(at, _)| at);
    let joint = loop {
        let at = hyphens.next()?;
        if !mapped[at + 1..].starts_with('-') {
            break at;
        }
        hyphens.next();
    };
    let single = |part: &str| part.replace("--", "-");
    let (vg_name, lv_name) = (single(&mapped[..joint]), single(&mapped[joint + 1..]));
    (mapped_name(&vg_name, &lv_name) == mapped).then_some((vg_name, lv_name))
}

/// The kernel's UUID of an LV is `LVM-`, the VG's, the LV's, without the hyphens that LVM writes.
fn lv_uuid(kernel_uuid: &str) -> Option<String> {
    let both = kernel_uuid.strip_prefix("LVM-")?;
    if both.len() != 64 || !both.is_ascii() {
        return None;
    }
    let mut rest = &both[32..];
    let mut groups = Vec::new();
    for length in [6, 4, 4, 4, 4, 4, 6] {
        let (group, after) = rest.split_at(length);
        groups.push(group);
        rest = after;
    }
    Some(groups.join("-"))
}

#[cfg(test)]
mod tests {
    use rstest::rstest;

    use super::*;

    #[test]
    fn a_uuid_is_written_as_lvm_writes_it() {
        let kernel = "LVM-XAdq2lH5eY3PfwLoVzbJkM0sQ8tRcU7nGJ2hxdLvRdQ7kbNcYDOeTz5WsVmK1pBf";
        assert_eq!(
            lv_uuid(kernel).as_deref(),
            Some("GJ2hxd-LvRd-Q7kb-NcYD-OeTz-5WsV-mK1pBf")
        );
    }

    #[rstest]
    #[case("")]
    #[case("CRYPT-LUKS2-0123")]
    #[case("LVM-short")]
    #[case("LVM-XAdq2lH5eY3PfwLoVzbJkM0sQ8tRcU7nGJ2hxdLvRdQ7kbNcYDOeTz5WsVmK1pBf-real")]
    fn a_uuid_of_something_else_is_none(#[case] kernel: &str) {
        assert_eq!(lv_uuid(kernel), None);
    }

    #[test]
    fn hyphens_of_names_are_doubled() {
        assert_eq!(
            mapped_name("kerneldev-default-vg", "kdev-1-a"),
            "kerneldev--default--vg-kdev--1--a"
        );
    }

    #[rstest]
    #[case("kerneldev--default--vg-kdev--1--a", Some(("kerneldev-default-vg", "kdev-1-a")))]
    #[case("vg-lv", Some(("vg", "lv")))]
    #[case::a_vg_that_ends_with_a_hyphen("vg---lv", Some(("vg-", "lv")))]
    #[case::a_layer("vg-pool--a-real", None)]
    #[case("luks", None)]
    #[case("my--disk", None)]
    #[case("", None)]
    fn the_kernels_name_is_taken_apart(#[case] mapped: &str, #[case] parts: Option<(&str, &str)>) {
        let parts = parts.map(|(vg_name, lv_name)| (vg_name.to_owned(), lv_name.to_owned()));
        assert_eq!(names(mapped), parts);
    }
}
