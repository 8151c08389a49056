//! LVM for ordinary users: kdev-root, run by sudo, which asks LVM for them.

use std::fs::{self, File};
use std::io::{self, ErrorKind};
use std::os::unix::fs::MetadataExt;
use std::path::Path;

use nix::errno::Errno;

use crate::command::{Finished, Invocation};
use crate::error::{Error, Result};
use crate::owner::OwnerTag;
use crate::root::{BUSY, PROGRAM, Verb};

/// How sudo ends if it has not run anything. kdev-root never ends so.
const SUDO_REFUSED: i32 = 1;

/// A way to have something done as root.
#[derive(Debug, Default)]
pub(crate) struct BySudo {
    lease: Option<File>,
}

/// Tells whether kdev-root is how LVM is to be used. Root needs it not.
pub(crate) fn is_the_way() -> bool {
    matches!(BySudo::find(), Ok(Some(_)))
}

impl BySudo {
    /// Finds the program; `None` for root, or if it is not installed.
    ///
    /// # Errors
    ///
    /// [`Error::Untrusted`] if others than root could have written it: sudo would run it all the same.
    pub(super) fn find() -> Result<Option<Self>> {
        if nix::unistd::geteuid().is_root() {
            return Ok(None);
        }
        match fs::symlink_metadata(PROGRAM) {
            Err(err) if err.kind() == ErrorKind::NotFound => Ok(None),
            Err(err) => Err(Error::io("look at", PROGRAM, err)),
            Ok(found) if found.is_file() && found.uid() == 0 && found.mode() & 0o022 == 0 => {
                Ok(Some(Self::default()))
            }
            Ok(_) => Err(Error::Untrusted {
                path: PROGRAM.into(),
                why: "it is not a file that root alone can write (as root: `kdev setup-sudo --install`)"
                    .into(),
            }),
        }
    }

    /// Has sudo and all below it hold a lock for as long as they run, should we die meanwhile.
    pub(super) fn holding(mut self, lease: File) -> Self {
        self.lease = Some(lease);
        self
    }

    /// Has it done.
    ///
    /// # Errors
    ///
    /// [`Error::NoSudo`] if sudo did not begin.
    pub(super) fn run(&self, verb: &Verb) -> Result<Finished> {
        let finished = self.finish(verb)?;
        match finished.status.success() {
            true => Ok(finished),
            false => Err(finished.error()),
        }
    }

    fn finish(&self, verb: &Verb) -> Result<Finished> {
        // What takes long is making a volume all zeros, which depends on its size and the disk alone. LVM's own
        // deadline is kdev-root's to watch, which may send it a signal; we may not.
        let mut sudo = Invocation::of_sudo("sudo")?
            .args(["-n", "--", PROGRAM])
            .args(verb.args())
            .however_long();
        if !matches!(verb, Verb::Room { .. } | Verb::List { .. }) {
            sudo = sudo.changing();
        }
        if let Some(lease) = &self.lease {
            let lease = lease.try_clone();
            sudo = sudo.holding(lease.map_err(|err| Error::io("share", "the lease", err))?);
        }
        let finished = sudo.finish()?;
        match finished.status.code() {
            Some(SUDO_REFUSED) => Err(Error::NoSudo {
                program: PROGRAM.into(),
                said: finished.stderr.trim().to_owned(),
            }),
            _ => Ok(finished),
        }
    }

    /// Has it done to all the LVs, if there is any.
    pub(super) fn run_on(&self, lv_names: &[&str], verb: impl FnOnce(Vec<String>) -> Verb) -> Result<()> {
        if !lv_names.is_empty() {
            self.run(&verb(lv_names.iter().map(ToString::to_string).collect()))?;
        }
        Ok(())
    }
}

/// A volume that sudo is needed to mount.
#[derive(Clone, Debug)]
pub(crate) struct MountBySudo {
    pub(crate) vg_name: String,
    pub(crate) tag: OwnerTag,
    pub(crate) lv_name: String,
}

impl MountBySudo {
    /// Mounts the filesystem of that type, with options as mount(8) takes them. Should we die meanwhile, the
    /// session is not dead before that is done.
    pub(crate) fn mount(
        &self,
        point: &Path,
        fs_type: &str,
        options: &str,
        lease: Option<File>,
    ) -> Result<()> {
        let verb = Verb::Mount {
            vg: self.vg_name.clone(),
            tag: self.tag.clone(),
            name: self.lv_name.clone(),
            point: point.to_owned(),
            fs_type: fs_type.to_owned(),
            options: if options.is_empty() { "defaults" } else { options }.to_owned(),
        };
        BySudo { lease }.run(&verb)?;
        Ok(())
    }

    /// Unmounts it from there, unless somebody uses it.
    pub(crate) fn unmount(&self, point: &Path) -> io::Result<()> {
        let verb = Verb::Unmount {
            vg: self.vg_name.clone(),
            tag: self.tag.clone(),
            name: self.lv_name.clone(),
            point: point.to_owned(),
        };
        let finished = BySudo::default().finish(&verb);
        let finished = finished.map_err(|err| io::Error::other(err.chain()))?;
        match finished.status.code() {
            Some(0) => Ok(()),
            Some(code) if code == i32::from(BUSY) => Err(Errno::EBUSY.into()),
            _ => Err(io::Error::other(finished.error().chain())),
        }
    }
}
