use std::ffi::OsString;
use std::fs::File;
use std::process;
use std::sync::{Mutex, MutexGuard, Once, PoisonError};
use std::thread;
use std::time::Instant;

use kdev_volumes_spec::Bytes;

use crate::alter::{self, Altering, Snapshot};
use crate::announce;
use crate::backend::{Backend, Named};
use crate::error::{Error, Result};
use crate::events;
use crate::give_back::{all_gone, give_back};
use crate::keep::Keep;
use crate::lease::Lease;
use crate::loops::LoopDevice;
use crate::lvm::MountBySudo;
use crate::owner::OwnerTag;
use crate::reap;
use crate::request::{Request, with_attempt};
use crate::retention::KeepMax;
use crate::state::{Phase, Record, SNAPSHOT_OF, State};

/// What a session and its volumes share: the duty to give back.
#[derive(Debug)]
pub(crate) struct Holding {
    /// A child that was forked off has a copy of this value, and nothing to give back.
    pid: u32,
    /// As people are told of it.
    test: String,
    keep: Keep,
    keep_max: Option<KeepMax>,
    exports: Vec<(String, OsString)>,
    since: Instant,
    inner: Mutex<Inner>,
}

#[derive(Debug)]
struct Inner {
    claim: Claim,
    held: Vec<Held>,
}

/// A session's right to its volumes.
#[derive(Debug)]
pub(crate) struct Claim {
    pub(crate) state: State,
    pub(crate) backend: Backend,
    pub(crate) tag: OwnerTag,
    pub(crate) lease: Option<Lease>,
}

/// A volume that is still to be given back.
#[derive(Debug)]
pub(crate) struct Held {
    pub(crate) volume: Named,
    pub(crate) record: Record,
    pub(crate) device: Option<LoopDevice>,
    /// The volume that this one is a snapshot of, if it goes with that.
    pub(crate) goes_with: Option<String>,
}

impl Claim {
    fn altering(&self) -> Altering<'_> {
        Altering {
            state: &self.state,
            backend: &self.backend,
            tag: &self.tag,
            lease: self.lease.as_ref(),
        }
    }
}

impl Holding {
    pub(crate) fn new(
        request: &Request,
        exports: Vec<(String, OsString)>,
        claim: Claim,
        held: Vec<Held>,
    ) -> Self {
        Self {
            pid: process::id(),
            test: with_attempt(request.test.as_deref().unwrap_or("a session"), request.attempt),
            keep: request.keep,
            keep_max: request.keep_max,
            exports,
            since: Instant::now(),
            inner: Mutex::new(Inner { claim, held }),
        }
    }

    pub(crate) fn exports(&self) -> &[(String, OsString)] {
        &self.exports
    }

    /// Lends the lease to a program that works on the session: while it runs, nobody takes that for dead.
    pub(crate) fn shared_lease(&self) -> Result<Option<File>> {
        self.lock().claim.lease.as_ref().map(Lease::shared).transpose()
    }

    /// Lends a volume's loop device, if it lives by one, to a program that works on it.
    pub(crate) fn shared_device(&self, lv_name: &str) -> Result<Option<File>> {
        let inner = self.lock();
        let held = inner.held.iter().find(|held| held.volume.lv_name == lv_name);
        let device = held.and_then(|held| held.device.as_ref());
        device.map(LoopDevice::shared).transpose()
    }

    /// Tells how a volume is mounted and unmounted, where that takes sudo.
    pub(crate) fn mount_by_sudo(&self, lv_name: &str) -> Option<MountBySudo> {
        let inner = self.lock();
        inner.claim.backend.mount_by_sudo(lv_name, &inner.claim.tag)
    }

    /// Gives a volume another size, and returns it.
    pub(crate) fn resize(&self, lv_name: &str, size: Bytes) -> Result<Bytes> {
        let mut inner = self.lock();
        let Inner { claim, held } = &mut *inner;
        let held = held_by_name(held, lv_name, "resized")?;
        let size = alter::resize(&claim.altering(), &held.volume, held.device.as_ref(), size)?;
        held.volume.size = size;
        held.record.size_bytes = Some(size.get());
        Ok(size)
    }

    /// Makes a snapshot of a volume, which is held as that is.
    pub(crate) fn snapshot(&self, lv_name: &str, name: &str) -> Result<Named> {
        let mut inner = self.lock();
        let Inner { claim, held } = &mut *inner;
        let origin = held_by_name(held, lv_name, "given a snapshot")?;
        let Snapshot {
            made,
            record,
            goes_with_its_origin,
        } = alter::snapshot(&claim.altering(), &origin.record, origin.device.as_ref(), name)?;
        let volume = Named::from(&made);
        held.push(Held {
            volume: volume.clone(),
            record,
            device: made.device,
            goes_with: goes_with_its_origin.then(|| lv_name.to_owned()),
        });
        Ok(volume)
    }

    /// Gives back, or keeps, whatever is still held when a test has ended.
    pub(crate) fn finish(&self, failed: bool) -> Result<()> {
        self.finish_those(|_| true, failed)
    }

    /// Does the same for one volume.
    pub(crate) fn finish_one(&self, lv_name: &str, failed: bool) -> Result<()> {
        let inner = self.lock();
        let mut held = inner.held.iter();
        if let Some(snapshot) = held.find(|held| held.goes_with.as_deref() == Some(lv_name)) {
            return Err(Error::NotAltered {
                volume: lv_name.to_owned(),
                done: "removed",
                why: format!(
                    "its snapshot `{}` would go with it (close that first, or leave both to their session)",
                    snapshot.volume.lv_name
                ),
            });
        }
        drop(inner);
        self.finish_those(|held| held.lv_name == lv_name, failed)
    }

    fn finish_those(&self, which: impl Fn(&Named) -> bool, failed: bool) -> Result<()> {
        if process::id() != self.pid {
            return Ok(());
        }
        if failed {
            self.tell_if_the_pool_is_full();
        }
        match self.keep.reason(failed) {
            Some(reason) => self.keep(which, reason),
            None => self.give_back(which),
        }
    }

    /// A test that has failed for want of room in its pool, and not of its own, is to be told so; it has its
    /// volumes still, by which the pool is full.
    fn tell_if_the_pool_is_full(&self) {
        static SAID: Once = Once::new();
        let inner = self.lock();
        let Some(held) = inner.held.first() else { return };
        if let Some(thin) = inner.claim.backend.full() {
            let pool = &held.record.pool_name;
            SAID.call_once(|| eprintln!("{}", announce::full(pool, &thin)));
        }
    }

    /// Keeps volumes: they say so themselves before the records do, so that what is once on record as kept
    /// stays, also if the records are lost.
    pub(crate) fn keep(&self, which: impl Fn(&Named) -> bool, reason: &str) -> Result<()> {
        let mut inner = self.lock();
        let Inner { claim, held } = &mut *inner;
        // What goes with another volume stays only if that does.
        let with: Vec<String> = held
            .iter()
            .filter(|held| which(&held.volume))
            .filter_map(|held| held.goes_with.clone())
            .collect();
        let which = |volume: &Named| which(volume) || with.contains(&volume.lv_name);
        let kept: Vec<&Held> = held.iter().filter(|held| which(&held.volume)).collect();
        if kept.is_empty() {
            return Ok(());
        }
        // Those that were to be kept from the beginning are marked already.
        let unmarked: Vec<_> = kept
            .iter()
            .filter(|held| held.record.kept.is_none())
            .map(|held| (&held.volume, held.device.as_ref()))
            .collect();
        claim.backend.keep(&unmarked, &claim.tag)?;
        // If the records were lost meanwhile, they are written anew: of a loop device little else tells.
        claim.state.update(|records| {
            for held in &kept {
                let mut record = held.record.clone();
                record.kept = Some(reason.to_owned());
                records.put(record);
            }
            Ok(())
        })?;
        let volumes: Vec<&Named> = kept.iter().map(|held| &held.volume).collect();
        eprintln!("{}", announce::kept(&volumes, &self.test, reason));
        events::kept(
            claim.state.dir(),
            &kept[0].record,
            &volumes,
            self.since.elapsed(),
            reason,
        );
        let pool_name = kept[0].record.pool_name.clone();
        held.retain(|held| !which(&held.volume));
        if held.is_empty() {
            // A kept volume is nobody's any more. The file stays, and tells whose it was.
            claim.lease = None;
            retain(claim, &pool_name, self.keep_max);
        }
        Ok(())
    }

    fn give_back(&self, which: impl Fn(&Named) -> bool) -> Result<()> {
        let mut inner = self.lock();
        let Inner { claim, held } = &mut *inner;
        let (held_for, begun) = (self.since.elapsed(), Instant::now());
        let given: Vec<&Held> = held.iter().filter(|held| which(&held.volume)).collect();
        let Some(record) = given.first().map(|held| held.record.clone()) else {
            return Ok(());
        };
        let mut volumes: Vec<Named> = given.iter().map(|held| held.volume.clone()).collect();
        if volumes.len() == held.len() {
            volumes.extend(made_by_others(claim, held, self.keep.if_it_dies())?);
        }
        // From here on they are the records' business: they are not tried twice. This also closes the
        // descriptors by which loop devices live.
        held.retain(|held| !which(&held.volume));
        // Of the rest the lease is the proof that they are held, also if the records of them are lost.
        let mut not_yet = None;
        let lease = if held.is_empty() {
            &mut claim.lease
        } else {
            &mut not_yet
        };
        let done = give_back(&claim.state, &claim.backend, &claim.tag, &volumes, lease);
        let is_left = |volume: &&Named| match &done {
            Ok(left) => left.iter().any(|left| left.lv_name == volume.lv_name),
            // What came of it nobody knows; they are a reaper's work.
            Err(_) => true,
        };
        let (left, gone): (Vec<&Named>, Vec<&Named>) = volumes.iter().partition(is_left);
        let done = done.and_then(|left| all_gone(&left));
        let why = done.as_ref().err().map(|err| (left.as_slice(), err.chain()));
        events::released(claim.state.dir(), &record, &gone, why, held_for, begun.elapsed());
        done
    }

    fn lock(&self) -> MutexGuard<'_, Inner> {
        // A panic in here has left volumes that are on record, and the rest is to be given back still.
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn held_by_name<'a>(held: &'a mut [Held], lv_name: &str, done: &'static str) -> Result<&'a mut Held> {
    let mut all = held.iter_mut();
    let found = all.find(|held| held.volume.lv_name == lv_name);
    found.ok_or_else(|| Error::NotAltered {
        volume: lv_name.to_owned(),
        done,
        why: "it has been given back, or kept".to_owned(),
    })
}

/// Finds what programs of the test have made in its session: snapshots, by `kdev volume snapshot`.
fn made_by_others(claim: &Claim, held: &[Held], kept_if_it_dies: Option<&str>) -> Result<Vec<Named>> {
    let records = claim.state.snapshot()?;
    let is_held = |record: &Record| held.iter().any(|held| held.volume.lv_name == record.lv_name);
    let of_session = records.of_session(&claim.tag.session);
    Ok(of_session
        .filter(|record| record.phase == Phase::Active && record.others.contains_key(SNAPSHOT_OF))
        // But for what was kept one by one.
        .filter(|record| record.kept.is_none() || record.kept.as_deref() == kept_if_it_dies)
        .filter(|record| !is_held(record))
        .map(Named::on_record)
        .collect())
}

/// Makes room for what was kept just now, if there is a bound. The test is over, and does not fail by it.
fn retain(claim: &Claim, pool_name: &str, most: Option<KeepMax>) {
    let Some(most) = most else { return };
    match reap::retain(&claim.state, pool_name, most, &claim.tag.session) {
        Ok(reaped) => reaped.tell_of("kept earlier (`KDEV_KEEP_MAX`)"),
        Err(err) => eprintln!(
            "kdev: could not remove volumes kept earlier (`KDEV_KEEP_MAX`): {}",
            err.chain()
        ),
    }
}

impl Drop for Holding {
    fn drop(&mut self) {
        if let Err(err) = self.finish(thread::panicking()) {
            let session = self.lock().claim.tag.session.to_string();
            eprintln!("kdev: left volumes of session {session} behind: {}", err.chain());
        }
    }
}
