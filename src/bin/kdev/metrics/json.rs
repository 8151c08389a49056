//! What `kdev metrics --json` prints. The keys are a promise: programs read them.

use std::time::SystemTime;

use kdev_volumes::metrics::{By, Figures, Metrics, Spread};
use serde_json::{Value, json};

pub(super) fn document(metrics: &Metrics, by: By, name: &str) -> String {
    let groups = metrics.by(by).into_iter().map(|(name, figures)| {
        let mut group = json!({ "name": name });
        let keys = group.as_object_mut().expect("it was just made one");
        if let Value::Object(figures) = of(&figures) {
            keys.extend(figures);
        }
        group
    });
    let document = json!({
        "from": metrics.from.map(time),
        "until": time(metrics.until),
        "unreadable_lines": metrics.unreadable,
        "by": name,
        "all": of(&metrics.all()),
        "groups": groups.collect::<Vec<Value>>(),
    });
    format!("{document:#}\n")
}

fn of(figures: &Figures) -> Value {
    json!({
        "sessions": figures.sessions,
        "volumes": figures.volumes,
        "size_bytes": figures.bytes.get(),
        "failures": figures.failures,
        "released": figures.released,
        "kept": figures.kept,
        "stuck": figures.stuck,
        "leaked": figures.leaked(),
        "reaped": {
            "watchdog": figures.by_watchdog,
            "constructor": figures.by_constructor,
            "full_pool": figures.by_full_pool,
            "cleanup": figures.by_cleanup,
        },
        "forgotten": figures.forgotten,
        "kept_removed": figures.kept_removed,
        "making": figures.making.map(spread),
        "held": figures.held.map(spread),
        "waits": figures.waits.map(spread),
        "waits_in_vain": figures.waits_in_vain,
        "peak_volumes": figures.peak_volumes,
        "peak_bytes": figures.peak_bytes.get(),
    })
}

fn spread(spread: Spread) -> Value {
    let millis = |time: std::time::Duration| u64::try_from(time.as_millis()).unwrap_or(u64::MAX);
    json!({
        "count": spread.count,
        "median_ms": millis(spread.median),
        "p99_ms": millis(spread.p99),
        "longest_ms": millis(spread.longest),
    })
}

fn time(time: SystemTime) -> String {
    humantime::format_rfc3339_seconds(time).to_string()
}
