//! What libblkid recognises on devices, by content only, not from its cache.

use std::path::{Path, PathBuf};

use serde::Deserialize;

use crate::command::Invocation;
use crate::error::{Error, Result};

/// A signature on a device; a partition table and its copy are two.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Signature {
    pub(crate) device: PathBuf,
    pub(crate) at: u64,
    /// As libblkid names it, such as `ext4` or `gpt`.
    pub(crate) kind: String,
    pub(crate) usage: Usage,
    pub(crate) label: Option<String>,
    pub(crate) uuid: Option<String>,
}

/// What a signature is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Usage {
    PartitionTable,
    Raid,
    Crypto,
    /// A filesystem, swap, and whatever else.
    Other,
}

/// What libblkid finds on a PV.
pub(crate) const PV: &str = "LVM2_member";

#[derive(Deserialize)]
struct Report {
    signatures: Vec<Row>,
}

#[derive(Deserialize)]
struct Row {
    device: String,
    offset: String,
    #[serde(rename = "type")]
    kind: String,
    label: Option<String>,
    uuid: Option<String>,
    usage: Option<String>,
}

/// Lists all signatures on these devices, wherever they are (wipefs(8); blkid(8) shows one of each).
///
/// Empty too for a device that cannot be read: to be asked of such as can.
pub(crate) fn signatures(devices: &[&Path]) -> Result<Vec<Signature>> {
    let asked = Invocation::new("wipefs", "util-linux")?
        .args([
            "--no-act",
            "--json",
            "--output",
            "DEVICE,OFFSET,TYPE,LABEL,UUID,USAGE",
        ])
        .args(devices)
        .run()?;
    parse(&asked.stdout, devices).map_err(|source| Error::Report {
        command: asked.command,
        source,
    })
}

/// A report has the last part of each device's path only.
fn parse(json: &[u8], devices: &[&Path]) -> serde_json::Result<Vec<Signature>> {
    use serde::de::Error as _;
    let report: Report = serde_json::from_slice(json)?;
    let rows = report.signatures.into_iter().map(|row| {
        let device = devices.iter().find(|device| device.ends_with(&row.device));
        let digits = row.offset.strip_prefix("0x");
        let at = digits.and_then(|digits| u64::from_str_radix(digits, 16).ok());
        Ok(Signature {
            device: device.map_or_else(
                || Path::new("/dev").join(row.device),
                |device| device.to_path_buf(),
            ),
            at: at.ok_or_else(|| serde_json::Error::custom(format!("`{}` is no offset", row.offset)))?,
            kind: row.kind,
            usage: match row.usage.as_deref() {
                Some("partition-table") => Usage::PartitionTable,
                Some("raid") => Usage::Raid,
                Some("crypto") => Usage::Crypto,
                _ => Usage::Other,
            },
            label: row.label,
            uuid: row.uuid,
        })
    });
    rows.collect()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::proptest;
    use rstest::rstest;

    use super::*;
    use crate::garbage::{self, Text};

    /// As wipefs of util-linux 2.38 writes it.
    const REPORT: &str = r#"{ "signatures": [
        {"device": "loop0", "offset": "0x3fffe00", "type": "lsi_mega_raid_member", "label": null, "uuid": null, "usage": "raid"},
        {"device": "loop0p1", "offset": "0x438", "type": "ext4", "label": "photos", "uuid": "0ad565ff", "usage": "filesystem"}] }"#;

    #[test]
    fn all_signatures_are_read_with_where_they_are() {
        let asked = [Path::new("/dev/loop0"), Path::new("/dev/odd/loop0p1")];
        let found = parse(REPORT.as_bytes(), &asked).unwrap();
        assert_eq!(
            (found[0].at, found[0].usage, found[0].device.as_path()),
            ((64 << 20) - 512, Usage::Raid, Path::new("/dev/loop0"))
        );
        assert_eq!(
            (found[1].kind.as_str(), found[1].label.as_deref(), found[1].at),
            ("ext4", Some("photos"), 1080)
        );
        assert_eq!(found[1].device, asked[1]);
        assert_eq!(
            parse(REPORT.as_bytes(), &[]).unwrap()[1].device,
            Path::new("/dev/loop0p1")
        );
    }

    #[rstest]
    #[case("{\"signatures\": []}", true)]
    #[case("", false)]
    #[case(r#"{"signatures": [{"device": "sda", "offset": "12", "type": "x"}]}"#, false)]
    fn what_cannot_be_read_is_an_error(#[case] text: &str, #[case] is_good: bool) {
        assert_eq!(parse(text.as_bytes(), &[]).is_ok(), is_good);
    }

    proptest! {
        #![proptest_config(garbage::config())]

        #[test]
        fn a_damaged_report_is_an_error_or_signatures(
            Text(report) in garbage::damaged(serde_json::from_str(REPORT).unwrap())
        ) {
            if let Ok(found) = parse(&report, &[]) {
                assert!(found.iter().all(|found| found.device.starts_with("/dev")));
            }
        }
    }
}
