//! Pools that promise more room than they have: what their tag says, how large their parts are, and how
//! much more may be given out. Decides, and touches nothing.

use std::fmt;
use std::str::FromStr;

use kdev_volumes_spec::Bytes;

use crate::error::{Error, Result};

/// How much more than it has a thin pool gives out: 4 is four times its size.
///
/// It is the pool's: a tag of its VG says it, `kdev.thin=4`.
///
/// ```
/// use kdev_volumes::pools::Overcommit;
///
/// assert_eq!(Overcommit::default().to_string(), "4");
/// assert_eq!(Overcommit::new(1)?, "1".parse()?); // no more than there is
/// assert!(Overcommit::new(1000).is_err());
/// # Ok::<(), kdev_volumes::Error>(())
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Overcommit(u8);

/// A thin pool as it is now.
///
/// ```no_run
/// # use kdev_volumes::pools::Pools;
/// for pool in Pools::from_env()?.status(None)? {
///     if let Some(thin) = pool.thin {
///         println!("{}: {thin}", pool.name); // 12% of 10G data and 1% of metadata are written, ...
///     }
/// }
/// # Ok::<(), kdev_volumes::Error>(())
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Thin {
    /// How much more than it has it gives out.
    pub overcommit: Overcommit,
    /// What it has: the size of its data.
    pub size: Bytes,
    /// What it has given out: the sizes of its volumes together.
    pub given_out: Bytes,
    /// How much of its data is written, in percent, rounded down; `None` while it is not active.
    pub data_percent: Option<u8>,
    /// How much of its metadata is.
    pub metadata_percent: Option<u8>,
}

/// What the tag of a VG begins with that says that its volumes are thin.
const TAG: &str = "kdev.thin=";

/// With so much of its data or metadata written, a pool gives nothing more out: what there is left is for
/// the volumes that are there.
pub(crate) const LIMIT: u8 = 80;

/// With so much written, it may be the pool that a test has failed of.
const NEARLY_FULL: u8 = 98;

impl Overcommit {
    /// Takes a ratio from 1 to 100.
    ///
    /// # Errors
    ///
    /// [`Error::Overcommit`] for any other.
    pub fn new(ratio: u32) -> Result<Self> {
        match u8::try_from(ratio) {
            Ok(ratio @ 1..=100) => Ok(Self(ratio)),
            _ => Err(Error::Overcommit {
                ratio: ratio.to_string(),
            }),
        }
    }

    /// Returns the ratio.
    pub fn get(self) -> u8 {
        self.0
    }

    /// Returns the tag of a pool's VG.
    pub(crate) fn tag(self) -> String {
        format!("{TAG}{self}")
    }

    /// Reads the tags of a pool's VG; `None` if its volumes are thick. A word that we do not know, of a later
    /// version, is taken for the least that can be meant, and of several the least counts.
    pub(crate) fn of_tags(tags: &[String]) -> Option<Self> {
        let said = tags.iter().filter_map(|tag| tag.strip_prefix(TAG));
        said.map(|word| word.parse().unwrap_or(Self(1))).min()
    }
}

impl Default for Overcommit {
    fn default() -> Self {
        Self(4)
    }
}

impl FromStr for Overcommit {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        let bad = |_| Error::Overcommit {
            ratio: text.to_owned(),
        };
        Self::new(text.parse().map_err(bad)?)
    }
}

impl fmt::Display for Overcommit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.0)
    }
}

impl Thin {
    /// Returns all that may be given out, in whole extents.
    pub(crate) fn in_all(&self, extent: Bytes) -> Bytes {
        let in_all = self.size.get().saturating_mul(self.overcommit.0.into());
        Bytes::new(in_all - in_all % extent.get().max(1))
    }

    /// Returns what may be given out still: nothing more if too much is written already.
    pub(crate) fn free(&self, extent: Bytes) -> Bytes {
        match self.is_at_limit() {
            true => Bytes::new(0),
            false => Bytes::new(self.in_all(extent).get().saturating_sub(self.given_out.get())),
        }
    }

    pub(crate) fn is_at_limit(&self) -> bool {
        self.written() >= LIMIT
    }

    /// Tells whether a write that failed may have failed because of the pool.
    pub(crate) fn is_nearly_full(&self) -> bool {
        self.written() >= NEARLY_FULL
    }

    /// Tells whether the pool stays at its limit for as long as these volumes stay, and all others go.
    ///
    /// What volumes share is counted with each of them: so what stays is at least what is left when all that
    /// goes is taken off.
    pub(crate) fn would_stay_at_limit(&self, written_by_those_that_go: u64) -> bool {
        let written = u128::from(self.size.get()) * u128::from(self.data_percent.unwrap_or(0)) / 100;
        let stays = written.saturating_sub(written_by_those_that_go.into());
        stays * 100 >= u128::from(self.size.get()) * u128::from(LIMIT)
    }

    fn written(&self) -> u8 {
        self.data_percent
            .unwrap_or(0)
            .max(self.metadata_percent.unwrap_or(0))
    }
}

impl fmt::Display for Thin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            overcommit,
            size,
            given_out,
            ..
        } = self;
        match (self.data_percent, self.metadata_percent) {
            (Some(data), Some(metadata)) => write!(
                f,
                "{data}% of {size} data and {metadata}% of metadata are written, "
            ),
            _ => write!(f, "it is not active and has {size} for data, "),
        }?;
        write!(f, "{given_out} given out, at most {overcommit} times the data")
    }
}

/// How large the parts of a thin pool are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Parts {
    /// In extents.
    pub(crate) metadata: u64,
    /// In extents.
    pub(crate) data: u64,
    pub(crate) chunk: Bytes,
}

/// Of what the kernel writes as it makes a thin pool nothing is beyond this in its metadata: a bitmap block
/// for each 16 000 chunks or so, and of these there are at most eight millions.
pub(crate) const LEAST_METADATA: u64 = 8 << 20;

/// More than this makes each look at the pool slow; rather are the chunks larger.
const MOST_METADATA: u64 = 1 << 30;

const LEAST_CHUNK: u64 = 64 << 10;

/// Twice what LVM reckons with: snapshots need more, and metadata that are full are worse than data that are.
const METADATA_FOR_CHUNK: u64 = 128;

impl Parts {
    /// Divides the room of a VG; `None` if it is too small.
    pub(crate) fn of(extents: u64, extent: Bytes) -> Option<Self> {
        let extent = extent.get().max(1);
        let room = extents.checked_mul(extent)?;
        let mut chunk = LEAST_CHUNK;
        let needed = |chunk: u64| (room / chunk).saturating_mul(METADATA_FOR_CHUNK);
        while needed(chunk) > MOST_METADATA {
            chunk *= 2;
        }
        let metadata = needed(chunk).max(LEAST_METADATA).div_ceil(extent);
        let data = extents.checked_sub(metadata).filter(|&data| data > 0)?;
        Some(Self {
            metadata,
            data,
            chunk: Bytes::new(chunk),
        })
    }
}

#[cfg(test)]
mod tests {
    use rstest::rstest;

    use super::*;

    const M: u64 = 1 << 20;
    const EXTENT: Bytes = Bytes::new(4 * M);

    #[rstest]
    #[case::thick(&["kdev.pool", "kdev.clean=zero"], None)]
    #[case::said(&["kdev.pool", "kdev.thin=7"], Some(7))]
    #[case::the_least_of_several(&["kdev.thin=7", "kdev.thin=2"], Some(2))]
    #[case::of_a_later_version(&["kdev.thin=2.5"], Some(1))]
    #[case::too_much(&["kdev.thin=101"], Some(1))]
    #[case::none(&["kdev.thin=0"], Some(1))]
    #[case::somebody_elses(&["thin=2", "kdev.thinner=2"], None)]
    fn a_pools_tags_say_how_much_it_gives_out(#[case] tags: &[&str], #[case] ratio: Option<u8>) {
        let tags: Vec<String> = tags.iter().map(ToString::to_string).collect();
        assert_eq!(Overcommit::of_tags(&tags), ratio.map(Overcommit));
    }

    #[test]
    fn what_a_tag_says_is_read_back() {
        for ratio in 1..=100 {
            let ratio = Overcommit::new(ratio).unwrap();
            assert_eq!(Overcommit::of_tags(&[ratio.tag()]), Some(ratio));
        }
    }

    #[rstest]
    #[case::too_small(2, None)]
    #[case::the_smallest(3, Some((2, 1, 64)))]
    #[case::of_a_test(40, Some((2, 38, 64)))]
    #[case::of_10_gib(2560, Some((5, 2555, 64)))]
    #[case::of_100_gib(25_600, Some((50, 25_550, 64)))]
    #[case::of_1_tib(262_144, Some((256, 261_888, 128)))]
    #[case::of_100_tib(26_214_400, Some((200, 26_214_200, 16_384)))]
    fn a_vg_is_divided(#[case] extents: u64, #[case] expected: Option<(u64, u64, u64)>) {
        let parts = Parts::of(extents, EXTENT);
        let parts = parts.map(|parts| (parts.metadata, parts.data, parts.chunk.get() >> 10));
        assert_eq!(parts, expected);
    }

    fn thin(ratio: u8, size: u64, given_out: u64, data: Option<u8>, metadata: Option<u8>) -> Thin {
        Thin {
            overcommit: Overcommit(ratio),
            size: Bytes::new(size * M),
            given_out: Bytes::new(given_out * M),
            data_percent: data,
            metadata_percent: metadata,
        }
    }

    #[rstest]
    #[case::empty(thin(4, 100, 0, Some(0), Some(10)), 400)]
    #[case::no_more_than_there_is(thin(1, 100, 60, Some(0), Some(10)), 40)]
    #[case::some(thin(4, 100, 150, Some(79), Some(79)), 250)]
    #[case::all_of_it(thin(4, 100, 400, Some(1), Some(10)), 0)]
    #[case::more_than_that(thin(2, 100, 400, Some(1), Some(10)), 0)]
    #[case::data_at_the_limit(thin(4, 100, 150, Some(80), Some(10)), 0)]
    #[case::metadata_at_the_limit(thin(4, 100, 150, Some(1), Some(80)), 0)]
    #[case::not_active(thin(4, 100, 150, None, None), 250)]
    #[case::in_whole_extents(thin(3, 101, 0, Some(0), Some(0)), 300)]
    fn what_may_be_given_out(#[case] thin: Thin, #[case] free: u64) {
        assert_eq!(thin.free(EXTENT), Bytes::new(free * M));
    }

    #[rstest]
    #[case::all_that_is_written_stays(85, 0, true)]
    #[case::some_goes(85, 5, true)]
    #[case::enough_goes(85, 6, false)]
    #[case::all_goes(100, 100, false)]
    #[case::more_goes_since_it_is_shared(100, 300, false)]
    fn a_full_pool_has_room_again_if_enough_goes(
        #[case] data: u8,
        #[case] goes: u64,
        #[case] stays_full: bool,
    ) {
        let thin = thin(4, 100, 300, Some(data), Some(1));
        assert_eq!(thin.would_stay_at_limit(goes * M), stays_full);
    }

    #[rstest]
    #[case(
        thin(4, 10, 12, Some(85), Some(3)),
        "85% of 10M data and 3% of metadata are written, 12M given out, at most 4 times the data"
    )]
    #[case(
        thin(4, 10, 12, None, None),
        "it is not active and has 10M for data, 12M given out, at most 4 times the data"
    )]
    fn it_is_told_with_figures(#[case] thin: Thin, #[case] text: &str) {
        assert_eq!(thin.to_string(), text);
    }
}
