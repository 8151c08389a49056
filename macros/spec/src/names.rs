//! The rules for names: LVM's, the shell's and fstests'.

use crate::SpecError;

/// The environment variables in which fstests looks for block devices.
///
/// While a test runs, those of them that are not this session's are unset, so that a test can never
/// pick up a disk that somebody exported in the surrounding shell.
pub const DEVICE_VARIABLES: [&str; 8] = [
    "TEST_DEV",
    "SCRATCH_DEV",
    POOL_VARIABLE,
    "LOGWRITES_DEV",
    "TEST_LOGDEV",
    "SCRATCH_LOGDEV",
    "TEST_RTDEV",
    "SCRATCH_RTDEV",
];

/// The one variable that holds several devices, separated by spaces.
pub(crate) const POOL_VARIABLE: &str = "SCRATCH_DEV_POOL";

/// What a VG's and an LV's name may cost together; see [`lv_name_cost`].
///
/// A device-mapper name holds 127 bytes, of which the longest suffix that LVM appends for its hidden
/// devices takes the rest.
pub const LV_NAME_BUDGET: usize = 119;

const MAX_VOLUME_NAME: usize = 32;

/// Name parts that LVM keeps for its hidden LVs (lvm(8), "Valid Names").
const RESERVED_PARTS: [&str; 17] = [
    "_cdata", "_cmeta", "_corig", "_cpool", "_cvol", "_wcorig", "_mimage", "_mlog", "_rimage", "_rmeta",
    "_tdata", "_tmeta", "_vdata", "_imeta", "_iorig", "_pmspare", "_vorigin",
];

/// Returns what a VG's or LV's name costs in a device-mapper name, in bytes: every `-` is doubled there.
pub fn lv_name_cost(name: &str) -> usize {
    name.len() + name.matches('-').count()
}

/// Checks a text that becomes the beginning of LVM names: a pool's name, a VG's, an LV prefix.
///
/// # Errors
///
/// The rule that the text breaks, as a phrase.
pub fn check_lv_part(text: &str) -> Result<(), &'static str> {
    let allowed = |c: char| c.is_ascii_alphanumeric() || matches!(c, '_' | '.' | '-' | '+');
    if text.is_empty() {
        return Err("it is empty");
    }
    if !text.chars().all(allowed) {
        return Err("letters, digits, `_`, `.`, `+` and `-` only");
    }
    if text.starts_with('-') || text == "." || text == ".." {
        return Err("LVM takes no name that is `.` or `..` or starts with `-`");
    }
    if text.starts_with("snapshot") || text.starts_with("pvmove") {
        return Err("LVM keeps names that start with `snapshot` and `pvmove` for itself");
    }
    no_reserved_part(text)
}

fn no_reserved_part(text: &str) -> Result<(), &'static str> {
    match RESERVED_PARTS.iter().any(|part| text.contains(part)) {
        true => Err("LVM keeps names with `_tdata`, `_mlog`, `_rimage` and their like for itself"),
        false => Ok(()),
    }
}

pub(crate) fn check_volume(name: &str) -> Result<(), SpecError> {
    let bad = |reason| {
        Err(SpecError::Name {
            name: name.to_owned(),
            reason,
        })
    };
    let first_is_letter = name.starts_with(|c: char| c.is_ascii_lowercase());
    let allowed = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '_';
    if !first_is_letter || !name.chars().all(allowed) {
        return bad("lower-case letters, digits and `_`, a letter first");
    }
    if name.len() > MAX_VOLUME_NAME {
        return bad("at most 32 characters");
    }
    no_reserved_part(name).or_else(bad)
}

pub(crate) fn check_env(env: &str, volume: &str) -> Result<(), SpecError> {
    let bad = |reason| {
        Err(SpecError::Env {
            env: env.to_owned(),
            volume: volume.to_owned(),
            reason,
        })
    };
    let allowed = |c: char| c.is_ascii_alphanumeric() || c == '_';
    if env.is_empty() || !env.chars().all(allowed) || env.starts_with(|c: char| c.is_ascii_digit()) {
        return bad("letters, digits and `_`, not a digit first");
    }
    if env.starts_with("KDEV_") || env.starts_with("KERNELDEV_") {
        return bad("variables that begin with `KDEV_` or `KERNELDEV_` are kdev-volumes' own");
    }
    Ok(())
}

/// Returns the variable in which fstests, or a reader of this crate's page, looks for a volume.
pub(crate) fn default_env(volume: &str) -> String {
    match volume {
        "test_log" => "TEST_LOGDEV".into(),
        "scratch_log" => "SCRATCH_LOGDEV".into(),
        "test_rt" => "TEST_RTDEV".into(),
        "scratch_rt" => "SCRATCH_RTDEV".into(),
        _ if is_pool_member(volume) => POOL_VARIABLE.into(),
        _ => format!("{}_DEV", volume.to_ascii_uppercase()),
    }
}

fn is_pool_member(volume: &str) -> bool {
    let number = volume.strip_prefix("pool").unwrap_or("");
    !number.is_empty() && number.chars().all(|c| c.is_ascii_digit())
}
