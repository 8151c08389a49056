use std::ffi::OsString;
use std::process;
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;

use kdev_volumes_spec::{Spec, VolumeSpec};

use crate::allocate::Request;
use crate::backend::{Backend, Made, Named};
use crate::error::Result;
use crate::give_back::{all_gone, give_back};
use crate::keep::Keep;
use crate::lease::Lease;
use crate::loops::LoopDevice;
use crate::owner::OwnerTag;
use crate::pool::Pool;
use crate::volume::Volume;

/// The volumes of one test.
///
/// Dropping it, and the volumes that were [taken](Self::take) out of it, gives them back: the
/// volumes are removed together when the last of them is dropped. [`close`](Self::close) does so at
/// once and tells whether it worked. If the process dies first, the next one that starts finds the
/// volumes and removes them. `KDEV_KEEP` may ask for volumes to be kept instead.
#[derive(Debug)]
#[must_use = "volumes are given back when their session is dropped"]
pub struct Session {
    volumes: Vec<Volume>,
    holding: Arc<Holding>,
}

/// What a session and its volumes share: the duty to give back.
#[derive(Debug)]
pub(crate) struct Holding {
    /// A child that was forked off has a copy of this value, and nothing to give back.
    pid: u32,
    test: Option<String>,
    keep: Keep,
    exports: Vec<(String, OsString)>,
    inner: Mutex<Inner>,
}

#[derive(Debug)]
struct Inner {
    claim: Claim,
    /// The volumes that are still to be given back.
    held: Vec<Held>,
}

/// A session's right to its volumes.
#[derive(Debug)]
pub(crate) struct Claim {
    pub(crate) pool: Pool,
    pub(crate) backend: Backend,
    pub(crate) tag: OwnerTag,
    pub(crate) lease: Option<Lease>,
}

#[derive(Debug)]
struct Held {
    volume: Named,
    device: Option<LoopDevice>,
}

impl Session {
    pub(crate) fn new(claim: Claim, spec: &Spec, made: Vec<Made>, request: &Request) -> Self {
        let named: Vec<(&str, &Made)> = spec.volumes().iter().map(VolumeSpec::name).zip(&made).collect();
        let exports = exports(spec, &named);
        let about: Vec<(String, Named)> = named
            .iter()
            .map(|(name, made)| {
                let volume = Named {
                    lv_name: made.lv_name.clone(),
                    path: made.path.clone(),
                    size: made.size,
                };
                ((*name).to_owned(), volume)
            })
            .collect();
        let held = about.iter().zip(made).map(|((_, volume), made)| Held {
            volume: volume.clone(),
            device: made.device,
        });
        let holding = Arc::new(Holding {
            pid: process::id(),
            test: request.test.clone(),
            keep: request.keep,
            exports,
            inner: Mutex::new(Inner {
                claim,
                held: held.collect(),
            }),
        });
        let volumes = about
            .into_iter()
            .map(|(name, volume)| Volume::new(name, volume, Arc::clone(&holding)))
            .collect();
        Self { volumes, holding }
    }

    /// Returns the volumes, in the order of the spec, without those that were taken out.
    pub fn volumes(&self) -> &[Volume] {
        &self.volumes
    }

    /// Returns the volume of that name; `None` if there is none, or it was taken out.
    pub fn volume(&self, name: &str) -> Option<&Volume> {
        self.volumes.iter().find(|volume| volume.name() == name)
    }

    /// Takes the volume of that name out of the session, as a guard of its own.
    pub fn take(&mut self, name: &str) -> Option<Volume> {
        let at = self.volumes.iter().position(|volume| volume.name() == name)?;
        Some(self.volumes.remove(at))
    }

    /// Returns the environment variables that tell a program of the volumes, taken out or not.
    ///
    /// ```no_run
    /// # let session = kdev_volumes::Pool::embedded()?.allocate(todo!())?;
    /// std::process::Command::new("./check").envs(session.envs()).status();
    /// # Ok::<(), kdev_volumes::Error>(())
    /// ```
    pub fn envs(&self) -> impl Iterator<Item = (&str, &OsString)> {
        self.holding
            .exports
            .iter()
            .map(|(variable, value)| (variable.as_str(), value))
    }

    /// Gives all volumes back now, also those that were taken out of the session.
    ///
    /// Under `KDEV_KEEP=always` they are kept instead.
    ///
    /// # Errors
    ///
    /// [`Error::Busy`](crate::Error::Busy) if a volume could not be removed; it stays on record.
    pub fn close(self) -> Result<()> {
        self.holding.finish(thread::panicking())
    }

    /// Keeps all volumes: they stay on record, and nothing but `kdev pool cleanup --kept` removes them.
    ///
    /// # Errors
    ///
    /// If LVM or the kernel refused to mark them; then they are given back when dropped.
    pub fn keep(self) -> Result<()> {
        self.holding.keep(|_| true, "asked")
    }

    pub(crate) fn holding(&self) -> Arc<Holding> {
        Arc::clone(&self.holding)
    }
}

fn exports(spec: &Spec, named: &[(&str, &Made)]) -> Vec<(String, OsString)> {
    let path_of = |name: &&str| {
        named
            .iter()
            .find(|(other, _)| other == name)
            .map(|(_, made)| made.path.as_os_str())
    };
    let exports = spec.exports().into_iter();
    exports
        .map(|(variable, names)| {
            let paths: Vec<_> = names.iter().filter_map(path_of).collect();
            (variable.to_owned(), paths.join(" ".as_ref()))
        })
        .collect()
}

impl Holding {
    pub(crate) fn exports(&self) -> &[(String, OsString)] {
        &self.exports
    }

    /// Gives back, or keeps, whatever is still held when a test has ended.
    pub(crate) fn finish(&self, failed: bool) -> Result<()> {
        match self.keep.reason(failed) {
            Some(reason) => self.keep(|_| true, reason),
            None => self.give_back(|_| true),
        }
    }

    /// Does the same for one volume.
    pub(crate) fn finish_one(&self, lv_name: &str, failed: bool) -> Result<()> {
        match self.keep.reason(failed) {
            Some(reason) => self.keep(|held| held.lv_name == lv_name, reason),
            None => self.give_back(|held| held.lv_name == lv_name),
        }
    }

    /// Keeps volumes: on record first, since a record alone keeps a reaper away.
    pub(crate) fn keep(&self, which: impl Fn(&Named) -> bool, reason: &str) -> Result<()> {
        let mut inner = self.lock();
        let Inner { claim, held } = &mut *inner;
        let kept: Vec<&Held> = held.iter().filter(|held| which(&held.volume)).collect();
        if kept.is_empty() {
            return Ok(());
        }
        let is_kept = |lv_name: &str| kept.iter().any(|held| held.volume.lv_name == lv_name);
        let mark = |reason: Option<&str>| {
            claim.pool.state().update(|records| {
                for record in records.iter_mut().filter(|record| is_kept(&record.lv_name)) {
                    record.kept = reason.map(str::to_owned);
                }
                Ok(())
            })
        };
        mark(Some(reason))?;
        let names: Vec<_> = kept
            .iter()
            .map(|held| (held.volume.lv_name.as_str(), held.device.as_ref()))
            .collect();
        if let Err(err) = claim.backend.keep(&names, &claim.tag) {
            mark(None)?;
            return Err(err);
        }
        for held in &kept {
            self.announce(&held.volume, reason);
        }
        held.retain(|held| !which(&held.volume));
        if held.is_empty() {
            // A kept volume is nobody's, so no lease proves anything about it.
            claim
                .pool
                .state()
                .update(|_| claim.lease.take().map_or(Ok(()), Lease::end))?;
        }
        Ok(())
    }

    fn announce(&self, volume: &Named, reason: &str) {
        let test = self.test.as_deref().unwrap_or("a session");
        let why = match reason {
            "failed" => "which failed, ",
            _ => "",
        };
        eprintln!(
            "kdev: kept {} ({}) of {test}, {why}remove it with `{}`",
            volume.path.display(),
            volume.size,
            removal_command(&volume.lv_name)
        );
    }

    fn give_back(&self, which: impl Fn(&Named) -> bool) -> Result<()> {
        let mut inner = self.lock();
        let Inner { claim, held } = &mut *inner;
        let volumes: Vec<Named> = held
            .iter()
            .map(|held| &held.volume)
            .filter(|volume| which(volume))
            .cloned()
            .collect();
        if volumes.is_empty() {
            return Ok(());
        }
        // From here on they are the records' business: they are not tried twice. This also closes the
        // descriptors by which loop devices live.
        held.retain(|held| !which(&held.volume));
        let left = give_back(
            claim.pool.state(),
            &claim.backend,
            &claim.tag,
            &volumes,
            &mut claim.lease,
        )?;
        all_gone(&left)
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Inner> {
        // A panic in here has left volumes that are on record, and the rest is to be given back still.
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The command that removes a kept volume, as it has to be typed here.
fn removal_command(lv_name: &str) -> String {
    use crate::state_dir::STATE_DIR_VARIABLE;
    let command = format!("kdev pool cleanup --kept {lv_name}");
    match std::env::var(STATE_DIR_VARIABLE) {
        Ok(dir) if !dir.is_empty() => format!("{STATE_DIR_VARIABLE}={dir} {command}"),
        _ => command,
    }
}

impl Drop for Holding {
    fn drop(&mut self) {
        if process::id() != self.pid {
            return;
        }
        if let Err(err) = self.finish(thread::panicking()) {
            let session = self.lock().claim.tag.session.to_string();
            eprintln!("kdev: left volumes of session {session} behind: {}", err.chain());
        }
    }
}
