use serde::{Deserialize, Serialize};

use crate::backend::Named;

/// One line of the log: what happened, to whose volumes.
///
/// Later versions may add keys, which are passed over, and kinds of events.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct Event {
    /// In UTC, as `2025-11-15T10:30:45.123Z`.
    pub(crate) at: String,
    /// The process that tells.
    #[serde(default)]
    pub(crate) pid: u32,
    pub(crate) pool: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) session: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) test: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) attempt: Option<u32>,
    #[serde(flatten)]
    pub(crate) what: What,
}

/// What happened. Times are in milliseconds.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "event", rename_all = "snake_case")]
pub(crate) enum What {
    /// A session has its volumes, which took so long to make.
    Allocated {
        volumes: Vec<LoggedVolume>,
        took_ms: u64,
    },
    /// A session could not be had.
    Failed {
        wanted_bytes: u64,
        took_ms: u64,
        why: String,
    },
    /// Somebody waited for room.
    Waited {
        wanted_bytes: u64,
        took_ms: u64,
        ended: WaitEnd,
    },
    /// Volumes were given back by their owner.
    Released {
        volumes: Vec<LoggedVolume>,
        held_ms: u64,
        took_ms: u64,
    },
    /// Volumes stay, and their owner holds them no more.
    Kept {
        volumes: Vec<LoggedVolume>,
        held_ms: u64,
        why: String,
    },
    /// Their owner could not give volumes back.
    Stuck {
        volumes: Vec<LoggedVolume>,
        held_ms: u64,
        why: String,
    },
    /// Volumes were removed that were nobody's any more.
    Reaped {
        volumes: Vec<LoggedVolume>,
        occasion: Occasion,
        was: Was,
    },
    /// A session has one more volume, which is what another one, `of`, was.
    Snapshot { volumes: Vec<LoggedVolume>, of: String },
    /// A volume is of another size.
    Resized {
        volumes: Vec<LoggedVolume>,
        from_bytes: u64,
    },
    /// What a later version tells of.
    #[serde(other)]
    Unknown,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct LoggedVolume {
    pub(crate) lv_name: String,
    #[serde(default)]
    pub(crate) bytes: u64,
}

impl From<&Named> for LoggedVolume {
    fn from(volume: &Named) -> Self {
        Self {
            lv_name: volume.lv_name.clone(),
            bytes: volume.size.get(),
        }
    }
}

/// How waiting for room ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum WaitEnd {
    /// There was room.
    Room,
    /// There was none, or the wait was broken off.
    InVain,
    /// What a later version knows.
    #[serde(other)]
    Unknown,
}

/// Who found that there was something to reap.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Occasion {
    Watchdog,
    /// A program with annotated tests that started.
    Constructor,
    /// A test that found no room.
    FullPool,
    /// `kdev pool cleanup`, or a teardown.
    Cleanup,
    /// `KDEV_KEEP_MAX`.
    KeepMax,
    /// What a later version knows.
    #[serde(other)]
    Unknown,
}

/// What was reaped.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Was {
    /// An orphan.
    Dead,
    Kept,
    /// Only the record of a volume that was gone.
    Gone,
    /// What a later version knows.
    #[serde(other)]
    Unknown,
}

#[cfg(test)]
mod tests {
    use rstest::rstest;
    use serde_json::json;

    use super::*;

    #[test]
    fn an_event_is_one_line_that_is_read_again() {
        let event = Event {
            at: "2025-11-15T10:30:45.123Z".into(),
            pid: 7,
            pool: "default".into(),
            session: Some("20251115103045-a3f9d2".into()),
            test: Some("a\nname\u{2028}".into()),
            attempt: None,
            what: What::Allocated {
                volumes: vec![LoggedVolume {
                    lv_name: "kdev-20251115103045-a3f9d2-test".into(),
                    bytes: 4096,
                }],
                took_ms: 3,
            },
        };
        let line = serde_json::to_string(&event).unwrap();
        assert!(!line.contains('\n'), "{line}");
        let tree: serde_json::Value = serde_json::from_str(&line).unwrap();
        assert_eq!(tree["event"], "allocated");
        assert_eq!(serde_json::from_str::<Event>(&line).unwrap(), event);
    }

    #[rstest]
    #[case::an_event(json!({"event": "cloned", "from": "x"}), What::Unknown)]
    #[case::an_occasion(
        json!({"event": "reaped", "volumes": [], "occasion": "comet", "was": "lost"}),
        What::Reaped { volumes: vec![], occasion: Occasion::Unknown, was: Was::Unknown }
    )]
    fn what_a_later_version_tells_is_read_as_unknown(
        #[case] mut tree: serde_json::Value,
        #[case] what: What,
    ) {
        tree["at"] = "2025-11-15T10:30:45.123Z".into();
        tree["pool"] = "default".into();
        tree["new_key"] = 1.into();
        assert_eq!(serde_json::from_value::<Event>(tree).unwrap().what, what);
    }
}
