use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;
use std::time::Duration;

use kdev_volumes_spec::Bytes;

use crate::clock;
use crate::error::{Error, Result};
use crate::here::Here;
use crate::images::{self, ImageDir};
use crate::liveness::{LeaseState, Liveness, liveness};
use crate::lvm::Activation;
use crate::pool_names::{EMBEDDED, IMAGES};
use crate::pools::Pools;
use crate::pools_file;
use crate::process::Process;
use crate::queue::{Line, Ticket};
use crate::reap::{Entry, Presence, Survey, Verdict, places, survey};
use crate::state::{Kind, Phase};
use crate::thin::Thin;

/// A pool as it is now.
///
/// ```no_run
/// # use kdev_volumes::pools::Pools;
/// for pool in Pools::from_env()?.status(None)? {
///     match pool.room {
///         Some((size, free)) => println!("{}: {free} of {size} free", pool.name),
///         None => println!("{}: {} volumes", pool.name, pool.volumes.len()),
///     }
/// }
/// # Ok::<(), kdev_volumes::Error>(())
/// ```
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct PoolStatus {
    /// The pool's name; `embedded` for loop devices, `images` for image files.
    pub name: String,
    /// The VG's name; `None` for loop devices and images.
    pub vg_name: Option<String>,
    /// The room in the VG, in all and free; `None` if it cannot be looked at, or there is no VG. Of a thin pool
    /// what it may give out, and what of that is left.
    pub room: Option<(Bytes, Bytes)>,
    /// How full a thin pool is; `None` of a thick one.
    pub thin: Option<Thin>,
    /// Why the VG cannot be looked at.
    pub trouble: Option<String>,
    /// Our volumes, as the records and the VG know them.
    pub volumes: Vec<VolumeStatus>,
    /// LVs in the VG, or images in this user's directory, that are not ours, by name.
    pub foreign: Vec<String>,
    /// Those of this state directory who wait for room, the first first.
    pub queue: Vec<WaiterStatus>,
}

/// A test that waits for room.
///
/// ```no_run
/// # use kdev_volumes::pools::Pools;
/// for waiter in &Pools::from_env()?.status(Some("default"))?[0].queue {
///     println!("pid {} waits for {} since {}", waiter.pid, waiter.want, waiter.since);
/// }
/// # Ok::<(), kdev_volumes::Error>(())
/// ```
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct WaiterStatus {
    /// The process that waits.
    pub pid: u32,
    /// The test that it runs; `None` if that did not say.
    pub test: Option<String>,
    /// Which attempt at the test it is, from 1 on; `None` if the test's runner did not say.
    pub attempt: Option<u32>,
    /// What it wants, rounded up.
    pub want: Bytes,
    /// The pools of which any will do.
    pub pools: Vec<String>,
    /// Since when, in UTC, as `2025-11-15T10:30:45`.
    pub since: String,
    /// How long it has waited; `None` if that is not a time, or is to come.
    pub waited: Option<Duration>,
}

/// A volume as it is now.
///
/// ```no_run
/// # use kdev_volumes::pools::Pools;
/// let pools = Pools::from_env()?.status(None)?;
/// let volumes = pools.iter().flat_map(|pool| &pool.volumes);
/// for stuck in volumes.filter(|volume| volume.verdict == "stuck") {
///     println!("{}: {}", stuck.lv_name, stuck.why.as_deref().unwrap_or("nobody knows why"));
/// }
/// # Ok::<(), kdev_volumes::Error>(())
/// ```
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct VolumeStatus {
    /// The name of the LV.
    pub lv_name: String,
    /// The path of the device.
    pub path: PathBuf,
    /// The size; `None` if nobody knows it, as before the volume is made.
    pub size: Option<Bytes>,
    /// The pool that it was taken from; `None` if no record tells.
    pub pool: Option<String>,
    /// The process that the volume was made for.
    pub pid: u32,
    /// The user whom that process ran as; `None` if nothing tells.
    pub uid: Option<u32>,
    /// The machine that it ran on, as eight hexadecimal digits; `None` if nothing tells.
    pub host: Option<String>,
    /// The session, which the names of all its volumes hold.
    pub session: String,
    /// The test that it was made for; `None` if no record tells.
    pub test: Option<String>,
    /// Which attempt at the test it is, from 1 on; `None` if the test's runner did not say.
    pub attempt: Option<u32>,
    /// The run of the test runner, as nextest names it; `None` if that did not say.
    pub run_id: Option<String>,
    /// When it was made, in UTC, as `2025-11-15T10:30:45`; `None` if no record tells.
    pub allocated_at: Option<String>,
    /// How long it has been there; `None` if no record tells.
    pub age: Option<Duration>,
    /// What is known of its owner: `alive`, `dead`, `kept`, `unknown`, `removing` if somebody is at it,
    /// `stuck` if it is dead and could not be removed, `gone` if there is only a record left.
    pub verdict: &'static str,
    /// Why the owner is unknown, or who holds a stuck volume.
    pub why: Option<String>,
    /// Whether an LV has a device; `None` if it is not there or LVM does not know, and for loop devices and images.
    pub activation: Option<Activation>,
    /// Why it was kept: `always`, `failed` or `asked`; `None` if it was not, or only the LV's tag tells.
    pub kept: Option<String>,
}

impl Pools {
    /// Looks at one pool, or at all of them and at the loop devices and images without a pool.
    ///
    /// ```no_run
    /// # use kdev_volumes::pools::Pools;
    /// let default = &Pools::from_env()?.status(Some("default"))?[0];
    /// println!("{} volumes in VG {:?}", default.volumes.len(), default.vg_name);
    /// # Ok::<(), kdev_volumes::Error>(())
    /// ```
    ///
    /// # Errors
    ///
    /// [`Error::NoPool`], or if the files of state cannot be read.
    pub fn status(&self, pool: Option<&str>) -> Result<Vec<PoolStatus>> {
        let places = places(&self.state, pool)?;
        let mut survey = survey(&self.state, &places, BTreeMap::new())?;
        let entries = pools_file::read(self.state.dir())?;
        let line = Line::look(self.state.dir())?;
        let entry_of = |vg_name: &str| entries.values().find(|entry| entry.lvm_config.vg_name == vg_name);
        let mut unseen: BTreeMap<String, Error> = survey.unseen.drain(..).collect();
        let name_of = |vg_name: &str| {
            entry_of(vg_name).map_or_else(|| format!("(VG {vg_name})"), |entry| entry.pool_name.clone())
        };
        let mut processes = Processes::default();
        let mut statuses: Vec<PoolStatus> = Vec::new();
        let of_vgs = places.vgs.iter().map(|vg_name| (Kind::Lvm, vg_name.as_str()));
        let of_loops = places.loops.then_some((Kind::Loop, ""));
        let of_images = places.images.then_some((Kind::Image, ""));
        for (kind, vg_name) in of_vgs.chain(of_loops).chain(of_images) {
            let of_this = |entry: &&Entry| entry.kind == kind && entry.vg_name == vg_name;
            let entries = survey.entries.iter().filter(of_this);
            let volumes = entries.map(|entry| volume_status(entry, &survey, &mut processes));
            let volumes = volumes.collect();
            let room = survey.backends.room(vg_name);
            let name = match kind {
                Kind::Lvm => name_of(vg_name),
                Kind::Loop => EMBEDDED.to_owned(),
                Kind::Image => IMAGES.to_owned(),
            };
            statuses.push(PoolStatus {
                queue: line.tickets(&name).map(WaiterStatus::from).collect(),
                name,
                vg_name: (kind == Kind::Lvm).then(|| vg_name.to_owned()),
                room: room.map(|room| (room.size, room.free)),
                thin: room.and_then(|room| room.thin),
                trouble: unseen.remove(vg_name).map(|err| match entry_of(vg_name) {
                    Some(entry) => entry.why_missing(err).chain(),
                    None => err.chain(),
                }),
                volumes,
                foreign: match kind {
                    Kind::Lvm => foreign_names(&survey.foreign, vg_name),
                    Kind::Loop => Vec::new(),
                    Kind::Image => foreign_images(&survey),
                },
            });
        }
        // Loop devices and images are worth a mention only where there are some, or nothing else was asked for.
        statuses.retain(|status| status.vg_name.is_some() || !status.volumes.is_empty() || pool.is_some());
        Ok(statuses)
    }
}

impl From<&Ticket> for WaiterStatus {
    fn from(ticket: &Ticket) -> Self {
        Self {
            pid: ticket.pid,
            test: ticket.test.clone(),
            attempt: ticket.attempt,
            want: Bytes::new(ticket.want_bytes),
            pools: ticket.pools.clone(),
            since: ticket.since.clone(),
            waited: clock::age(&ticket.since),
        }
    }
}

/// Images in this user's directory of which neither a record nor a lease tells here. Another state directory
/// may have them.
fn foreign_images(survey: &Survey) -> Vec<String> {
    // One that cannot be looked at is said when an image is to be made in it, or removed from it.
    let found = images::in_directory(ImageDir::from_env().path()).unwrap_or_default();
    let is_known = |image: &images::Found| survey.entries.iter().any(|entry| entry.lv_name == image.lv_name);
    let foreign = found.into_iter().filter(|image| !is_known(image));
    let names: BTreeSet<String> = foreign.map(|image| image.lv_name).collect();
    names.into_iter().collect()
}

pub(super) fn foreign_names(foreign: &[(String, crate::lvm::Lv)], vg_name: &str) -> Vec<String> {
    let names: BTreeSet<String> = foreign
        .iter()
        .filter(|(vg, _)| vg == vg_name)
        .map(|(_, lv)| lv.name.clone())
        .collect();
    names.into_iter().collect()
}

/// A live owner is at it itself; of a dead one a watchdog or a reaper has the lease too.
fn somebody_is_at_it(entry: &Entry, survey: &Survey) -> bool {
    let ours = survey.leases.get(&entry.tag.session);
    match entry.verdict {
        Verdict::Alive => true,
        _ => ours.is_some_and(|lease| !lease.is_nobody_elses()),
    }
}

/// What the kernel says of processes, each of which is looked up once.
#[derive(Default)]
pub(super) struct Processes(BTreeMap<u32, Process>);

impl Processes {
    fn find(&mut self, pid: u32) -> Process {
        *self.0.entry(pid).or_insert_with(|| Process::find(pid))
    }
}

fn why_it_lives(entry: &Entry, processes: &mut Processes) -> Option<String> {
    let (owner, here) = (&entry.tag.owner, Here::get().ok()?);
    let by_its_process = liveness(owner, LeaseState::Missing, here, |pid| processes.find(pid));
    (by_its_process == Liveness::Dead)
        .then(|| "its process is gone, but something that it started holds its lease".to_owned())
}

pub(super) fn volume_status(entry: &Entry, survey: &Survey, processes: &mut Processes) -> VolumeStatus {
    let (record, owner) = (entry.record.as_ref(), &entry.tag.owner);
    let failure = record.and_then(|record| record.failure.as_ref());
    let phase = record.map(|record| record.phase);
    let (verdict, why) = match (entry.verdict, entry.presence, failure) {
        (Verdict::Alive, Presence::Gone, _) if phase == Some(Phase::Creating) => {
            ("alive", Some("being made".to_owned()))
        }
        (_, _, None) if phase == Some(Phase::Removing) && somebody_is_at_it(entry, survey) => {
            ("removing", None)
        }
        (_, Presence::Gone, _) => ("gone", None),
        (Verdict::Alive, ..) => ("alive", why_it_lives(entry, processes)),
        (Verdict::Kept, ..) => ("kept", None),
        (Verdict::Unknown(doubt), ..) => ("unknown", Some(doubt.to_string())),
        (Verdict::Dead, _, Some(failure)) => ("stuck", Some(failure.why.clone())),
        (Verdict::Dead, _, None) => ("dead", None),
    };
    VolumeStatus {
        lv_name: entry.lv_name.clone(),
        path: entry.path.clone(),
        size: entry.size,
        pool: record.map(|record| record.pool_name.clone()),
        pid: owner.pid,
        uid: owner.uid,
        host: owner.host.clone(),
        session: entry.tag.session.to_string(),
        test: record.and_then(|record| record.test.clone()),
        attempt: record.and_then(|record| record.attempt),
        run_id: record.and_then(|record| record.run_id.clone()),
        allocated_at: record.map(|record| record.allocated_at.clone()),
        age: record.and_then(|record| clock::age(&record.allocated_at)),
        verdict,
        why,
        activation: match entry.presence {
            Presence::There => entry.activation,
            Presence::Gone | Presence::Unseen => None,
        },
        kept: record.and_then(|record| record.kept.clone()),
    }
}
