use std::env;
use std::path::{Path, PathBuf};
use std::thread;
use std::time::Duration;

use kdev_volumes::{Bytes, Error as Refused, Pool, Result, Session, Spec, VolumeSpec};

use crate::args::VolumeArgs;
use crate::course::Telling;
use crate::error::Error;
use crate::slices::Slices;

/// Which disks a machine gets.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Disks {
    /// fstests' seven: a test device, a pool of five and one for log-writes.
    Seven,
    /// A test device and a scratch device.
    Scratch,
}

/// How disks lie on volumes.
#[derive(Clone, Debug)]
enum Layout {
    /// Each disk is a volume, named for what it is used for.
    Apart(Spec),
    /// All of them are slices of one volume, which costs one volume's time to make.
    Sliced {
        roles: Vec<String>,
        slices: Slices,
        one: Spec,
    },
}

/// The volumes of one machine.
#[derive(Debug)]
pub(crate) struct Volumes {
    session: Session,
    placed: Vec<Placed>,
}

/// Where a disk is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Placed {
    /// What fstests uses it for; also the disk's serial number.
    pub(crate) role: String,
    pub(crate) path: PathBuf,
    /// Where the slice begins that it is; `None` of a volume of its own.
    pub(crate) offset: Option<Bytes>,
    pub(crate) size: Bytes,
}

impl Disks {
    fn spec(self, size: Bytes) -> Result<Spec> {
        Ok(match self {
            Self::Seven => Spec::fstests(size)?,
            Self::Scratch => Spec::new([VolumeSpec::new("test", size)?, VolumeSpec::new("scratch", size)?])?,
        })
    }
}

/// Returns the pool that is asked for by name, or by the environment; else what this user can have
/// without one.
fn pool(name: Option<&str>) -> Result<Pool> {
    let is_named = env::var_os("KERNELDEV_DEVICE_POOL").is_some_and(|name| !name.is_empty());
    match name {
        Some(name) => Pool::named(name),
        None if is_named => Pool::from_env(),
        None if nix::unistd::geteuid().is_root() => Pool::embedded(),
        None => Pool::images(),
    }
}

impl Layout {
    /// Lays out the disks that the arguments ask for, before there is any volume.
    fn of(args: &VolumeArgs) -> std::result::Result<Self, Error> {
        let disks = if args.scratch {
            Disks::Scratch
        } else {
            Disks::Seven
        };
        let spec = disks.spec(args.size).map_err(Error::Volumes)?;
        if !args.sliced {
            return Ok(Self::Apart(spec));
        }
        let roles: Vec<String> = spec.volumes().iter().map(|it| it.name().to_owned()).collect();
        let slices = Slices::of(roles.len(), args.size)?;
        let one = VolumeSpec::new("disks", slices.whole).and_then(|one| Spec::new([one]));
        Ok(Self::Sliced {
            roles,
            slices,
            one: one.map_err(|err| Error::Volumes(err.into()))?,
        })
    }

    /// Returns the volumes to take.
    fn spec(&self) -> &Spec {
        match self {
            Self::Apart(spec) | Self::Sliced { one: spec, .. } => spec,
        }
    }

    /// Returns where each disk is on the volumes of a session that has them.
    fn place(&self, session: &Session) -> Vec<Placed> {
        let volumes = session.volumes();
        match self {
            Self::Apart(_) => volumes
                .iter()
                .map(|volume| Placed {
                    role: volume.name().to_owned(),
                    path: volume.path().to_owned(),
                    offset: None,
                    size: volume.size(),
                })
                .collect(),
            Self::Sliced { roles, slices, .. } => {
                // A session has all that was asked for.
                let path = volumes[0].path();
                let placed = roles.iter().zip(slices.offsets());
                placed
                    .map(|(role, at)| Placed {
                        role: role.clone(),
                        path: path.to_owned(),
                        offset: Some(at),
                        size: slices.each,
                    })
                    .collect()
            }
        }
    }
}

/// Takes the volumes of so many machines, or of as many as the pool has room for, which is at least one.
pub(crate) fn take(
    args: &VolumeArgs,
    machines: usize,
    telling: &mut Telling,
) -> std::result::Result<(Pool, Vec<Volumes>), Error> {
    let layout = Layout::of(args)?;
    let pool = pool(args.pool.as_deref()).map_err(Error::Volumes)?;
    let mut taken = vec![Volumes::take(&pool, &layout).map_err(Error::Volumes)?];
    // The first machine waits for room; no other does, since whoever waits for what it holds waits too.
    let now = pool.clone().waiting_at_most(Duration::ZERO);
    while taken.len() < machines {
        match Volumes::take(&now, &layout) {
            Ok(volumes) => taken.push(volumes),
            Err(err @ (Refused::NoSpace { .. } | Refused::NeverFits { .. } | Refused::NoneServes { .. })) => {
                telling.note(&format!(
                    "{} of {machines} machines: {}",
                    taken.len(),
                    err.chain()
                ));
                break;
            }
            Err(err) => return Err(Error::Volumes(err)),
        }
    }
    // Now: a process that is killed, whose volumes `KDEV_KEEP` keeps, tells nobody any more.
    let slices = taken
        .iter()
        .filter_map(|volumes| slices_in_words(&volumes.placed));
    slices.for_each(|words| telling.note(&words));
    Ok((pool, taken))
}

impl Volumes {
    /// Takes the volumes of one machine from the pool.
    fn take(pool: &Pool, layout: &Layout) -> Result<Self> {
        let session = allocate(pool, layout.spec())?;
        let placed = layout.place(&session);
        Ok(Self { session, placed })
    }

    /// Returns the disks, in fstests' order.
    pub(crate) fn disks(&self) -> &[Placed] {
        &self.placed
    }

    /// Gives the volumes back. Under `KDEV_KEEP=always` they are kept instead.
    pub(crate) fn close(self) -> Result<()> {
        self.session.close()
    }

    /// Keeps the volumes.
    pub(crate) fn keep(self) -> Result<()> {
        self.session.keep()
    }

    /// Tells whether the volumes are LVs, which no reboot activates.
    pub(crate) fn are_lvs(&self) -> bool {
        self.placed
            .iter()
            .any(|placed| placed.path.starts_with("/dev/mapper"))
    }

    /// Returns how each disk can be looked at, if it is kept.
    pub(crate) fn how_to_look(&self) -> Vec<String> {
        let mounts = self.placed.iter().map(Placed::how_to_mount);
        // What is to be checked, or made of several of them, is wanted as a device.
        let sliced = self.placed.iter().find(|placed| placed.offset.is_some());
        let device = sliced.map(|placed| {
            format!(
                "or as a device: losetup --find --show --offset=OFFSET --sizelimit=SIZELIMIT {}",
                placed.path.display()
            )
        });
        mounts.chain(device).collect()
    }
}

/// Says where the disks of one machine are on its volume, all in bytes; nothing of disks that are volumes.
fn slices_in_words(placed: &[Placed]) -> Option<String> {
    let at: Option<Vec<String>> = placed
        .iter()
        .map(|it| Some(format!("{} at {}", it.role, it.offset?.get())))
        .collect();
    let first = placed.first()?;
    Some(format!(
        "the disks are slices of {}, of {} bytes each: {}",
        first.path.display(),
        first.size.get(),
        at?.join(", ")
    ))
}

/// The thread's name is the one under which the volumes are on record.
fn allocate(pool: &Pool, spec: &Spec) -> Result<Session> {
    thread::scope(|scope| {
        let thread = thread::Builder::new().name("fstests_vm".to_owned());
        let allocating = thread.spawn_scoped(scope, || pool.allocate(spec));
        match allocating {
            Ok(allocating) => allocating
                .join()
                .unwrap_or_else(|panic| std::panic::resume_unwind(panic)),
            // Then without a name.
            Err(_) => pool.allocate(spec),
        }
    })
}

impl Placed {
    /// Returns the command that mounts the disk on this host, to be looked at.
    fn how_to_mount(&self) -> String {
        let path = self.path.display();
        let mut options = vec!["ro".to_owned()];
        if self.offset.is_some() || is_file(&self.path) {
            options.push("loop".to_owned());
        }
        if let Some(offset) = self.offset {
            options.push(format!("offset={}", offset.get()));
            options.push(format!("sizelimit={}", self.size.get()));
        }
        format!("{}: mount -o {} {path} /mnt", self.role, options.join(","))
    }
}

fn is_file(path: &Path) -> bool {
    path.metadata().is_ok_and(|metadata| metadata.is_file())
}

#[cfg(test)]
mod tests {
    use rstest::rstest;

    use super::*;

    fn placed(role: &str, path: &Path, offset: Option<u64>) -> Placed {
        Placed {
            role: role.to_owned(),
            path: path.to_owned(),
            offset: offset.map(Bytes::new),
            size: Bytes::new(1 << 20),
        }
    }

    #[test]
    fn how_a_disk_is_mounted_depends_on_what_it_is() {
        let file = tempfile::NamedTempFile::new().unwrap();
        let device = Path::new("/dev/kdev/a");
        assert_eq!(
            placed("test", device, None).how_to_mount(),
            "test: mount -o ro /dev/kdev/a /mnt"
        );
        for offset in [0, 2 << 20] {
            assert_eq!(
                placed("test", device, Some(offset)).how_to_mount(),
                format!("test: mount -o ro,loop,offset={offset},sizelimit=1048576 /dev/kdev/a /mnt")
            );
        }
        let path = file.path();
        assert_eq!(
            placed("test", path, None).how_to_mount(),
            format!("test: mount -o ro,loop {} /mnt", path.display())
        );
    }

    #[test]
    fn where_slices_are_is_told_and_of_volumes_there_is_nothing_to_tell() {
        let device = Path::new("/dev/kdev/a");
        let slices = [("test", 0), ("scratch", 1 << 20)];
        let slices = slices.map(|(role, at)| placed(role, device, Some(at)));
        assert_eq!(
            slices_in_words(&slices).unwrap(),
            "the disks are slices of /dev/kdev/a, of 1048576 bytes each: test at 0, scratch at 1048576"
        );
        assert_eq!(slices_in_words(&[placed("test", device, None)]), None);
    }

    fn args(line: &str) -> VolumeArgs {
        use clap::Parser;
        let run = "fstests_vm --kernel /k --fstests /f";
        crate::args::Args::try_parse_from(run.split(' ').chain(line.split_whitespace()))
            .unwrap()
            .volumes
    }

    #[rstest]
    #[case("--size 1G", &["test 1G", "pool1 1G", "pool2 1G", "pool3 1G", "pool4 1G", "pool5 1G", "logwrites 1G"])]
    #[case("--size 1G --scratch", &["test 1G", "scratch 1G"])]
    #[case("--size 1G --sliced", &["disks 7G"])]
    #[case("--size 1G --sliced --scratch", &["disks 2G"])]
    #[case("--size 1025K --sliced --scratch", &["disks 4M"])]
    fn volumes_are_taken_for_each_disk_or_for_all(#[case] line: &str, #[case] expected: &[&str]) {
        let layout = Layout::of(&args(line)).unwrap();
        let volumes = layout.spec().volumes().iter();
        let volumes: Vec<String> = volumes
            .map(|volume| format!("{} {}", volume.name(), volume.size()))
            .collect();
        assert_eq!(volumes, expected);
    }

    #[test]
    fn slices_that_no_volume_can_hold_are_refused_before_a_pool_is_looked_for() {
        let mut args = args("--size 2E --sliced --pool=nowhere");
        assert_eq!(Layout::of(&args).unwrap_err().exit_code(), 2);
        args.scratch = true;
        assert!(Layout::of(&args).is_ok());
    }

    #[rstest]
    #[case(Disks::Scratch, &["test", "scratch"])]
    #[case(Disks::Seven, &["test", "pool1", "pool2", "pool3", "pool4", "pool5", "logwrites"])]
    fn the_disks_are_those_that_fstests_knows(#[case] disks: Disks, #[case] expected: &[&str]) {
        let spec = disks.spec(Bytes::new(1 << 30)).unwrap();
        let names: Vec<&str> = spec.volumes().iter().map(VolumeSpec::name).collect();
        assert_eq!(names, expected);
    }
}
