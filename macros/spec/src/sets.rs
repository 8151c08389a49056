//! Several volumes that are asked for at once.

use crate::{Bytes, Spec, SpecError, VolumeSpec};

/// The word that stands for the devices of fstests, in the place of a volume's name.
pub const FSTESTS: &str = "fstests";

/// How many volumes a set may have: more than any filesystem's tests want, and few enough to be listed.
const MOST: usize = 64;

/// How many devices fstests wants in its pool, at most (`_require_scratch_dev_pool`).
const FSTESTS_POOL: usize = 5;

impl VolumeSpec {
    /// Asks for a set: volumes `{name}1`, `{name}2` … of these sizes.
    ///
    /// ```
    /// # use kdev_volumes_spec::{Bytes, Spec, VolumeSpec};
    /// let size: Bytes = "10G".parse()?;
    /// let spec = Spec::new(VolumeSpec::set("pool", [size; 3])?)?;
    /// assert_eq!(spec.exports(), [("SCRATCH_DEV_POOL", vec!["pool1", "pool2", "pool3"])]);
    /// # Ok::<(), kdev_volumes_spec::SpecError>(())
    /// ```
    ///
    /// # Errors
    ///
    /// [`SpecError::Set`] unless there are from 1 to 64 sizes; else as [`new`](Self::new), of each name
    /// with its number.
    pub fn set<I>(name: &str, sizes: I) -> Result<Vec<Self>, SpecError>
    where
        I: IntoIterator<Item = Bytes, IntoIter: ExactSizeIterator>,
    {
        let sizes = sizes.into_iter();
        if !(1..=MOST).contains(&sizes.len()) {
            return Err(SpecError::Set {
                name: name.to_owned(),
                count: sizes.len(),
                most: MOST,
            });
        }
        (1..)
            .zip(sizes)
            .map(|(number, size)| Self::new(&format!("{name}{number}"), size))
            .collect()
    }
}

impl Spec {
    /// Asks for the devices that [fstests] wants, of this size each: `test`, `pool1` to `pool5`, and
    /// `logwrites`, in `TEST_DEV`, `SCRATCH_DEV_POOL` and `LOGWRITES_DEV`.
    ///
    /// ```
    /// # use kdev_volumes_spec::Spec;
    /// let spec = Spec::fstests("10G".parse()?)?;
    /// assert_eq!(spec.volumes().len(), 7);
    /// # Ok::<(), kdev_volumes_spec::SpecError>(())
    /// ```
    ///
    /// [fstests]: https://git.kernel.org/pub/scm/fs/xfs/xfstests-dev.git/tree/README.config-sections
    ///
    /// # Errors
    ///
    /// [`SpecError::Size`] if the size is zero.
    pub fn fstests(size: Bytes) -> Result<Self, SpecError> {
        let mut volumes = vec![VolumeSpec::new("test", size)?];
        volumes.extend(VolumeSpec::set("pool", [size; FSTESTS_POOL])?);
        volumes.push(VolumeSpec::new("logwrites", size)?);
        Self::new(volumes)
    }
}

#[cfg(test)]
mod tests {
    use std::iter::repeat_n;

    use rstest::rstest;

    use super::*;

    const SIZE: Bytes = Bytes::new(1 << 30);

    #[test]
    fn a_set_is_numbered_from_one_and_each_volume_has_its_own_size() {
        let sizes = [1, 2, 3].map(Bytes::new);
        let read: Vec<_> = VolumeSpec::set("disk", sizes)
            .unwrap()
            .iter()
            .map(|volume| (volume.name().to_owned(), volume.size(), volume.env().to_owned()))
            .collect();
        assert_eq!(
            read,
            [
                ("disk1".to_owned(), sizes[0], "DISK1_DEV".to_owned()),
                ("disk2".to_owned(), sizes[1], "DISK2_DEV".to_owned()),
                ("disk3".to_owned(), sizes[2], "DISK3_DEV".to_owned()),
            ]
        );
    }

    #[rstest]
    #[case("disk", 0, "bad set `disk` of 0 volumes")]
    #[case("disk", 65, "bad set `disk` of 65 volumes (from 1 to 64")]
    #[case("disk", usize::MAX, "volumes (from 1 to 64")]
    #[case("Disk", 1, "bad volume name `Disk1`")]
    #[case("", 1, "bad volume name `1`")]
    #[case("a2345678901234567890123456789012", 1, "at most 32")]
    #[case("a23456789012345678901234567890x", 10, "`a23456789012345678901234567890x10`")]
    fn a_set_that_cannot_be_is_refused(#[case] name: &str, #[case] count: usize, #[case] expected: &str) {
        let message = VolumeSpec::set(name, repeat_n(SIZE, count))
            .unwrap_err()
            .to_string();
        assert!(message.contains(expected), "{message}");
    }

    #[test]
    fn fstests_gets_its_devices_where_it_looks_for_them() {
        let spec = Spec::fstests(SIZE).unwrap();
        assert_eq!(
            spec.exports(),
            [
                ("TEST_DEV", vec!["test"]),
                (
                    "SCRATCH_DEV_POOL",
                    vec!["pool1", "pool2", "pool3", "pool4", "pool5"]
                ),
                ("LOGWRITES_DEV", vec!["logwrites"]),
            ]
        );
        assert!(spec.volumes().iter().all(|volume| volume.size() == SIZE));
        assert!(matches!(
            Spec::fstests(Bytes::new(0)),
            Err(SpecError::Size { .. })
        ));
    }
}
