use std::fmt;

use crate::clock;
use crate::error::{Error, Result};

/// What names a session, its lease and its volumes: a time and six random hexadecimal digits.
///
/// Written `20251115103045-a3f9d2`. The time is in UTC, so that names sort by age on any machine.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct SessionId {
    stamp: String,
    hex: String,
}

impl SessionId {
    /// Makes an id that is new with high probability; the lease of that name proves that it is.
    pub(crate) fn new() -> Result<Self> {
        let mut random = [0; 3];
        getrandom::fill(&mut random)
            .map_err(|err| Error::io("draw random bytes for a session in", "/dev/urandom", err.into()))?;
        let hex = random.iter().map(|byte| format!("{byte:02x}")).collect();
        Ok(Self {
            stamp: clock::stamp(),
            hex,
        })
    }

    /// Reads an id as `Display` writes it.
    pub(crate) fn parse(text: &str) -> Option<Self> {
        let (stamp, hex) = text.split_once('-')?;
        let digits = stamp.len() == 14 && stamp.bytes().all(|b| b.is_ascii_digit());
        let hexes = hex.len() == 6
            && hex
                .bytes()
                .all(|b| b.is_ascii_digit() || (b'a'..=b'f').contains(&b));
        (digits && hexes).then(|| Self {
            stamp: stamp.to_owned(),
            hex: hex.to_owned(),
        })
    }

    /// Finds the id in the name of a volume, `{lv_prefix}-{id}-{volume}`; `None` if it is not one of ours.
    pub(crate) fn of_lv(lv_name: &str) -> Option<Self> {
        // The path of an image is no name: the kernel has it as that of a loop device that mount(8) made.
        if lv_name.contains('/') {
            return None;
        }
        // A volume's own name has no `-`, a prefix may have several.
        let mut parts = lv_name.rsplitn(4, '-');
        let (volume, hex, stamp, prefix) = (parts.next()?, parts.next()?, parts.next()?, parts.next()?);
        (!volume.is_empty() && !prefix.is_empty()).then(|| Self::parse(&format!("{stamp}-{hex}")))?
    }

    /// Returns when the session began, in the form of the state file.
    pub(crate) fn began(&self) -> String {
        let part = |range| self.stamp.get(range).unwrap_or_default();
        format!(
            "{}-{}-{}T{}:{}:{}",
            part(0..4),
            part(4..6),
            part(6..8),
            part(8..10),
            part(10..12),
            part(12..14)
        )
    }

    /// Returns the name of one of this session's volumes.
    pub(crate) fn lv_name(&self, prefix: &str, volume: &str) -> String {
        format!("{prefix}-{self}-{volume}")
    }

    /// Returns the short form that records carry, as kerneldev-mcp writes it.
    pub(crate) fn short(&self) -> String {
        format!("session-{}", self.hex)
    }
}

impl fmt::Display for SessionId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}-{}", self.stamp, self.hex)
    }
}

#[cfg(test)]
mod tests {
    use rstest::rstest;

    use super::*;

    #[rstest]
    #[case("kdev-20251115103045-a3f9d2-test", Some("20251115103045-a3f9d2"))]
    #[case("my-own-prefix-20251115103045-a3f9d2-test_log", Some("20251115103045-a3f9d2"))]
    #[case("kdev-20251115103045-a3f9d2-", None)]
    #[case("-20251115103045-a3f9d2-test", None)]
    #[case("20251115103045-a3f9d2-test", None)]
    #[case("kdev-2025111510304-a3f9d2-test", None)]
    #[case("kdev-20251115103045-A3F9D2-test", None)]
    #[case("kdev-20251115103045-a3f9d2-te-st", None)]
    #[case("/tmp/kdev-images-0/kdev-20251115103045-a3f9d2-test.img", None)]
    #[case("root", None)]
    #[case("", None)]
    fn a_session_is_read_from_its_volumes_names(#[case] lv_name: &str, #[case] id: Option<&str>) {
        assert_eq!(SessionId::of_lv(lv_name).map(|id| id.to_string()).as_deref(), id);
    }

    #[test]
    fn a_session_knows_when_it_began() {
        let id = SessionId::parse("20251115103045-a3f9d2").unwrap();
        assert_eq!(id.began(), "2025-11-15T10:30:45");
    }

    #[test]
    fn a_new_session_names_volumes_from_which_it_is_read_again() {
        let id = SessionId::new().unwrap();
        assert_eq!(SessionId::of_lv(&id.lv_name("kdev", "test")), Some(id));
    }
}
