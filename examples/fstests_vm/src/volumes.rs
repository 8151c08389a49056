use std::env;
use std::path::{Path, PathBuf};
use std::thread;
use std::time::Duration;

use kdev_volumes::{Bytes, Error, Pool, Result, Session, Spec, VolumeSpec};

use crate::args::VolumeArgs;
use crate::course::Telling;

/// Which disks a machine gets.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Disks {
    /// fstests' seven: a test device, a pool of five and one for log-writes.
    Seven,
    /// A test device and a scratch device.
    Scratch,
}

/// How disks lie on volumes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Lay {
    /// Each disk is a volume.
    Apart,
    /// All of them are slices of one volume, which costs one volume's time to make.
    Sliced,
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
    /// Of the slice; 0 of a volume of its own.
    pub(crate) offset: u64,
    pub(crate) size: Bytes,
    pub(crate) is_slice: bool,
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

/// Takes the volumes of so many machines, or of as many as the pool has room for, which is at least one.
pub(crate) fn take(
    args: &VolumeArgs,
    machines: usize,
    telling: &mut Telling,
) -> Result<(Pool, Vec<Volumes>)> {
    let pool = pool(args.pool.as_deref())?;
    let disks = if args.scratch {
        Disks::Scratch
    } else {
        Disks::Seven
    };
    let lay = if args.sliced { Lay::Sliced } else { Lay::Apart };
    let mut taken = vec![Volumes::take(&pool, disks, lay, args.size)?];
    // The first machine waits for room; no other does, since whoever waits for what it holds waits too.
    let now = pool.clone().waiting_at_most(Duration::ZERO);
    while taken.len() < machines {
        match Volumes::take(&now, disks, lay, args.size) {
            Ok(volumes) => taken.push(volumes),
            Err(err @ (Error::NoSpace { .. } | Error::NeverFits { .. } | Error::NoneServes { .. })) => {
                telling.note(&format!(
                    "{} of {machines} machines: {}",
                    taken.len(),
                    err.chain()
                ));
                break;
            }
            Err(err) => return Err(err),
        }
    }
    Ok((pool, taken))
}

impl Volumes {
    /// Takes the volumes of one machine from the pool.
    fn take(pool: &Pool, disks: Disks, lay: Lay, size: Bytes) -> Result<Self> {
        let spec = disks.spec(size)?;
        match lay {
            Lay::Apart => {
                let session = allocate(pool, &spec)?;
                let volumes = session.volumes().iter();
                let placed = volumes
                    .map(|volume| Placed {
                        role: volume.name().to_owned(),
                        path: volume.path().to_owned(),
                        offset: 0,
                        size: volume.size(),
                        is_slice: false,
                    })
                    .collect();
                Ok(Self { session, placed })
            }
            Lay::Sliced => {
                let too_large = || std::io::Error::other("that many bytes cannot be counted");
                let each = size.round_up(SLICE_UNIT).ok_or_else(too_large).map_err(sliced)?;
                let count = spec.volumes().len() as u64;
                let all = each
                    .get()
                    .checked_mul(count)
                    .ok_or_else(too_large)
                    .map_err(sliced)?;
                let session = allocate(pool, &Spec::new([VolumeSpec::new("disks", Bytes::new(all))?])?)?;
                let path = session.volumes()[0].path().to_owned();
                let roles = spec.volumes().iter().zip(0..);
                let placed = roles
                    .map(|(volume, at)| Placed {
                        role: volume.name().to_owned(),
                        path: path.clone(),
                        offset: at * each.get(),
                        size: each,
                        is_slice: true,
                    })
                    .collect();
                Ok(Self { session, placed })
            }
        }
    }

    /// Returns the disks, in fstests' order.
    pub(crate) fn disks(&self) -> &[Placed] {
        &self.placed
    }

    /// Gives the volumes back.
    pub(crate) fn close(self) -> Result<()> {
        self.session.close()
    }

    /// Keeps the volumes, and returns how each can be looked at.
    pub(crate) fn keep(self) -> Result<Vec<String>> {
        let how = self.placed.iter().map(Placed::how_to_mount).collect();
        self.session.keep()?;
        Ok(how)
    }
}

/// Slices begin where no disk minds.
const SLICE_UNIT: Bytes = Bytes::new(1 << 20);

fn sliced(source: std::io::Error) -> Error {
    Error::Io {
        doing: "lay out the slices of",
        path: "one volume".into(),
        source,
    }
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
        if self.is_slice || is_file(&self.path) {
            options.push("loop".to_owned());
        }
        if self.is_slice {
            options.push(format!("offset={}", self.offset));
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

    #[test]
    fn how_a_disk_is_mounted_depends_on_what_it_is() {
        let file = tempfile::NamedTempFile::new().unwrap();
        let placed = |path: &Path, is_slice| Placed {
            role: "test".to_owned(),
            path: path.to_owned(),
            offset: 2 << 20,
            size: Bytes::new(1 << 20),
            is_slice,
        };
        let device = Path::new("/dev/kdev/a");
        assert_eq!(
            placed(device, false).how_to_mount(),
            "test: mount -o ro /dev/kdev/a /mnt"
        );
        assert_eq!(
            placed(device, true).how_to_mount(),
            "test: mount -o ro,loop,offset=2097152,sizelimit=1048576 /dev/kdev/a /mnt"
        );
        let path = file.path();
        assert_eq!(
            placed(path, false).how_to_mount(),
            format!("test: mount -o ro,loop {} /mnt", path.display())
        );
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
