//! The time of day, in UTC, as names and files write it.

use std::time::{Duration, SystemTime};

/// Returns the time as `2025-11-15T10:30:45`, the form of the state file.
pub(crate) fn now() -> String {
    let time = humantime::format_rfc3339_seconds(SystemTime::now()).to_string();
    time.trim_end_matches('Z').to_owned()
}

/// Returns the time as `2025-11-15T10:30:45.123Z`, the form of the log.
pub(crate) fn exact() -> String {
    humantime::format_rfc3339_millis(SystemTime::now()).to_string()
}

/// Returns the time as `20251115103045`, the form of names.
pub(crate) fn stamp() -> String {
    now().chars().filter(char::is_ascii_digit).collect()
}

/// Returns how long ago a time of the state file was; `None` if it cannot be read or is to come.
pub(crate) fn age(time: &str) -> Option<Duration> {
    // kerneldev-mcp writes fractions of a second, and no zone.
    let seconds = time.get(..19)?;
    let then = humantime::parse_rfc3339(&format!("{seconds}Z")).ok()?;
    SystemTime::now().duration_since(then).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_age_of_now_is_nothing() {
        assert!(age(&now()).unwrap() < Duration::from_secs(60));
    }

    #[test]
    fn a_time_with_fractions_has_an_age() {
        assert!(age("2025-11-15T10:30:45.123456").unwrap() > Duration::from_secs(60));
        assert_eq!(age("soon"), None);
    }
}
