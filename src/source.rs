use std::sync::Once;
use std::time::Duration;

use kdev_volumes_spec::Bytes;

use crate::backend::Backend;
use crate::error::{Error, Result};
use crate::images::ImageDir;
use crate::lease::Blank;
use crate::loops::LoopDir;
use crate::lvm::{Group, Room, Shell};
use crate::pool::POOL_VARIABLE;
use crate::pool_names::{EMBEDDED, IMAGES};
use crate::pools_file::{DEFAULT_PREFIX, PoolEntry};
use crate::state::State;
use crate::thin::Thin;

/// One place that volumes come from: a pool that was set up, or what stands for one.
#[derive(Clone, Debug)]
pub(crate) struct Source {
    name: String,
    kind: Kind,
    state: State,
}

#[derive(Clone, Debug)]
enum Kind {
    Lvm(PoolEntry),
    Loop { dir: LoopDir, chosen: Chosen },
    Image(ImageDir),
}

/// Whether somebody has asked for these volumes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Chosen {
    ByName,
    /// Nobody has named a pool.
    ByDefault,
}

/// What sizes of loop devices and images are rounded up to: the page, as the kernel takes no other direct I/O to
/// a file on some disks.
pub(crate) const FILE_UNIT: Bytes = Bytes::new(4096);

/// What volumes are made with, and what it can hold.
pub(crate) struct Opened {
    pub(crate) backend: Backend,
    /// What sizes are rounded up to.
    pub(crate) unit: Bytes,
    /// The room left; `None` if only making the volumes tells.
    pub(crate) free: Option<Bytes>,
    /// LVM, ready to make them.
    pub(crate) shell: Option<Shell>,
    /// Of what that is the room, if it is a thin pool.
    pub(crate) thin: Option<Thin>,
}

impl Source {
    pub(crate) fn of_loops(chosen: Chosen, state: State) -> Self {
        let dir = LoopDir::from_env();
        Self {
            name: EMBEDDED.to_owned(),
            kind: Kind::Loop { dir, chosen },
            state,
        }
    }

    pub(crate) fn of_images(state: State) -> Self {
        Self {
            name: IMAGES.to_owned(),
            kind: Kind::Image(ImageDir::from_env()),
            state,
        }
    }

    pub(crate) fn of_entry(entry: PoolEntry, state: State) -> Self {
        Self {
            name: entry.pool_name.clone(),
            kind: Kind::Lvm(entry),
            state,
        }
    }

    /// Returns the pool's name; `embedded` for loop devices, `images` for image files.
    pub(crate) fn name(&self) -> &str {
        &self.name
    }

    pub(crate) fn state(&self) -> &State {
        &self.state
    }

    /// Returns the VG's name; `None` of what has no bound.
    pub(crate) fn vg_name(&self) -> Option<&str> {
        match &self.kind {
            Kind::Lvm(entry) => Some(&entry.lvm_config.vg_name),
            Kind::Loop { .. } | Kind::Image(_) => None,
        }
    }

    pub(crate) fn lv_prefix(&self) -> &str {
        match &self.kind {
            Kind::Lvm(entry) => &entry.lvm_config.lv_prefix,
            Kind::Loop { .. } | Kind::Image(_) => DEFAULT_PREFIX,
        }
    }

    /// Says what helps if a VG is missing that is on a file.
    #[cfg(feature = "cli")]
    pub(crate) fn why_missing(&self, err: Error) -> Error {
        match &self.kind {
            Kind::Lvm(entry) => entry.why_missing(err),
            Kind::Loop { .. } | Kind::Image(_) => err,
        }
    }

    /// Makes sure that volumes can be made here, before anything is written down.
    pub(crate) fn open(&self) -> Result<Opened> {
        match &self.kind {
            Kind::Lvm(entry) => {
                // Where there are no files without a name, LVM is started once more.
                let lease = Blank::make(self.state.dir()).ok();
                let opened = Group::open_to_make(&entry.lvm_config.vg_name, lease);
                let (mut group, mut room, shell) = opened.map_err(|err| entry.why_missing(err))?;
                // How full a thin pool is, it tells only while it is active.
                if room.thin.is_some_and(|thin| thin.data_percent.is_none()) {
                    group.wake(None)?;
                    (group, room) = Group::open(&entry.lvm_config.vg_name)?;
                }
                Ok(Opened {
                    backend: Backend::Lvm(group),
                    unit: room.extent,
                    free: Some(room.free),
                    shell,
                    thin: room.thin,
                })
            }
            Kind::Loop { dir, chosen } => {
                if *chosen == Chosen::ByDefault {
                    say_once_that_this_is_the_default(dir);
                }
                Ok(Opened {
                    backend: Backend::Loop(dir.clone()),
                    unit: FILE_UNIT,
                    free: None,
                    shell: None,
                    thin: None,
                })
            }
            Kind::Image(dir) => Ok(Opened {
                backend: Backend::Image(dir.clone()),
                // As for loop devices, which somebody may want to make of them.
                unit: FILE_UNIT,
                free: None,
                shell: None,
                thin: None,
            }),
        }
    }

    /// Makes the error for a request that is larger than the room, or that comes after `before` others; says
    /// who has the rest.
    pub(crate) fn no_space(&self, opened: &Opened, want: Bytes, before: usize, waited: Duration) -> Error {
        Error::NoSpace {
            pool: self.name.clone(),
            free: opened.free.unwrap_or_default(),
            want,
            thin: opened.thin,
            before,
            waited,
            holders: holders(self.held()),
        }
    }

    /// Lists who holds how much here, for people to read; nothing if nobody is known to.
    pub(crate) fn held(&self) -> String {
        held(&self.state, &self.name)
    }
}

/// Makes the error for a volume that is to grow, or to have a snapshot, by more than the room.
pub(crate) fn no_space(state: &State, pool: &str, room: &Room, want: Bytes) -> Error {
    Error::NoSpace {
        pool: pool.to_owned(),
        free: room.free,
        want,
        thin: room.thin,
        before: 0,
        waited: Duration::ZERO,
        holders: holders(held(state, pool)),
    }
}

fn holders(held: String) -> String {
    match held.is_empty() {
        true => held,
        false => format!("; held: {held}"),
    }
}

fn held(state: &State, pool: &str) -> String {
    // Who reads this has another error to tell of, or all the time in the world.
    let records = state.snapshot().unwrap_or_default();
    let held = records
        .iter()
        .filter(|record| record.pool_name == pool)
        .map(|record| {
            // Until it is made, what was asked for.
            let asked = || record.volume_spec.size.parse().unwrap_or_default();
            let size = record.size_bytes.map_or_else(asked, Bytes::new);
            let test = record.test.as_deref().unwrap_or("unknown test");
            let attempt = record.attempt.filter(|&attempt| attempt > 1);
            let attempt = attempt.map_or(String::new(), |attempt| format!(", attempt {attempt}"));
            let kept = if record.kept.is_some() { ", kept" } else { "" };
            format!("{size} by `{test}` (pid {}{attempt}{kept})", record.pid)
        });
    held.collect::<Vec<_>>().join(", ")
}

/// A developer who forgot to name a pool should learn it from the first test, not from a full disk.
fn say_once_that_this_is_the_default(dir: &LoopDir) {
    static SAID: Once = Once::new();
    SAID.call_once(|| {
        eprintln!(
            "kdev: {POOL_VARIABLE} is not set, so volumes are loop devices over sparse files in `{}` (`kdev pool setup --help` tells of real ones)",
            dir.path().display()
        );
    });
}
