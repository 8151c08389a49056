use std::fs::{File, OpenOptions};
use std::io::Write;
use std::os::unix::fs::FileExt;
use std::path::Path;

use kdev_volumes_spec::Bytes;

use crate::command::Invocation;
use crate::error::{Error, Result};
use crate::fault;
use crate::lease::Lease;

/// What a new volume of a pool may show of the data that was at its place before.
///
/// It is the pool's: a tag of its VG says it, `kdev.clean=zero`. Loop devices and image files are always
/// all zeros.
///
/// ```
/// use kdev_volumes::pools::Clean;
///
/// assert_eq!(Clean::default(), Clean::Signatures);
/// assert_eq!(Clean::Zero.as_str(), "zero");
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum Clean {
    /// Nothing by which a filesystem, RAID, PV or the like at its beginning or end would be known: LVM wipes
    /// what signatures it finds, and the first 4 KiB. The rest is as it was, such as superblock copies, by
    /// which `e2fsck -b 32768` brings the last filesystem back. Costs next to nothing, and is enough for
    /// tests that make a filesystem first.
    #[default]
    Signatures,
    /// Nothing: all of it reads as zeros. For tests of fsck, repair and recovery. Costs what the disk needs to
    /// write the volume's size, or next to nothing where the disk zeroes by itself (`write_zeroes_max_bytes`
    /// in its sysfs directory).
    Zero,
    /// No signatures, and the disk is told that the rest is not needed: an SSD, or a thinly provisioned disk,
    /// keeps its speed and room. What is read there until it is written is the disk's choice.
    Discard,
}

/// What the tag of a VG begins with that says how its volumes are made clean.
const TAG: &str = "kdev.clean=";

/// LVM wipes as much of the beginning of each LV, whatever is there.
const HEAD: usize = 4096;

impl Clean {
    /// Returns the word for it, as `kdev pool setup --clean` takes it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Signatures => "signatures",
            Self::Zero => "zero",
            Self::Discard => "discard",
        }
    }

    /// Returns the tag of a pool's VG; `None` for the default, which needs none.
    pub(crate) fn tag(self) -> Option<String> {
        (self != Self::default()).then(|| format!("{TAG}{}", self.as_str()))
    }

    /// Reads the tags of a pool's VG. A word that we do not know, of a later version, is taken for the most
    /// that can be promised; and of several words the one that promises most counts.
    pub(crate) fn of_tags(tags: &[String]) -> Self {
        let promised = tags.iter().filter_map(|tag| tag.strip_prefix(TAG));
        promised
            .map(|word| match word {
                "signatures" => Self::Signatures,
                "discard" => Self::Discard,
                _ => Self::Zero,
            })
            .max_by_key(|clean| match clean {
                Self::Signatures => 0,
                Self::Discard => 1,
                Self::Zero => 2,
            })
            .unwrap_or_default()
    }

    /// Does to a new LV, of which LVM has wiped the signatures, what else is promised. Should we die
    /// meanwhile, the session is not dead before this is done.
    pub(crate) fn apply(self, device: &Path, lease: &Lease) -> Result<()> {
        let blkdiscard = |how: &[&str]| {
            Invocation::new("blkdiscard", "util-linux")?
                .args(how)
                .arg(device)
                .holding(lease.shared()?)
                .changing()
                // It depends on the size and the disk alone.
                .however_long()
                .run()
        };
        match self {
            Self::Signatures => {}
            Self::Zero => drop(blkdiscard(&["--zeroout", "--step", "1GiB"])?),
            Self::Discard => {
                blkdiscard(&[])?;
                // What is read now may be what was there before the LV was.
                Invocation::new("wipefs", "util-linux")?
                    .args(["--all", "--quiet"])
                    .arg(device)
                    .holding(lease.shared()?)
                    .changing()
                    .run()?;
                wipe_head(device)?;
            }
        }
        Ok(())
    }
}

impl Clean {
    /// Does so to what was added to an LV, of which LVM wipes nothing: what lies there may be the end of
    /// what knows its filesystem, RAID or partitions by their ends. `lock` is lent to programs.
    pub(crate) fn apply_to_added(
        self,
        device: &Path,
        (from, to): (Bytes, Bytes),
        lock: impl Fn() -> Result<Option<File>>,
    ) -> Result<()> {
        let blkdiscard = |how: &[&str]| {
            Invocation::new("blkdiscard", "util-linux")?
                .args(how)
                .args(["--offset", &from.get().to_string()])
                .args(["--length", &(to.get() - from.get()).to_string()])
                .arg(device)
                .holding(lock()?)
                .changing()
                .however_long()
                .run()
        };
        match self {
            Self::Zero => drop(blkdiscard(&["--zeroout", "--step", "1GiB"])?),
            Self::Discard => drop(blkdiscard(&[])?),
            Self::Signatures => {}
        }
        if self != Self::Zero {
            wipe_ends_of(device, from, to)?;
        }
        Ok(())
    }
}

/// Nothing is known by more than the last MiB, nor by anything in the middle that begins nowhere.
fn wipe_ends_of(device: &Path, from: Bytes, to: Bytes) -> Result<()> {
    const END: u64 = 1 << 20;
    let failed = |err| Error::io("wipe what was added to", device, err);
    let last = to.get().saturating_sub(END).max(from.get());
    let file = OpenOptions::new().write(true).open(device).map_err(failed)?;
    for (at, length) in [(from.get(), HEAD as u64), (last, to.get() - last)] {
        let zeros = vec![0; usize::try_from(length).expect("it is at most a MiB")];
        file.write_all_at(&zeros, at).map_err(failed)?;
    }
    file.sync_all().map_err(failed)
}

fn wipe_head(device: &Path) -> Result<()> {
    let failed = |err| Error::io("wipe the beginning of", device, err);
    let mut device = OpenOptions::new().write(true).open(device).map_err(failed)?;
    device.write_all(&[0; HEAD]).map_err(failed)?;
    device.sync_all().map_err(failed)?;
    fault::point("head wiped");
    Ok(())
}

#[cfg(test)]
mod tests {
    use rstest::rstest;

    use super::*;

    #[rstest]
    #[case::none(&["kdev.pool"], Clean::Signatures)]
    #[case::said(&["kdev.pool", "kdev.clean=signatures"], Clean::Signatures)]
    #[case::zero(&["kdev.clean=zero", "kdev.pool"], Clean::Zero)]
    #[case::discard(&["kdev.clean=discard"], Clean::Discard)]
    #[case::the_most_of_several(&["kdev.clean=zero", "kdev.clean=discard"], Clean::Zero)]
    #[case::of_a_later_version(&["kdev.clean=shred"], Clean::Zero)]
    #[case::somebody_elses(&["clean=zero", "kdev.cleaner=zero"], Clean::Signatures)]
    fn a_pools_tags_say_how_clean_its_volumes_are(#[case] tags: &[&str], #[case] clean: Clean) {
        let tags: Vec<String> = tags.iter().map(ToString::to_string).collect();
        assert_eq!(Clean::of_tags(&tags), clean);
    }

    #[rstest]
    #[case(Clean::Signatures)]
    #[case(Clean::Zero)]
    #[case(Clean::Discard)]
    fn what_a_tag_says_is_read_back(#[case] clean: Clean) {
        let tags: Vec<String> = clean.tag().into_iter().collect();
        assert_eq!(Clean::of_tags(&tags), clean);
    }
}
