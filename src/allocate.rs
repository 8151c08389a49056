use std::path::PathBuf;
use std::time::Instant;

use kdev_volumes_spec::{Bytes, Spec};

use crate::backend::{Backend, Made, Named};
use crate::clock;
use crate::error::{Error, Result};
use crate::events::{self, WaitEnd};
use crate::give_back::{all_gone, give_back};
use crate::here::Here;
use crate::holding::Claim;
use crate::lease::Lease;
use crate::loops::LoopDevice;
use crate::mkfs::Mkfs;
use crate::owner::{Owner, OwnerTag};
use crate::pool::{Opened, Pool};
use crate::reap;
use crate::request::Request;
use crate::session::Session;
use crate::session_id::SessionId;
use crate::state::{NewRecords, Phase, Record};
use crate::watchdog;

impl Pool {
    /// Makes the volumes of one session, all of them or none.
    ///
    /// Sizes are rounded up: to whole extents of the VG (4 MiB unless it was made otherwise), to
    /// 4 KiB for loop devices and images. If the pool is full, what dead processes left in it is removed first, and
    /// what others are removing is waited for. Filesystems that the spec wants are made. `KDEV_KEEP` and
    /// `KDEV_KEEP_MAX` are read here and hold for the session. The first session of a process starts its
    /// watchdog.
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
    /// [`Error::NoSpace`], [`Error::NotRoot`], [`Error::NotInstalled`], [`Error::NoDeviceMapper`] or
    /// [`Error::NoLoop`] if the host cannot; [`Error::Missing`] or [`Error::NotOurs`] if the VG is not
    /// there or is not marked as a pool; [`Error::Mkfs`] if a filesystem cannot be made;
    /// [`Error::Variable`] if one of those two is not understood; [`Error::Command`] for what else LVM said.
    /// In each case no volume, record or lease is left; if one could not be removed again, standard
    /// error says so.
    pub fn allocate(&self, spec: &Spec) -> Result<Session> {
        allocate(self, spec, Request::from_env()?)
    }
}

/// How often a session's name may be taken already.
const ATTEMPTS: usize = 16;

/// Makes the volumes of one session, all of them or none.
pub(crate) fn allocate(pool: &Pool, spec: &Spec, request: Request) -> Result<Session> {
    let begun = Instant::now();
    make_or_wait(pool, spec, &request).inspect_err(|err| {
        let sizes = spec.volumes().iter().map(|volume| volume.size().get());
        let wanted = Bytes::new(sizes.fold(0, u64::saturating_add));
        events::failed(pool, &request, wanted, begun.elapsed(), err);
    })
}

fn make_or_wait(pool: &Pool, spec: &Spec, request: &Request) -> Result<Session> {
    match attempt(pool, spec, request) {
        Err(Error::NoSpace { want, .. }) => {
            let since = Instant::now();
            // What the dead hold is room too, and so is what another reaper frees while we wait for it.
            reap::reap_pool(pool)?.tell();
            reap::wait_for_removals(pool)?;
            let waited = |ended| events::waited(pool, request, want, since, ended);
            attempt(pool, spec, request)
                .inspect(|_| waited(WaitEnd::Room))
                .inspect_err(|_| waited(WaitEnd::InVain))
        }
        done => done,
    }
}

fn attempt(pool: &Pool, spec: &Spec, request: &Request) -> Result<Session> {
    let begun = Instant::now();
    let Opened { backend, unit, free } = pool.open()?;
    let filesystems = Mkfs::find(spec)?;
    let sizes = rounded(spec, unit)?;
    let want = sizes
        .iter()
        .copied()
        .try_fold(0u64, |sum, size| sum.checked_add(size.get()));
    let want = Bytes::new(want.unwrap_or(u64::MAX));
    if let Some(free) = free.filter(|&free| want > free) {
        return Err(pool.no_space(free, want));
    }

    // The lease and the records come before the volumes: dying between the two leaves records without
    // volumes, which a reaper forgives. The other order leaves volumes that nobody owns.
    let watchdog = watchdog::start(pool.state());
    let (tag, lease, records) = claim(pool, spec, &backend, request)?;
    let mut wanted: Vec<Named> = spec
        .volumes()
        .iter()
        .zip(sizes)
        .map(|(volume, size)| Named {
            lv_name: tag.session.lv_name(pool.lv_prefix(), volume.name()),
            path: PathBuf::new(),
            size,
            uuid: None,
        })
        .collect();
    let kept = request.keep.if_it_dies();
    let made = backend
        .make(&mut wanted, &tag, &lease, kept.is_some())
        .and_then(|made| {
            let made = in_order(made, &wanted)?;
            for (wanted, made) in wanted.iter_mut().zip(&made) {
                wanted.path.clone_from(&made.path);
            }
            // A session that dies before they are done is one that no test ever had.
            for (filesystem, made) in filesystems.into_iter().zip(&made) {
                filesystem.map_or(Ok(()), |filesystem| filesystem.run(made, &lease))?;
            }
            let records = confirm(pool, records, &made)?;
            if kept.is_some() {
                made.iter()
                    .filter_map(|made| made.device.as_ref())
                    .try_for_each(LoopDevice::outlive_us)?;
            }
            Ok((made, records))
        });
    watchdog.wait();
    let mut lease = Some(lease);
    match made {
        Ok((made, records)) => {
            events::allocated(pool, request, &tag.session, &wanted, begun.elapsed());
            Ok(Session::new(
                Claim {
                    state: pool.state().clone(),
                    backend,
                    tag,
                    lease,
                },
                spec,
                made,
                records,
                request,
            ))
        }
        Err(err) => {
            let undone =
                give_back(pool.state(), &backend, &tag, &wanted, &mut lease).and_then(|left| all_gone(&left));
            if let Err(undone) = undone {
                eprintln!("kdev: while giving up a session: {}", undone.chain());
            }
            Err(told_as_what_it_is(err, pool, want))
        }
    }
}

fn rounded(spec: &Spec, unit: Bytes) -> Result<Vec<Bytes>> {
    let volumes = spec.volumes().iter();
    volumes
        .map(|volume| {
            let too_large = || Error::TooLarge {
                volume: volume.name().to_owned(),
                size: volume.size(),
                unit,
            };
            volume.size().round_up(unit).ok_or_else(too_large)
        })
        .collect()
}

/// Takes a lease under a new name and writes the records, in one step that nobody can come between.
fn claim(
    pool: &Pool,
    spec: &Spec,
    backend: &Backend,
    request: &Request,
) -> Result<(OwnerTag, Lease, Vec<Record>)> {
    let owner = Owner::myself()?;
    let here = Here::get()?;
    let state = pool.state();
    for _ in 0..ATTEMPTS {
        let tag = OwnerTag::new(SessionId::new()?, owner.clone());
        let mut lease = None;
        let mut new_records = Vec::new();
        let written = state.update(|records| {
            lease = Lease::take(state.dir(), &tag, backend.directory())?;
            if lease.is_none() {
                return Ok(());
            }
            let new = NewRecords {
                tag: &tag,
                here,
                pool_name: pool.name(),
                vg_name: backend.vg_name(),
                kind: backend.kind(),
                request,
                allocated_at: clock::now(),
            };
            new_records = spec
                .volumes()
                .iter()
                .map(|volume| {
                    let lv_name = tag.session.lv_name(pool.lv_prefix(), volume.name());
                    let lv_path = backend.path_of(&lv_name);
                    new.record(lv_name, lv_path, volume)
                })
                .collect();
            records.extend(new_records.iter().cloned());
            Ok(())
        });
        match (written, lease) {
            (Ok(()), None) => {}
            (Ok(()), Some(lease)) => return Ok((tag, lease, new_records)),
            (Err(err), lease) => {
                // There are no records that need it. What stopped them is what is reported.
                let _ = lease.map(Lease::end);
                return Err(err);
            }
        }
    }
    let taken = std::io::Error::other("every name that was tried is taken");
    Err(Error::io("take a lease in", state.dir().leases(), taken))
}

/// Puts what was made in the order of what was wanted; an error if one is missing.
fn in_order(made: Vec<Made>, wanted: &[Named]) -> Result<Vec<Made>> {
    let mut made: Vec<Option<Made>> = made.into_iter().map(Some).collect();
    wanted
        .iter()
        .map(|volume| {
            let found = made
                .iter_mut()
                .find(|made| made.as_ref().is_some_and(|made| made.lv_name == volume.lv_name));
            found.and_then(Option::take).ok_or_else(|| Error::Missing {
                what: format!("LV `{}`", volume.lv_name),
                hint: "it was made; did somebody remove it?",
            })
        })
        .collect()
}

/// Writes down that the volumes are there, and what they are; anew, if the records were lost meanwhile.
fn confirm(pool: &Pool, mut new: Vec<Record>, made: &[Made]) -> Result<Vec<Record>> {
    for (record, made) in new.iter_mut().zip(made) {
        record.phase = Phase::Active;
        record.lv_uuid.clone_from(&made.uuid);
        record.size_bytes = Some(made.size.get());
        record.lv_path.clone_from(&made.path);
    }
    pool.state().update(|records| {
        for record in &new {
            records.put(record.clone());
        }
        Ok(())
    })?;
    Ok(new)
}

/// Finds out from the system, rather than from LVM's prose, what a failed `lvcreate` died of.
fn told_as_what_it_is(err: Error, pool: &Pool, want: Bytes) -> Error {
    if !matches!(err, Error::Command { .. }) {
        return err;
    }
    let mapped = std::fs::read_to_string("/proc/misc").unwrap_or_default();
    if !mapped.contains("device-mapper") {
        return Error::NoDeviceMapper;
    }
    let free = pool.open().ok().and_then(|opened| opened.free);
    match free.filter(|&free| want > free) {
        // Somebody took the room between our look and our turn.
        Some(free) => pool.no_space(free, want),
        None => err,
    }
}
