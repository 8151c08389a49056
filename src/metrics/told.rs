//! Events for tests.

use std::time::{Duration, SystemTime};

use serde_json::{Value, json};

use crate::events::Event;

pub(super) const SESSION: &str = "20251115103000-a3f9d2";

/// So many seconds after that began.
pub(super) fn seconds(after: u64) -> SystemTime {
    humantime::parse_rfc3339("2025-11-15T10:30:00Z").unwrap() + Duration::from_secs(after)
}

/// An event of that session, unless it says something else.
pub(super) fn told(at: u64, keys: Value) -> Event {
    let mut event = json!({
        "at": humantime::format_rfc3339_millis(seconds(at)).to_string(),
        "pid": 7, "pool": "default", "session": SESSION, "test": "it$works",
    });
    let keys = keys.as_object().unwrap().clone();
    event.as_object_mut().unwrap().extend(keys);
    serde_json::from_value(event).unwrap()
}

/// A volume of that session of 1 GiB.
pub(super) fn volume(name: &str) -> Value {
    json!({"lv_name": format!("kdev-{SESSION}-{name}"), "bytes": 1 << 30})
}
