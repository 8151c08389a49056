use std::time::SystemTime;

use kdev_volumes_spec::Bytes;

use crate::metrics::history::Held;
use crate::metrics::volume::HeldVolume;

/// Returns how many volumes there were at once at most, and how much room they took at once at most; the
/// two need not have been at the same time.
pub(super) fn peak<'a>(
    sessions: impl IntoIterator<Item = &'a Held>,
    (from, until): (SystemTime, SystemTime),
) -> (u64, Bytes) {
    // In the order in which they count at the same moment: what ends comes before what begins, as one may
    // have waited for the other; but what ended as it began was there all the same.
    #[derive(PartialEq, Eq, PartialOrd, Ord)]
    enum Step {
        Ends,
        Begins,
        EndsAtOnce,
    }
    let mut steps: Vec<(SystemTime, Step, u64)> = Vec::new();
    let volumes = sessions.into_iter().flat_map(|held| &held.volumes);
    // One that was resized ends in one size, and begins in the next.
    for (since, ended, size) in volumes.flat_map(HeldVolume::sizes) {
        let (begins, ends) = (since.max(from), ended.unwrap_or(until));
        if begins > until || ends < from {
            continue;
        }
        let end = if ends > begins {
            Step::Ends
        } else {
            Step::EndsAtOnce
        };
        steps.push((begins, Step::Begins, size.get()));
        steps.push((ends.max(begins), end, size.get()));
    }
    steps.sort_unstable();
    let (mut count, mut bytes, mut most, mut most_bytes) = (0u64, 0u64, 0, 0);
    for (_, step, size) in steps {
        match step {
            Step::Begins => (count, bytes) = (count + 1, bytes.saturating_add(size)),
            Step::Ends | Step::EndsAtOnce => {
                (count, bytes) = (count.saturating_sub(1), bytes.saturating_sub(size));
            }
        }
        (most, most_bytes) = (most.max(count), most_bytes.max(bytes));
    }
    (most, Bytes::new(most_bytes))
}

#[cfg(test)]
mod tests {
    use rstest::rstest;

    use super::*;
    use crate::metrics::history::HowEnded;
    use crate::metrics::told::seconds;

    /// Volumes by when they are there, and their sizes. The window is from 10 to 20.
    #[rstest]
    #[case::none(&[], (0, 0))]
    #[case::one_after_the_other(&[(11, Some(13), 4), (13, Some(15), 5)], (1, 5))]
    #[case::at_once(&[(11, Some(14), 4), (13, Some(15), 5)], (2, 9))]
    #[case::many_small_or_one_large(
        &[(11, Some(13), 1), (11, Some(13), 1), (11, Some(13), 1), (14, Some(15), 9)], (3, 9)
    )]
    #[case::there_still(&[(11, None, 4), (19, None, 5)], (2, 9))]
    #[case::there_before(&[(1, Some(11), 4), (1, Some(9), 5)], (1, 4))]
    #[case::not_yet(&[(21, None, 4)], (0, 0))]
    #[case::ended_as_it_began(&[(11, Some(11), 4), (12, Some(12), 4)], (1, 4))]
    fn a_peak_is_what_was_there_at_once(
        #[case] volumes: &[(u64, Option<u64>, u64)],
        #[case] (count, bytes): (u64, u64),
    ) {
        let volumes = volumes.iter().map(|&(from, until, size)| HeldVolume {
            lv_name: String::new(),
            size: Bytes::new(size),
            from: seconds(from),
            until: until.map(seconds),
            earlier: Vec::new(),
        });
        let held = Held {
            session: String::new(),
            pool: String::new(),
            test: None,
            attempt: None,
            pid: None,
            volumes: volumes.collect(),
            from: seconds(0),
            until: None,
            ended: HowEnded::NotYet,
        };
        let found = peak([&held], (seconds(10), seconds(20)));
        assert_eq!(found, (count, Bytes::new(bytes)));
    }
}
