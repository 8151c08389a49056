use crate::mkfs::{check_args, check_type};
use crate::names::{POOL_VARIABLE, check_env, check_volume, default_env};
use crate::{Bytes, SpecError};

/// One volume that a test asks for: its name, its least size, and where it is exported.
///
/// ```
/// # use kdev_volumes_spec::VolumeSpec;
/// let journal = VolumeSpec::new("journal", "512M".parse()?)?;
/// assert_eq!((journal.name(), journal.env(), journal.order()), ("journal", "JOURNAL_DEV", 0));
/// assert_eq!(journal.size().to_string(), "512M");
/// # Ok::<(), kdev_volumes_spec::SpecError>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct VolumeSpec {
    name: String,
    size: Bytes,
    env: String,
    order: u32,
    mkfs: Option<String>,
    mkfs_args: Vec<String>,
}

impl VolumeSpec {
    /// Asks for a volume of at least `size`, exported in the variable that fstests has for `name`.
    ///
    /// `test` is exported as `TEST_DEV`, `scratch` as `SCRATCH_DEV`, `pool1`, `pool2` … together as
    /// `SCRATCH_DEV_POOL`, `logwrites` as `LOGWRITES_DEV`, `test_log`, `scratch_log`, `test_rt` and
    /// `scratch_rt` as `TEST_LOGDEV`, `SCRATCH_LOGDEV`, `TEST_RTDEV` and `SCRATCH_RTDEV`, any other
    /// name as `{NAME}_DEV`.
    ///
    /// ```
    /// # use kdev_volumes_spec::{SpecError, VolumeSpec};
    /// assert_eq!(VolumeSpec::new("test_log", "1G".parse()?)?.env(), "TEST_LOGDEV");
    /// let refused = VolumeSpec::new("Test", "1G".parse()?);
    /// assert!(matches!(refused, Err(SpecError::Name { .. })));
    /// # Ok::<(), SpecError>(())
    /// ```
    ///
    /// # Errors
    ///
    /// [`SpecError::Name`] unless the name is of lower-case letters, digits and `_`, a letter first,
    /// at most 32 characters, without the parts that LVM reserves; [`SpecError::Size`] if it is zero.
    pub fn new(name: &str, size: Bytes) -> Result<Self, SpecError> {
        check_volume(name)?;
        if size.get() == 0 {
            return Err(SpecError::Size {
                text: "0".into(),
                hint: "a volume cannot be empty".into(),
            });
        }
        Ok(Self {
            name: name.to_owned(),
            size,
            env: default_env(name),
            order: 0,
            mkfs: None,
            mkfs_args: Vec::new(),
        })
    }

    /// Exports the volume in another environment variable.
    ///
    /// ```
    /// # use kdev_volumes_spec::VolumeSpec;
    /// let journal = VolumeSpec::new("journal", "512M".parse()?)?.with_env("MY_JOURNAL")?;
    /// assert_eq!(journal.env(), "MY_JOURNAL");
    /// # Ok::<(), kdev_volumes_spec::SpecError>(())
    /// ```
    ///
    /// # Errors
    ///
    /// [`SpecError::Env`] if a shell could not read a variable of that name, or if it is one of kdev-volumes' own.
    pub fn with_env(mut self, env: &str) -> Result<Self, SpecError> {
        check_env(env, &self.name)?;
        self.env = env.to_owned();
        Ok(self)
    }

    /// Gives the volume a place among the session's: lower comes first; equal ones keep their order.
    ///
    /// ```
    /// # use kdev_volumes_spec::{Spec, VolumeSpec};
    /// let last = VolumeSpec::new("log", "1G".parse()?)?.with_order(1);
    /// let spec = Spec::new([last, VolumeSpec::new("test", "10G".parse()?)?])?;
    /// assert_eq!(spec.volumes()[0].name(), "test");
    /// # Ok::<(), kdev_volumes_spec::SpecError>(())
    /// ```
    #[must_use]
    pub fn with_order(mut self, order: u32) -> Self {
        self.order = order;
        self
    }

    /// Has the volume carry a fresh filesystem of that type, made by `mkfs.{fs_type}`.
    ///
    /// ```
    /// # use kdev_volumes_spec::VolumeSpec;
    /// let test = VolumeSpec::new("test", "10G".parse()?)?.with_mkfs("xfs")?;
    /// assert_eq!(test.mkfs(), Some("xfs"));
    /// # Ok::<(), kdev_volumes_spec::SpecError>(())
    /// ```
    ///
    /// # Errors
    ///
    /// [`SpecError::Mkfs`] unless the type is of lower-case letters, digits, `.`, `_` and `-`, a letter
    /// first, at most 32 characters.
    pub fn with_mkfs(mut self, fs_type: &str) -> Result<Self, SpecError> {
        check_type(fs_type, &self.name)?;
        self.mkfs = Some(fs_type.to_owned());
        Ok(self)
    }

    /// Gives mkfs these arguments too, before the device.
    ///
    /// ```
    /// # use kdev_volumes_spec::VolumeSpec;
    /// let test = VolumeSpec::new("test", "10G".parse()?)?
    ///     .with_mkfs("xfs")?
    ///     .with_mkfs_args(["-m", "crc=1"])?;
    /// assert_eq!(test.mkfs_args(), ["-m", "crc=1"]);
    /// # Ok::<(), kdev_volumes_spec::SpecError>(())
    /// ```
    ///
    /// # Errors
    ///
    /// [`SpecError::Mkfs`] if there is no [filesystem](Self::with_mkfs) to be made, or an argument holds
    /// a NUL, which no program can be given.
    pub fn with_mkfs_args(
        mut self,
        args: impl IntoIterator<Item = impl Into<String>>,
    ) -> Result<Self, SpecError> {
        self.mkfs_args = args.into_iter().map(Into::into).collect();
        check_args(&self.mkfs_args, self.mkfs(), &self.name)?;
        Ok(self)
    }

    /// Returns the volume's name within its session.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Returns the size asked for, in bytes; the volume may be larger by less than one extent.
    pub fn size(&self) -> Bytes {
        self.size
    }

    /// Returns the environment variable in which the volume's path is exported.
    pub fn env(&self) -> &str {
        &self.env
    }

    /// Returns the volume's place among the session's.
    pub fn order(&self) -> u32 {
        self.order
    }

    /// Returns the type of the filesystem that is made on the volume; `None` if it stays empty.
    pub fn mkfs(&self) -> Option<&str> {
        self.mkfs.as_deref()
    }

    /// Returns what mkfs is told beside the device.
    pub fn mkfs_args(&self) -> &[String] {
        &self.mkfs_args
    }
}

/// The volumes of one session, checked as a whole and in their order.
///
/// ```
/// # use kdev_volumes_spec::{Spec, VolumeSpec};
/// let spec = Spec::new([
///     VolumeSpec::new("test", "10G".parse()?)?,
///     VolumeSpec::new("journal", "1G".parse()?)?.with_env("JOURNAL")?,
/// ])?;
/// assert_eq!(spec.volumes()[1].env(), "JOURNAL");
/// # Ok::<(), kdev_volumes_spec::SpecError>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Spec {
    volumes: Vec<VolumeSpec>,
}

impl Spec {
    /// Checks the volumes against each other and sorts them by their order.
    ///
    /// ```
    /// # use kdev_volumes_spec::{Spec, SpecError, VolumeSpec};
    /// let test = VolumeSpec::new("test", "10G".parse()?)?;
    /// let refused = Spec::new([test.clone(), test]);
    /// assert_eq!(refused, Err(SpecError::DuplicateName { name: "test".into() }));
    /// # Ok::<(), SpecError>(())
    /// ```
    ///
    /// # Errors
    ///
    /// [`SpecError::Empty`], [`SpecError::DuplicateName`], or [`SpecError::DuplicateEnv`]: only
    /// `SCRATCH_DEV_POOL` may hold several volumes.
    pub fn new(volumes: impl IntoIterator<Item = VolumeSpec>) -> Result<Self, SpecError> {
        let mut volumes: Vec<VolumeSpec> = volumes.into_iter().collect();
        if volumes.is_empty() {
            return Err(SpecError::Empty);
        }
        for (at, second) in volumes.iter().enumerate() {
            for first in &volumes[..at] {
                if first.name == second.name {
                    return Err(SpecError::DuplicateName {
                        name: first.name.clone(),
                    });
                }
                if first.env == second.env && first.env != POOL_VARIABLE {
                    return Err(SpecError::DuplicateEnv {
                        env: first.env.clone(),
                        first: first.name.clone(),
                        second: second.name.clone(),
                    });
                }
            }
        }
        volumes.sort_by_key(VolumeSpec::order);
        Ok(Self { volumes })
    }

    /// Returns the volumes, first in order first.
    pub fn volumes(&self) -> &[VolumeSpec] {
        &self.volumes
    }

    /// Returns each environment variable with the names of the volumes in it, in their order.
    ///
    /// With a `SCRATCH_DEV_POOL` there is no `SCRATCH_DEV`: fstests takes one or the other.
    ///
    /// ```
    /// # use kdev_volumes_spec::{Spec, VolumeSpec};
    /// let names = ["test", "pool1", "pool2"];
    /// let volumes = names.map(|name| VolumeSpec::new(name, "1G".parse()?));
    /// let spec = Spec::new(volumes.into_iter().collect::<Result<Vec<_>, _>>()?)?;
    /// assert_eq!(
    ///     spec.exports(),
    ///     [("TEST_DEV", vec!["test"]), ("SCRATCH_DEV_POOL", vec!["pool1", "pool2"])],
    /// );
    /// # Ok::<(), kdev_volumes_spec::SpecError>(())
    /// ```
    pub fn exports(&self) -> Vec<(&str, Vec<&str>)> {
        let mut exports: Vec<(&str, Vec<&str>)> = Vec::new();
        for volume in &self.volumes {
            match exports.iter_mut().find(|(env, _)| *env == volume.env) {
                Some((_, names)) => names.push(&volume.name),
                None => exports.push((&volume.env, vec![&volume.name])),
            }
        }
        if exports.iter().any(|(env, _)| *env == POOL_VARIABLE) {
            exports.retain(|(env, _)| *env != "SCRATCH_DEV");
        }
        exports
    }
}

#[cfg(test)]
mod tests {
    use rstest::rstest;

    use super::*;

    fn volume(name: &str) -> VolumeSpec {
        VolumeSpec::new(name, Bytes::new(1 << 30)).unwrap()
    }

    #[rstest]
    #[case("test", "TEST_DEV")]
    #[case("scratch", "SCRATCH_DEV")]
    #[case("pool1", "SCRATCH_DEV_POOL")]
    #[case("pool12", "SCRATCH_DEV_POOL")]
    #[case("pool", "POOL_DEV")]
    #[case("poolside", "POOLSIDE_DEV")]
    #[case("logwrites", "LOGWRITES_DEV")]
    #[case("test_log", "TEST_LOGDEV")]
    #[case("scratch_log", "SCRATCH_LOGDEV")]
    #[case("test_rt", "TEST_RTDEV")]
    #[case("scratch_rt", "SCRATCH_RTDEV")]
    #[case("journal", "JOURNAL_DEV")]
    fn a_volume_is_exported_where_fstests_looks(#[case] name: &str, #[case] env: &str) {
        assert_eq!(volume(name).env(), env);
    }

    #[rstest]
    #[case("", "a letter first")]
    #[case("Test", "a letter first")]
    #[case("1st", "a letter first")]
    #[case("a-b", "a letter first")]
    #[case("a b", "a letter first")]
    #[case("parse_cdata", "LVM keeps")]
    #[case("my_mlog", "LVM keeps")]
    #[case("a23456789012345678901234567890123", "at most 32")]
    fn a_name_that_lvm_could_not_take_is_refused(#[case] name: &str, #[case] reason: &str) {
        let message = VolumeSpec::new(name, Bytes::new(1)).unwrap_err().to_string();
        assert!(message.contains(reason), "{message}");
    }

    #[rstest]
    #[case("")]
    #[case("1DEV")]
    #[case("A-B")]
    #[case("A=B")]
    #[case("KDEV_SESSION")]
    #[case("KERNELDEV_DEVICE_POOL")]
    fn a_variable_that_a_shell_could_not_read_or_that_is_ours_is_refused(#[case] env: &str) {
        assert!(matches!(volume("test").with_env(env), Err(SpecError::Env { .. })));
    }

    #[test]
    fn a_session_without_volumes_is_refused() {
        assert_eq!(Spec::new([]), Err(SpecError::Empty));
    }

    #[test]
    fn two_volumes_of_one_name_are_refused() {
        assert_eq!(
            Spec::new([volume("test"), volume("test")]),
            Err(SpecError::DuplicateName { name: "test".into() })
        );
    }

    #[test]
    fn two_volumes_in_one_variable_are_refused() {
        let other = volume("other").with_env("TEST_DEV").unwrap();
        assert!(matches!(
            Spec::new([volume("test"), other]),
            Err(SpecError::DuplicateEnv { .. })
        ));
    }

    #[test]
    fn volumes_come_in_their_order() {
        let spec = Spec::new([
            volume("a").with_order(2),
            volume("b"),
            volume("c").with_order(1),
            volume("d"),
        ])
        .unwrap();
        let names: Vec<&str> = spec.volumes().iter().map(VolumeSpec::name).collect();
        assert_eq!(names, ["b", "d", "c", "a"]);
    }

    #[test]
    fn a_scratch_pool_takes_the_place_of_the_scratch_device() {
        let spec = Spec::new(["test", "scratch", "pool1", "pool2"].map(volume)).unwrap();
        assert_eq!(
            spec.exports(),
            [
                ("TEST_DEV", vec!["test"]),
                ("SCRATCH_DEV_POOL", vec!["pool1", "pool2"])
            ]
        );
    }
}
