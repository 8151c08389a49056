use std::time::SystemTime;

use kdev_volumes_spec::Bytes;

use crate::events::LoggedVolume;

/// A volume of a session.
///
/// ```no_run
/// # use kdev_volumes::metrics::{Metrics, Scope};
/// let metrics = Metrics::read(&Scope::default())?;
/// let volumes = metrics.sessions.iter().flat_map(|held| &held.volumes);
/// let there = volumes.filter(|volume| volume.until.is_none()).count();
/// # Ok::<(), kdev_volumes::Error>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct HeldVolume {
    /// The name of the LV.
    pub lv_name: String,
    /// Its size, of one that was resized the last; nothing if nobody knows it.
    pub size: Bytes,
    /// Since when it is there.
    pub from: SystemTime,
    /// When it was removed; `None` if it is there still.
    pub until: Option<SystemTime>,
    /// Its sizes before, each with its end.
    pub(super) earlier: Vec<(SystemTime, Bytes)>,
}

impl HeldVolume {
    pub(super) fn new(of: &LoggedVolume, from: SystemTime) -> Self {
        Self {
            lv_name: of.lv_name.clone(),
            size: Bytes::new(of.bytes),
            from,
            until: None,
            earlier: Vec::new(),
        }
    }

    pub(super) fn resize(&mut self, at: SystemTime, from: u64, to: u64) {
        self.earlier.push((at, Bytes::new(from)));
        self.size = Bytes::new(to);
    }

    /// Returns its sizes, each with the time at which it began and that at which it ended, if it has.
    pub(super) fn sizes(&self) -> impl Iterator<Item = (SystemTime, Option<SystemTime>, Bytes)> {
        let mut sizes = Vec::new();
        let mut from = self.from;
        for &(until, size) in &self.earlier {
            // Unless it was resized at once, or the clock has gone back.
            if from < until {
                sizes.push((from, Some(until), size));
                from = until;
            }
        }
        sizes.push((from, self.until, self.size));
        sizes.into_iter()
    }
}

#[cfg(test)]
mod tests {
    use rstest::rstest;

    use super::*;
    use crate::metrics::told::seconds;

    /// Each size with the seconds from and until which it is there.
    #[rstest]
    #[case::never(&[], &[(1, None, 4)])]
    #[case::once(&[(3, 4, 9)], &[(1, Some(3), 4), (3, None, 9)])]
    #[case::twice(&[(3, 4, 9), (5, 9, 2)], &[(1, Some(3), 4), (3, Some(5), 9), (5, None, 2)])]
    #[case::at_once(&[(1, 4, 9)], &[(1, None, 9)])]
    #[case::the_clock_went_back(&[(3, 4, 9), (2, 9, 2)], &[(1, Some(3), 4), (3, None, 2)])]
    fn a_volume_has_one_size_at_a_time(
        #[case] resized: &[(u64, u64, u64)],
        #[case] expected: &[(u64, Option<u64>, u64)],
    ) {
        let of = LoggedVolume {
            lv_name: String::new(),
            bytes: 4,
        };
        let mut volume = HeldVolume::new(&of, seconds(1));
        for &(at, from, to) in resized {
            volume.resize(seconds(at), from, to);
        }
        let expected = expected
            .iter()
            .map(|&(from, until, size)| (seconds(from), until.map(seconds), Bytes::new(size)));
        assert_eq!(volume.sizes().collect::<Vec<_>>(), expected.collect::<Vec<_>>());
    }
}
