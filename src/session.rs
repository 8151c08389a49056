use std::ffi::OsString;
use std::sync::Arc;
use std::thread;

use kdev_volumes_spec::{Spec, VolumeSpec};

use crate::backend::{Made, Named};
use crate::error::Result;
use crate::holding::{Claim, Held, Holding};
use crate::request::Request;
use crate::state::Record;
use crate::volume::Volume;

/// The variable that says to which session the devices beside it belong.
pub(crate) const SESSION_VARIABLE: &str = "KDEV_SESSION";

/// The volumes of one test.
///
/// Dropping it, and the volumes that were [taken](Self::take) out of it, gives them back: the
/// volumes are removed together when the last of them is dropped. [`close`](Self::close) does so at
/// once and tells whether it worked. If the process dies first, its watchdog removes them, or the next
/// process that starts. `KDEV_KEEP` may ask for volumes to be kept instead.
///
/// ```rust,no_run,test_harness
/// use kdev_volumes::{Session, kdev_volumes};
///
/// #[kdev_volumes(test = "1G", scratch = "1G")]
/// #[test]
/// fn has_two_volumes(session: Session) {
///     let scratch = session.volume("scratch").unwrap();
///     for volume in session.volumes() {
///         assert!(volume.size() >= scratch.size());
///     }
/// }
/// ```
#[derive(Debug)]
#[must_use = "volumes are given back when their session is dropped"]
pub struct Session {
    volumes: Vec<Volume>,
    holding: Arc<Holding>,
}

impl Session {
    pub(crate) fn new(
        claim: Claim,
        spec: &Spec,
        made: Vec<Made>,
        records: Vec<Record>,
        request: &Request,
    ) -> Self {
        let named: Vec<(&str, &Made)> = spec.volumes().iter().map(VolumeSpec::name).zip(&made).collect();
        let mut exports = exports(spec, &named);
        // By this a program can tell our devices from somebody's disk under the same name.
        exports.push((SESSION_VARIABLE.to_owned(), claim.tag.session.to_string().into()));
        let about: Vec<(String, Named)> = named
            .iter()
            .map(|(name, made)| ((*name).to_owned(), Named::from(*made)))
            .collect();
        let held = about
            .iter()
            .zip(made)
            .zip(records)
            .map(|(((_, volume), made), record)| Held {
                volume: volume.clone(),
                record,
                device: made.device,
                goes_with: None,
            });
        let holding = Arc::new(Holding::new(request, exports, claim, held.collect()));
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

    /// Takes the volume of that name out of the session, as a guard of its own; `None` if it is not there.
    ///
    /// ```no_run
    /// # fn example(mut session: kdev_volumes::Session) -> kdev_volumes::Result<()> {
    /// if let Some(scratch) = session.take("scratch") {
    ///     scratch.close()?; // the others stay
    /// }
    /// # Ok(())
    /// # }
    /// ```
    pub fn take(&mut self, name: &str) -> Option<Volume> {
        let at = self.volumes.iter().position(|volume| volume.name() == name)?;
        Some(self.volumes.remove(at))
    }

    /// Returns the environment variables that tell a program of the volumes, taken out or not, and of the
    /// session. [`TestDev`](crate::TestDev) reads them.
    ///
    /// ```no_run
    /// # use kdev_volumes::{Pool, Spec, VolumeSpec};
    /// # let spec = Spec::new([VolumeSpec::new("test", "1G".parse()?)?])?;
    /// let session = Pool::from_env()?.allocate(&spec)?;
    /// std::process::Command::new("./check").envs(session.envs()).status()?;
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn envs(&self) -> impl Iterator<Item = (&str, &OsString)> {
        self.holding
            .exports()
            .iter()
            .map(|(variable, value)| (variable.as_str(), value))
    }

    /// Gives all volumes back now, also those that were taken out of the session.
    ///
    /// Under `KDEV_KEEP=always` they are kept instead.
    ///
    /// ```no_run
    /// # use kdev_volumes::Error;
    /// # fn example(session: kdev_volumes::Session) -> kdev_volumes::Result<()> {
    /// match session.close() {
    ///     Err(Error::Busy { volumes }) => eprintln!("still in use: {}", volumes.join("; ")),
    ///     done => done?,
    /// }
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    ///
    /// [`Error::Busy`](crate::Error::Busy) if a volume could not be removed; it stays on record.
    pub fn close(self) -> Result<()> {
        self.holding.finish(thread::panicking())
    }

    /// Keeps all volumes: they stay on record, and nothing but `kdev pool cleanup --kept` removes them.
    ///
    /// ```no_run
    /// # fn example(session: kdev_volumes::Session, is_corrupt: bool) -> kdev_volumes::Result<()> {
    /// if is_corrupt {
    ///     session.keep()?; // to be looked at; standard error says where they are
    /// }
    /// # Ok(())
    /// # }
    /// ```
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
