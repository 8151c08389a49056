use std::path::{Path, PathBuf};

use kdev_volumes_spec::{Bytes, VolumeSpec};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use crate::here::Here;
use crate::owner::{Owner, OwnerTag};
use crate::request::Request;
use crate::session_id::SessionId;

/// One line of the state file: a volume and whose it is.
///
/// The keys of kerneldev-mcp come first and mean what they mean there; the others are ours and may be
/// missing in what it wrote. Keys that nobody here knows stay as they are.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct Record {
    pub(crate) lv_name: String,
    pub(crate) lv_path: PathBuf,
    pub(crate) pool_name: String,
    pub(crate) vg_name: String,
    pub(crate) volume_spec: RecordedSpec,
    pub(crate) pid: u32,
    pub(crate) allocated_at: String,
    pub(crate) session_id: String,
    #[serde(default)]
    pub(crate) kind: Kind,
    #[serde(default)]
    pub(crate) start_time: Option<u64>,
    #[serde(default)]
    pub(crate) boot_id: Option<String>,
    #[serde(default)]
    pub(crate) pid_ns: Option<u64>,
    #[serde(default)]
    pub(crate) host: Option<String>,
    #[serde(default)]
    pub(crate) uid: Option<u32>,
    #[serde(default)]
    pub(crate) phase: Phase,
    #[serde(default)]
    pub(crate) lv_uuid: Option<String>,
    #[serde(default)]
    pub(crate) size_bytes: Option<u64>,
    /// How much of it is as clean as its pool promises, if making it larger was begun and not ended.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) clean_bytes: Option<u64>,
    #[serde(default)]
    pub(crate) test: Option<String>,
    /// Which attempt at the test it is, from 1 on.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) attempt: Option<u32>,
    /// The run of the test runner.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) run_id: Option<String>,
    /// Why the volume is kept: it was, or is to be if its owner dies.
    #[serde(default)]
    pub(crate) kept: Option<String>,
    /// The last attempt to remove the volume, when it failed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) failure: Option<Failure>,
    #[serde(flatten)]
    pub(crate) others: Map<String, Value>,
}

/// What was asked for, as kerneldev-mcp writes it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct RecordedSpec {
    pub(crate) name: String,
    pub(crate) size: String,
    #[serde(default)]
    pub(crate) env_var: Option<String>,
    #[serde(default)]
    pub(crate) order: u32,
    #[serde(flatten)]
    pub(crate) others: Map<String, Value>,
}

/// What a volume is made of.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Kind {
    #[default]
    Lvm,
    Loop,
    Image,
}

/// How far a volume has come.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Phase {
    /// It may or may not be there yet.
    Creating,
    #[default]
    Active,
    /// Removing it was begun.
    Removing,
}

/// Why a volume could not be removed, and when that was last tried.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct Failure {
    pub(crate) at: String,
    pub(crate) why: String,
}

impl Record {
    /// Returns the session, which the volume's name holds; `None` for a name that is not ours.
    pub(crate) fn session(&self) -> Option<SessionId> {
        SessionId::of_lv(&self.lv_name)
    }

    /// Tells whether the volume stays if its owner is dead. One does not that no test ever had, or that
    /// was about to be removed.
    pub(crate) fn is_kept(&self) -> bool {
        self.kept.is_some() && self.phase == Phase::Active
    }

    /// Returns what the record says of its owner.
    pub(crate) fn owner(&self) -> Owner {
        Owner {
            pid: self.pid,
            // Nothing starts with the kernel itself; `0` is what is written where it is not known.
            start_time: self.start_time.filter(|&start| start != 0),
            boot: self.boot_id.as_deref().and_then(Owner::short_boot),
            pid_ns: self.pid_ns,
            host: self.host.clone(),
            uid: self.uid,
        }
    }
}

/// What the record of a snapshot says too: the volume that it is of.
pub(crate) const SNAPSHOT_OF: &str = "snapshot_of";

/// Why a volume is kept, if only the volume itself tells that it is.
pub(crate) const FOUND: &str = "found";

/// A volume of which no record tells, as the volume itself does.
pub(crate) struct Found<'a> {
    pub(crate) tag: &'a OwnerTag,
    pub(crate) lv_name: &'a str,
    pub(crate) lv_path: &'a Path,
    pub(crate) pool_name: &'a str,
    pub(crate) vg_name: &'a str,
    pub(crate) kind: Kind,
    pub(crate) size: Option<Bytes>,
    pub(crate) uuid: Option<&'a str>,
    pub(crate) is_kept: bool,
}

impl Found<'_> {
    /// Makes the record that was lost, as far as it can be known.
    pub(crate) fn record(&self) -> Record {
        let OwnerTag { session, owner, .. } = self.tag;
        Record {
            lv_name: self.lv_name.to_owned(),
            lv_path: self.lv_path.to_owned(),
            pool_name: self.pool_name.to_owned(),
            vg_name: self.vg_name.to_owned(),
            volume_spec: RecordedSpec {
                name: self.lv_name.rsplit('-').next().unwrap_or_default().to_owned(),
                size: self.size.unwrap_or_default().to_string(),
                env_var: None,
                order: 0,
                others: Map::new(),
            },
            pid: owner.pid,
            allocated_at: session.began(),
            session_id: session.short(),
            kind: self.kind,
            start_time: owner.start_time,
            boot_id: owner.boot.clone(),
            pid_ns: owner.pid_ns,
            host: owner.host.clone(),
            uid: owner.uid,
            phase: Phase::Active,
            lv_uuid: self.uuid.map(str::to_owned),
            size_bytes: self.size.map(Bytes::get),
            clean_bytes: None,
            test: None,
            attempt: None,
            run_id: None,
            kept: self.is_kept.then(|| FOUND.to_owned()),
            failure: None,
            others: Map::new(),
        }
    }
}

/// What the records of one session have in common.
pub(crate) struct NewRecords<'a> {
    pub(crate) tag: &'a OwnerTag,
    pub(crate) here: &'a Here,
    pub(crate) pool_name: &'a str,
    pub(crate) vg_name: &'a str,
    pub(crate) kind: Kind,
    pub(crate) request: &'a Request,
    pub(crate) allocated_at: String,
}

impl NewRecords<'_> {
    /// Writes down a volume that is about to be made.
    pub(crate) fn record(&self, lv_name: String, lv_path: PathBuf, spec: &VolumeSpec) -> Record {
        let OwnerTag { session, owner, .. } = self.tag;
        Record {
            lv_path,
            lv_name,
            pool_name: self.pool_name.to_owned(),
            vg_name: self.vg_name.to_owned(),
            volume_spec: RecordedSpec {
                name: spec.name().to_owned(),
                size: spec.size().to_string(),
                env_var: Some(spec.env().to_owned()),
                order: spec.order(),
                others: Map::new(),
            },
            pid: owner.pid,
            allocated_at: self.allocated_at.clone(),
            session_id: session.short(),
            kind: self.kind,
            start_time: owner.start_time,
            boot_id: Some(self.here.boot_id.clone()),
            pid_ns: owner.pid_ns,
            host: owner.host.clone(),
            uid: owner.uid,
            phase: Phase::Creating,
            lv_uuid: None,
            size_bytes: None,
            clean_bytes: None,
            test: self.request.test.clone(),
            attempt: self.request.attempt,
            run_id: self.request.run_id.clone(),
            kept: self.request.keep.if_it_dies().map(str::to_owned),
            failure: None,
            others: Map::new(),
        }
    }
}

#[cfg(test)]
mod tests {
    use rstest::rstest;
    use serde_json::json;

    use super::*;

    #[rstest]
    #[case::asked("active", Some("asked"), true)]
    #[case::not_asked("active", None, false)]
    #[case::no_test_ever_had_it("creating", Some("always"), false)]
    #[case::its_test_passed("removing", Some("failed"), false)]
    fn what_a_test_had_is_kept_until_it_is_given_back(
        #[case] phase: &str,
        #[case] kept: Option<&str>,
        #[case] is_kept: bool,
    ) {
        let record: Record = serde_json::from_value(json!({
            "lv_path": "/dev/vg/a", "lv_name": "a", "pool_name": "default", "vg_name": "vg",
            "volume_spec": {"name": "test", "size": "10G"},
            "pid": 1, "allocated_at": "2025-11-15T10:30:45", "session_id": "session-a3f9d2",
            "phase": phase, "kept": kept,
        }))
        .unwrap();
        assert_eq!(record.is_kept(), is_kept);
    }
}
