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
}

/// A row of `pvs`.
#[derive(Debug, PartialEq, Deserialize)]
pub(super) struct PvRow {
    pub(super) pv_name: String,
}

/// The fields of [`VgRow`], for `-o`.
pub(super) const VG_FIELDS: &str = "vg_name,vg_tags,vg_size,vg_free,vg_extent_size";

/// The fields of [`LvRow`], for `-o`.
pub(super) const LV_FIELDS: &str = "lv_name,lv_uuid,lv_dm_path,lv_tags,lv_size";

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
