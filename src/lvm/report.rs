//! What `vgs` and `lvs` report (lvmreport(7)), read from JSON.
//!
//! All values are strings there. Keys that we do not know are passed over: from 2.03.26 on a report
//! has a `log` beside it.

use serde::{Deserialize, Deserializer};

use crate::error::{Error, Result};

#[derive(Deserialize)]
struct Report<Rows> {
    report: Vec<Rows>,
}

#[derive(Deserialize)]
struct VgRows {
    #[serde(default)]
    vg: Vec<VgRow>,
}

#[derive(Deserialize)]
struct LvRows {
    #[serde(default)]
    lv: Vec<LvRow>,
}

/// Rows of `lvs` that were asked for the VG too.
#[derive(Deserialize)]
struct LvRowsOfVg {
    #[serde(default)]
    lv: Vec<VgRow>,
}

#[derive(Deserialize)]
struct PvRows {
    #[serde(default)]
    pv: Vec<PvRow>,
}

/// A row of `vgs`; sizes in bytes.
#[derive(Debug, PartialEq, Deserialize)]
pub(super) struct VgRow {
    pub(super) vg_name: String,
    #[serde(deserialize_with = "list")]
    pub(super) vg_tags: Vec<String>,
    #[serde(deserialize_with = "number")]
    pub(super) vg_size: u64,
    #[serde(deserialize_with = "number")]
    pub(super) vg_free: u64,
    #[serde(deserialize_with = "number")]
    pub(super) vg_extent_size: u64,
}

/// A row of `lvs`; sizes in bytes.
#[derive(Debug, PartialEq, Deserialize)]
pub(super) struct LvRow {
    pub(super) lv_name: String,
    pub(super) lv_uuid: String,
    pub(super) lv_dm_path: String,
    #[serde(deserialize_with = "list")]
    pub(super) lv_tags: Vec<String>,
    #[serde(deserialize_with = "number")]
    pub(super) lv_size: u64,
    /// `active`, or nothing, or that it cannot be told.
    pub(super) lv_active: String,
    /// Where it was asked for.
    #[serde(default)]
    pub(super) vg_uuid: String,
    /// What it is a snapshot of, or nothing.
    #[serde(default)]
    pub(super) origin: String,
    /// The thin pool that it is of, or nothing.
    #[serde(default)]
    pub(super) pool_lv: String,
    /// What it is, such as `thin,pool`.
    #[serde(default)]
    pub(super) lv_layout: String,
    /// How much is written of a thin pool, or a volume of one, such as `12.34`; nothing if it is not active.
    #[serde(default)]
    pub(super) data_percent: String,
    #[serde(default)]
    pub(super) metadata_percent: String,
}

/// A row of `pvs`.
#[derive(Debug, PartialEq, Deserialize)]
pub(super) struct PvRow {
    pub(super) pv_name: String,
    pub(super) pv_uuid: String,
    pub(super) vg_name: String,
}

/// The fields of [`VgRow`], for `-o`.
pub(super) const VG_FIELDS: &str = "vg_name,vg_tags,vg_size,vg_free,vg_extent_size";

/// The fields of [`PvRow`], for `-o`.
pub(super) const PV_FIELDS: &str = "pv_name,pv_uuid,vg_name";

/// The fields of [`LvRow`], for `-o`.
pub(super) const LV_FIELDS: &str = "lv_name,lv_uuid,lv_dm_path,lv_tags,lv_size,lv_active,origin,pool_lv,lv_layout,data_percent,metadata_percent";

/// The options that make a report one that can be read here.
pub(super) const READABLE: [&str; 5] = ["--reportformat", "json", "--units", "b", "--nosuffix"];

pub(super) fn vgs(command: &str, json: &[u8]) -> Result<Vec<VgRow>> {
    let report: Report<VgRows> = parse(command, json)?;
    Ok(report.report.into_iter().flat_map(|rows| rows.vg).collect())
}

pub(super) fn lvs(command: &str, json: &[u8]) -> Result<Vec<LvRow>> {
    let report: Report<LvRows> = parse(command, json)?;
    Ok(report.report.into_iter().flat_map(|rows| rows.lv).collect())
}

/// Reads the VG from a report on its LVs; `None` if it has none.
pub(super) fn vg_of_lvs(command: &str, json: &[u8]) -> Result<Option<VgRow>> {
    let report: Report<LvRowsOfVg> = parse(command, json)?;
    Ok(report.report.into_iter().flat_map(|rows| rows.lv).next())
}

pub(super) fn pvs(command: &str, json: &[u8]) -> Result<Vec<PvRow>> {
    let report: Report<PvRows> = parse(command, json)?;
    Ok(report.report.into_iter().flat_map(|rows| rows.pv).collect())
}

fn parse<'a, T: Deserialize<'a>>(command: &str, json: &'a [u8]) -> Result<T> {
    serde_json::from_slice(json).map_err(|source| Error::Report {
        command: command.to_owned(),
        source,
    })
}

fn number<'de, D: Deserializer<'de>>(deserializer: D) -> Result<u64, D::Error> {
    let text = String::deserialize(deserializer)?;
    text.parse()
        .map_err(|_| serde::de::Error::custom(format!("`{text}` is not a whole number")))
}

/// One string with commas in `json`, which every version has.
fn list<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<String>, D::Error> {
    let text = String::deserialize(deserializer)?;
    Ok(text
        .split(',')
        .filter(|tag| !tag.is_empty())
        .map(str::to_owned)
        .collect())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::{Strategy, prop_oneof, proptest};
    use rstest::rstest;
    use serde_json::Value;

    use super::*;
    use crate::garbage::{self, Text};
    use crate::lvm::Lv;
    use crate::session_id::SessionId;

    const LVS: &[u8] = include_bytes!("reports/lvs-2.03.16.json");
    const LVS_OF_A_MISSING_VG: &[u8] = include_bytes!("reports/lvs-missing-2.03.16.json");
    const VGS: &[u8] = include_bytes!("reports/vgs-2.03.16.json");
    const PVS: &[u8] = include_bytes!("reports/pvs-2.03.16.json");

    #[test]
    fn lvs_are_read_with_their_tags() {
        let lvs = lvs("lvs", LVS).unwrap();
        let tag = "kdev:s=20251115103045-a3f9d2:p=1234.81234567:b=f5a2b1c0:n=4026531836:h=1a2b3c4d:u=0";
        assert_eq!(lvs[0].lv_tags, ["kdev.kept", tag]);
        assert_eq!(lvs[0].lv_active, "active");
        assert_eq!(lvs[0].lv_size, 16 << 20);
        assert!(
            lvs[0]
                .lv_dm_path
                .ends_with("vg-kdev--20251115103045--a3f9d2--test")
        );
        assert_eq!(
            (lvs[1].lv_name.as_str(), lvs[1].lv_tags.len(), lvs.len()),
            ("[lvol0_pmspare]", 0, 6)
        );
    }

    #[test]
    fn vgs_and_pvs_are_read() {
        let vgs = vgs("vgs", VGS).unwrap();
        assert_eq!(
            (vgs.len(), vgs[0].vg_extent_size, vgs[0].vg_free),
            (1, 4 << 20, 4_240_441_344)
        );
        assert_eq!(vgs[0].vg_tags, ["kdev.pool"]);
        assert_eq!(pvs("pvs", PVS).unwrap()[0].pv_name, "/dev/ubda");
    }

    #[test]
    fn a_vg_is_read_from_its_lvs() {
        let of = r#""vg_name":"vg","vg_tags":"kdev.pool,kdev.thin=4","vg_size":"8","vg_free":"4","vg_extent_size":"2""#;
        let rows = format!(r#"{{"report":[{{"lv":[{{"lv_name":"a",{of}}},{{"lv_name":"b",{of}}}]}}]}}"#);
        let vg = vg_of_lvs("lvs", rows.as_bytes()).unwrap().unwrap();
        assert_eq!((vg.vg_name.as_str(), vg.vg_free), ("vg", 4));
        assert_eq!(vg.vg_tags, ["kdev.pool", "kdev.thin=4"]);
        assert_eq!(vg_of_lvs("lvs", LVS_OF_A_MISSING_VG).unwrap(), None);
        assert!(vg_of_lvs("lvs", LVS).is_err(), "it was not asked for the VG");
    }

    #[test]
    fn an_empty_report_is_no_error() {
        assert_eq!(lvs("lvs", LVS_OF_A_MISSING_VG).unwrap(), []);
        assert_eq!(vgs("vgs", b"{\"report\": [{\"vg\": []}]}").unwrap(), []);
    }

    /// lvm 2.03.26 and later add the commands' messages.
    #[test]
    fn a_log_beside_the_report_is_passed_over() {
        let text = String::from_utf8(LVS.to_vec()).unwrap();
        let end = text.rfind('}').unwrap();
        let with_log = format!("{}, \"log\": [{{\"log_seq_num\": \"1\"}}]}}", &text[..end]);
        assert_eq!(lvs("lvs", with_log.as_bytes()).unwrap(), lvs("lvs", LVS).unwrap());
    }

    #[rstest]
    #[case("")]
    #[case("null")]
    #[case("{}")]
    #[case("  WARNING: something\n{\"report\": []}")]
    #[case(r#"{"report": [{"lv": [{"lv_name": "a"}]}]}"#)]
    #[case(r#"{"report": [{"lv": [{"lv_name":"a","lv_uuid":"","lv_dm_path":"","lv_tags":"","lv_size":"16.00m","lv_active":""}]}]}"#)]
    fn what_cannot_be_read_is_an_error_with_the_command(#[case] text: &str) {
        let message = lvs("lvs --some option", text.as_bytes()).unwrap_err().to_string();
        assert!(message.contains("`lvs --some option`"), "{message}");
    }

    fn reports() -> impl Strategy<Value = Text> {
        let tree = |report: &[u8]| serde_json::from_slice::<Value>(report).unwrap();
        prop_oneof![
            1 => garbage::bytes(),
            1 => garbage::trees(&["report", "lv", "vg", "pv", "lv_name", "lv_tags", "lv_size", "vg_tags", "pv_name"]),
            4 => garbage::damaged(tree(LVS)),
            4 => garbage::damaged(tree(VGS)),
            2 => garbage::damaged(tree(PVS)),
        ]
    }

    proptest! {
        #![proptest_config(garbage::config())]

        #[test]
        fn a_damaged_report_is_an_error_or_rows_and_makes_nothing_ours(Text(report) in reports()) {
            let is_of_the_report = |err: Error| matches!(err, Error::Report { .. });
            assert!(vgs("vgs", &report).map_or_else(is_of_the_report, |_| true));
            assert!(pvs("pvs", &report).map_or_else(is_of_the_report, |_| true));
            match lvs("lvs", &report) {
                Err(err) => assert!(is_of_the_report(err)),
                Ok(rows) => for row in rows {
                    let (name, tags) = (row.lv_name.clone(), row.lv_tags.clone());
                    if let Some(owner) = Lv::from(row).owner() {
                        assert_eq!(SessionId::of_lv(&name), Some(owner.session.clone()));
                        assert!(tags.contains(&owner.to_string()), "{tags:?}");
                    }
                },
            }
        }
    }
}
