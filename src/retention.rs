//! How many tests' volumes a pool keeps. Decides, and touches nothing.

use std::collections::BTreeSet;
use std::env;

use crate::error::{Error, Result};
use crate::keep::Keep;
use crate::session_id::SessionId;

/// The variable that says how many sessions each pool keeps.
const VARIABLE: &str = "KDEV_KEEP_MAX";

/// At most so many sessions of a pool stay because `KDEV_KEEP` says so.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct KeepMax(usize);

/// A volume that is kept, or is to be when its owner dies.
#[derive(Clone, Debug)]
pub(crate) struct KeptVolume<'a> {
    pub(crate) lv_name: &'a str,
    pub(crate) session: SessionId,
    /// Why it is kept; `None` if only the volume itself tells that it is.
    pub(crate) reason: Option<&'a str>,
    /// Whether its owner is proved dead, or has let go of it.
    pub(crate) is_nobodys: bool,
}

impl KeepMax {
    /// Reads `KDEV_KEEP_MAX`; `None` if there is no bound.
    pub(crate) fn from_env() -> Result<Option<Self>> {
        let Some(value) = env::var_os(VARIABLE).filter(|value| !value.is_empty()) else {
            return Ok(None);
        };
        let number = value.to_str().and_then(|value| value.parse().ok());
        match number {
            Some(number) if number > 0 => Ok(Some(Self(number))),
            _ => Err(Error::Variable {
                variable: VARIABLE,
                value: value.to_string_lossy().into_owned(),
                expected: "a whole number from 1 on; to keep nothing, `KDEV_KEEP=never`",
            }),
        }
    }

    /// Returns the volumes of one pool that are too many: those of the sessions that began first.
    ///
    /// `latest` was kept last and goes last, whenever it began. Volumes are to come in the order in which
    /// they were made: a session's name tells its second only. What a test keeps of its own accord, or
    /// nobody knows the reason of, neither counts nor goes; nor does what somebody may still hold.
    pub(crate) fn surplus<'a>(self, kept: &[KeptVolume<'a>], latest: &SessionId) -> Vec<&'a str> {
        let counts = |volume: &&KeptVolume| volume.is_nobodys && volume.reason.is_some_and(Keep::is_policy);
        let mut sessions: Vec<&SessionId> = Vec::new();
        for volume in kept.iter().filter(counts) {
            if !sessions.contains(&&volume.session) {
                sessions.push(&volume.session);
            }
        }
        sessions.sort_by_key(|session| (*session == latest, session.began()));
        let surplus = sessions.len().saturating_sub(self.0);
        let gone: BTreeSet<&SessionId> = sessions.into_iter().take(surplus).collect();
        kept.iter()
            .filter(counts)
            .filter(|volume| gone.contains(&volume.session))
            .map(|volume| volume.lv_name)
            .collect()
    }
}

#[cfg(test)]
mod tests {
    use rstest::rstest;

    use super::*;

    fn session(second: &str) -> SessionId {
        SessionId::parse(&format!("202511151030{second}")).unwrap()
    }

    /// Volumes are written `NAME SESSION REASON`, with `live` after it if somebody holds them.
    fn kept<'a>(volumes: &[&'a str]) -> Vec<KeptVolume<'a>> {
        let read = |volume: &&'a str| {
            let words: Vec<&str> = volume.split(' ').collect();
            KeptVolume {
                lv_name: words[0],
                session: session(words[1]),
                reason: Some(words[2]).filter(|reason| *reason != "-"),
                is_nobodys: words.get(3) != Some(&"live"),
            }
        };
        volumes.iter().map(read).collect()
    }

    const THREE: &[&str] = &["a 01-aaaaaa failed", "b 02-aaaaaa always", "c 03-aaaaaa failed"];

    #[rstest]
    #[case::none(1, &[], &[])]
    #[case::as_many_as_may(3, THREE, &[])]
    #[case::one_too_many(2, THREE, &["a"])]
    #[case::two_too_many(1, THREE, &["a", "b"])]
    #[case::all_of_a_session(1, &["a 01-aaaaaa failed", "b 01-aaaaaa failed", "c 03-aaaaaa failed"], &["a", "b"])]
    #[case::one_session(1, &["a 03-aaaaaa failed", "b 03-aaaaaa failed"], &[])]
    #[case::asked_for(1, &["a 01-aaaaaa asked", "b 02-aaaaaa asked", "c 03-aaaaaa failed"], &[])]
    #[case::partly_asked_for(1, &["a 01-aaaaaa asked", "b 01-aaaaaa failed", "c 03-aaaaaa failed"], &["b"])]
    #[case::found(1, &["a 01-aaaaaa found", "b 02-aaaaaa -", "c 03-aaaaaa failed"], &[])]
    #[case::live(1, &["a 01-aaaaaa failed live", "b 02-aaaaaa always live", "c 03-aaaaaa failed"], &[])]
    #[case::live_do_not_count(2, &["a 01-aaaaaa failed", "b 02-aaaaaa failed live", "c 03-aaaaaa failed"], &[])]
    #[case::not_in_order(1, &["c 03-aaaaaa failed", "b 02-aaaaaa failed", "a 01-aaaaaa failed"], &["b", "a"])]
    #[case::in_one_second(1, &["a 03-ffffff failed", "b 03-bbbbbb failed", "c 03-aaaaaa failed"], &["a", "b"])]
    #[case::in_one_second_two_may(2, &["a 03-ffffff failed", "b 03-bbbbbb failed", "c 03-aaaaaa failed"], &["a"])]
    #[case::the_last_kept_began_first(1, &["c 03-aaaaaa failed", "d 09-aaaaaa failed"], &["d"])]
    fn the_oldest_are_too_many(#[case] most: usize, #[case] volumes: &[&'static str], #[case] gone: &[&str]) {
        let latest = session("03-aaaaaa");
        assert_eq!(KeepMax(most).surplus(&kept(volumes), &latest), gone);
    }
}
