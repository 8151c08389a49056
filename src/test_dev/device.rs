use std::env;
use std::fs::{File, OpenOptions};
use std::path::{Path, PathBuf};

use kdev_volumes_spec::Bytes;

use crate::error::{Error, Result};
use crate::test_dev::identity::Identity;
use crate::test_dev::proof::{Unproved, prove};

/// A volume that the environment names, proved to be one.
///
/// `TEST_DEV` may be anything: the device that a test exported to this program, or a disk that somebody
/// exported in a shell. This is for programs that a test starts, and for tests that read the
/// environment, before they write to it.
///
/// ```no_run
/// use kdev_volumes::TestDev;
///
/// // In a program that a test with `#[kdev_volumes(test = "1G")]` starts.
/// let device = TestDev::from_env()?;
/// std::process::Command::new("mkfs.ext4").arg(device.path()).status()?;
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
///
/// It does not hold the volume: that is given back when the test ends, whoever still uses it.
#[derive(Clone, Debug)]
pub struct TestDev {
    variable: String,
    path: PathBuf,
    size: Bytes,
    identity: Identity,
}

impl TestDev {
    /// Takes the device in `TEST_DEV`.
    ///
    /// ```no_run
    /// # use kdev_volumes::{Error, TestDev};
    /// match TestDev::from_env() {
    ///     Ok(device) => println!("{} is {} of {}", device.path().display(), device.lv_name(), device.size()),
    ///     Err(Error::NoDevice { .. }) => println!("skipped: no test gave this program a device"),
    ///     Err(err) => return Err(err),
    /// }
    /// # Ok::<(), Error>(())
    /// ```
    ///
    /// # Errors
    ///
    /// As [`from_var`](Self::from_var).
    pub fn from_env() -> Result<Self> {
        Self::from_var("TEST_DEV")
    }

    /// Takes the device in a variable that names one, such as `SCRATCH_DEV`.
    ///
    /// Succeeds only if `KDEV_SESSION` beside it names a session whose test still runs, and the kernel says
    /// that the device is that session's: for an LV by the name and the UUID that device-mapper has for it,
    /// for a loop device by the name under which it was attached. An image has to be the very file that the
    /// books speak of. The spelling of the path does not matter.
    ///
    /// ```no_run
    /// # use kdev_volumes::TestDev;
    /// let log = TestDev::from_var("LOGWRITES_DEV")?;
    /// # Ok::<(), kdev_volumes::Error>(())
    /// ```
    ///
    /// # Errors
    ///
    /// [`Error::NoDevice`] if the variable is not set or empty, [`Error::NotOurDevice`] if anything is
    /// missing of the proof; or if the files of state cannot be read.
    pub fn from_var(variable: &str) -> Result<Self> {
        let Some(path) = env::var_os(variable).filter(|path| !path.is_empty()) else {
            return Err(Error::NoDevice {
                variable: variable.to_owned(),
            });
        };
        let path = PathBuf::from(path);
        match prove(&path) {
            Ok((identity, size)) => Ok(Self {
                variable: variable.to_owned(),
                path,
                size,
                identity,
            }),
            Err(Unproved::Because(why)) => Err(refused(variable, &path, why)),
            Err(Unproved::Failed(err)) => Err(err),
        }
    }

    /// Returns the path as the variable has it.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Returns the size in bytes.
    pub fn size(&self) -> Bytes {
        self.size
    }

    /// Returns the unique name by which records and `lvs` know the volume.
    pub fn lv_name(&self) -> &str {
        &self.identity.lv_name
    }

    /// Opens the device to read and write, and makes sure that it is still this volume.
    ///
    /// The file has to be closed before the volume can be given back.
    ///
    /// ```no_run
    /// # use std::io::Read;
    /// # use kdev_volumes::TestDev;
    /// let mut superblock = [0; 4096];
    /// TestDev::from_env()?.open()?.read_exact(&mut superblock)?;
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    ///
    /// [`Error::Io`] if the kernel refuses, [`Error::NotOurDevice`] if another device is there by now.
    pub fn open(&self) -> Result<File> {
        let failed = |err| Error::io("open", &self.path, err);
        let opened = OpenOptions::new().read(true).write(true).open(&self.path);
        let device = opened.map_err(failed)?;
        match self.identity.is(&device).map_err(failed)? {
            true => Ok(device),
            false => {
                let why = format!(
                    "volume `{}` was given back, and this is another device",
                    self.lv_name()
                );
                Err(refused(&self.variable, &self.path, why))
            }
        }
    }
}

impl AsRef<Path> for TestDev {
    fn as_ref(&self) -> &Path {
        self.path()
    }
}

fn refused(variable: &str, path: &Path, why: String) -> Error {
    Error::NotOurDevice {
        variable: variable.to_owned(),
        path: path.to_owned(),
        why,
    }
}
