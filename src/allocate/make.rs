use std::path::PathBuf;
use std::time::{Duration, Instant};

use kdev_volumes_spec::{Bytes, Spec};

use crate::allocate::claim::{claim, confirm};
use crate::backend::{Made, Named};
use crate::error::{Error, Result};
use crate::events;
use crate::give_back::{all_gone, give_back};
use crate::holding::Claim;
use crate::loops::LoopDevice;
use crate::mkfs::Mkfs;
use crate::request::Request;
use crate::session::Session;
use crate::source::{Opened, Source};
use crate::watchdog;

/// A source that was looked at, and what a session would take of it.
pub(super) struct Offer<'a> {
    pub(super) source: &'a Source,
    opened: Opened,
    /// Of the spec's volumes, rounded up.
    sizes: Vec<Bytes>,
    /// All of them together.
    pub(super) want: Bytes,
}

impl<'a> Offer<'a> {
    /// Looks at a source.
    ///
    /// # Errors
    ///
    /// If no volume can be made there, or none of these sizes.
    pub(super) fn of(source: &'a Source, spec: &Spec) -> Result<Self> {
        let opened = source.open()?;
        let sizes = rounded(spec, opened.unit)?;
        let want = sizes
            .iter()
            .try_fold(0u64, |sum, size| sum.checked_add(size.get()));
        Ok(Self {
            source,
            opened,
            sizes,
            want: Bytes::new(want.unwrap_or(u64::MAX)),
        })
    }

    /// Returns the room that was left; `None` if only making the volumes tells.
    pub(super) fn free(&self) -> Option<Bytes> {
        self.opened.free
    }

    /// Makes the error for what the source does not give; `before` others wait for it who come first.
    pub(super) fn no_space(&self, before: usize, waited: Duration) -> Error {
        self.source.no_space(&self.opened, self.want, before, waited)
    }

    /// Makes the volumes of one session, all of them or none. `has_room` is called when the room is taken;
    /// filesystems are made after that.
    ///
    /// # Errors
    ///
    /// [`Error::NoSpace`] if others have taken the room since it was looked at.
    pub(super) fn make(self, spec: &Spec, request: &Request, has_room: &mut dyn FnMut()) -> Result<Session> {
        let begun = Instant::now();
        let filesystems = Mkfs::find(spec)?;
        let Self {
            source: pool,
            opened: Opened { backend, shell, .. },
            sizes,
            want,
        } = self;

        // The lease and the records come before the volumes: dying between the two leaves records without
        // volumes, which a reaper forgives. The other order leaves volumes that nobody owns.
        let watchdog = watchdog::start(pool.state());
        let (tag, lease, records) = claim(pool, &backend, spec, request, shell.as_ref())?;
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
            .make(&mut wanted, &tag, &lease, kept.is_some(), shell)
            .and_then(|made| {
                let made = in_order(made, &wanted)?;
                has_room();
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
                let undone = give_back(pool.state(), &backend, &tag, &wanted, &mut lease)
                    .and_then(|left| all_gone(&left));
                if let Err(undone) = undone {
                    eprintln!("kdev: while giving up a session: {}", undone.chain());
                }
                Err(told_as_what_it_is(err, pool, want))
            }
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

/// Finds out from the system, rather than from LVM's prose, what a failed `lvcreate` died of.
fn told_as_what_it_is(err: Error, pool: &Source, want: Bytes) -> Error {
    if !matches!(err, Error::Command { .. }) {
        return err;
    }
    let mapped = std::fs::read_to_string("/proc/misc").unwrap_or_default();
    if !mapped.contains("device-mapper") {
        return Error::NoDeviceMapper;
    }
    let opened = pool.open().ok();
    match opened.filter(|opened| opened.free.is_some_and(|free| want > free)) {
        // Somebody took the room between our look and our turn.
        Some(opened) => pool.no_space(&opened, want, 0, Duration::ZERO),
        None => err,
    }
}
