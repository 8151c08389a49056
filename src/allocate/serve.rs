use std::time::Instant;

use kdev_volumes_spec::{Bytes, Spec};

use crate::allocate::ask::{Answer, Asking};
use crate::allocate::tell;
use crate::allocate::wait::wait;
use crate::error::{Error, Result};
use crate::events;
use crate::patience::Patience;
use crate::pool::Pool;
use crate::queue::Line;
use crate::reap;
use crate::request::Request;
use crate::session::Session;
use crate::source::Source;

impl Pool {
    /// Makes the volumes of one session, all of them or none.
    ///
    /// Sizes are rounded up: to whole extents of the VG (4 MiB unless it was made otherwise), to
    /// 4 KiB for loop devices and images. If the pool is full, what dead processes left in it is removed first;
    /// then it is waited for room, first come, first served, for as long as `KDEV_WAIT` or
    /// [`waiting_at_most`](Self::waiting_at_most) says. Nothing is held meanwhile; standard error tells every ten
    /// seconds what for and who has it. Of several pools the one with the most room is taken, and one that
    /// nobody waits for. Filesystems that the spec wants are made. `KDEV_KEEP` and `KDEV_KEEP_MAX` are read
    /// here and hold for the session. The first session of a process starts its watchdog.
    ///
    /// Who holds volumes of a pool and asks it for more may wait for himself: one spec for all of them cannot.
    ///
    /// ```no_run
    /// # use kdev_volumes::{Pool, Spec, VolumeSpec};
    /// let spec = Spec::new([
    ///     VolumeSpec::new("test", "10G".parse()?)?.with_mkfs("ext4")?,
    ///     VolumeSpec::new("journal", "512M".parse()?)?,
    /// ])?;
    /// let session = Pool::from_env()?.allocate(&spec)?;
    /// assert_eq!(session.volumes().len(), 2);
    /// session.close()?;
    /// # Ok::<(), kdev_volumes::Error>(())
    /// ```
    ///
    /// # Errors
    ///
    /// [`Error::NoSpace`] if there is no room and waiting has not helped, [`Error::NeverFits`] at once if it
    /// could not; [`Error::NotRoot`], [`Error::NotInstalled`], [`Error::NoDeviceMapper`] or
    /// [`Error::NoLoop`] if the host cannot; [`Error::Missing`] or [`Error::NotOurs`] if the VG is not
    /// there or is not marked as a pool; [`Error::NoneServes`] with the reasons of each if several pools were
    /// named; [`Error::Mkfs`] if a filesystem cannot be made;
    /// [`Error::Variable`] if one of those variables is not understood; [`Error::Command`] for what else LVM said.
    /// In each case no volume, record or lease is left; if one could not be removed again, standard
    /// error says so.
    pub fn allocate(&self, spec: &Spec) -> Result<Session, Error> {
        allocate(self, spec, Request::from_env()?)
    }
}

/// Makes the volumes of one session, all of them or none, and waits for room if need be.
pub(crate) fn allocate(pool: &Pool, spec: &Spec, request: Request) -> Result<Session> {
    let begun = Instant::now();
    serve(pool, spec, &request).inspect_err(|err| {
        events::failed(pool, &request, wanted(spec), begun.elapsed(), err);
    })
}

/// What a spec asks for, before any pool rounds it up.
fn wanted(spec: &Spec) -> Bytes {
    let sizes = spec.volumes().iter().map(|volume| volume.size().get());
    Bytes::new(sizes.fold(0, u64::saturating_add))
}

fn serve(pool: &Pool, spec: &Spec, request: &Request) -> Result<Session> {
    let patience = pool.patience().unwrap_or(request.patience);
    let mut asking = Asking::new(pool, spec, request);
    let reasons = match at_once(&mut asking, patience)? {
        Answer::Served(session, _) => return Ok(*session),
        Answer::Nothing(reasons) => asking.judge(reasons)?,
    };
    if patience.is_none() || !reasons.iter().any(|reason| reason.is_full) {
        return Err(asking.error(reasons));
    }
    let began = Instant::now();
    let ended = wait(&mut asking, reasons, patience);
    let waited = began.elapsed();
    let from = ended.as_ref().ok().map(|served| served.pool);
    events::waited(pool, request, wanted(spec), waited, from);
    let served = ended?;
    if served.was_told {
        eprintln!("{}", tell::served(request, served.pool, waited));
    }
    Ok(served.session)
}

/// Makes the session if there is room now, or will be in a moment.
fn at_once<'a>(asking: &mut Asking<'a>, patience: Patience) -> Result<Answer<'a>> {
    let pool = asking.pool;
    let sources: Vec<&Source> = pool.sources().iter().collect();
    let reasons = match asking.ask(&sources, &line(pool)?, None, &mut || {})? {
        Answer::Nothing(reasons) if patience.is_none() => reasons,
        answer => return Ok(answer),
    };
    // Who waits looks for the dead when it is his turn. Who does not, has his turn now: what the dead hold
    // is room too, and so is what others are removing at this moment.
    let full: Vec<&Source> = reasons
        .iter()
        .filter(|reason| reason.is_full)
        .map(|reason| reason.source)
        .collect();
    if full.is_empty() {
        return Ok(Answer::Nothing(reasons));
    }
    for source in full {
        reap::reap_pool(source)?.tell();
        reap::wait_for_removals(source)?;
    }
    asking.ask(&sources, &line(pool)?, None, &mut || {})
}

/// Nobody waits for what has no bound.
fn line(pool: &Pool) -> Result<Line> {
    match pool.sources().iter().any(|source| source.vg_name().is_some()) {
        true => Line::look(pool.state().dir()),
        false => Ok(Line::default()),
    }
}
