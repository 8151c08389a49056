use std::time::Duration;

use kdev_volumes::Bytes;
use kdev_volumes::metrics::{By, Figures, Metrics, Spread};

use crate::table::Table;

pub(super) const COLUMNS: [&str; 9] = [
    "SESSIONS", "VOLUMES", "SIZE", "FAILED", "LEAKED", "MADE IN", "HELD FOR", "WAITED", "PEAK",
];

/// Writes the figures as a table, below what is worth a sentence.
pub(super) fn tables(metrics: &Metrics, by: By, name: &str) -> String {
    let mut text = format!("{}\n", range(metrics));
    let all = metrics.all();
    for sentence in sentences(metrics, &all) {
        text.push_str(&sentence);
        text.push('\n');
    }
    let groups = metrics.by(by);
    if groups.is_empty() {
        return text;
    }
    let heading: Vec<String> = [name.to_uppercase()]
        .into_iter()
        .chain(COLUMNS.map(str::to_owned))
        .collect();
    let heading: [String; 10] = heading.try_into().expect("one more than there are columns");
    let mut table = Table::new(heading.each_ref().map(String::as_str));
    for (name, figures) in groups {
        let cells: Vec<String> = [name].into_iter().chain(row(&figures)).collect();
        table.row(cells.try_into().expect("one more than there are columns"));
    }
    text.push('\n');
    text.push_str(&table.to_string());
    text.push_str("MADE IN, HELD FOR and WAITED: half of them no longer than the first, 99 % no longer than the second.\nPEAK: volumes at once at most, and their room at once at most.\n");
    text
}

/// Says of what time the figures are.
pub(super) fn range(metrics: &Metrics) -> String {
    let time = |time| {
        humantime::format_rfc3339_seconds(time)
            .to_string()
            .replace(['T', 'Z'], " ")
    };
    match metrics.from {
        Some(from) => format!("{}to {}UTC", time(from), time(metrics.until)),
        None => "nothing has happened yet".to_owned(),
    }
}

fn sentences(metrics: &Metrics, all: &Figures) -> Vec<String> {
    let mut sentences = Vec::new();
    if all.leaked() > 0 {
        let by = [
            (all.by_watchdog, "a watchdog"),
            (all.by_constructor, "a program that started"),
            (all.by_full_pool, "a test that found no room"),
            (all.by_cleanup, "a cleanup"),
        ];
        let by = by.iter().filter(|(count, _)| *count > 0);
        let by: Vec<String> = by.map(|(count, whom)| format!("{count} by {whom}")).collect();
        sentences.push(format!("leaked and reaped: {}", by.join(", ")));
    }
    if all.forgotten > 0 {
        sentences.push(format!(
            "left by dead owners, and taken back by the kernel itself: {}",
            all.forgotten
        ));
    }
    if all.waits_in_vain > 0 {
        sentences.push(format!("waited for room in vain: {}", all.waits_in_vain));
    }
    if metrics.unreadable > 0 {
        sentences.push(format!(
            "lines of the log that cannot be read: {}",
            metrics.unreadable
        ));
    }
    sentences
}

/// The cells of a row, under [`COLUMNS`].
pub(super) fn row(figures: &Figures) -> [String; 9] {
    [
        figures.sessions.to_string(),
        figures.volumes.to_string(),
        about(figures.bytes),
        figures.failures.to_string(),
        figures.leaked().to_string(),
        spread(figures.making),
        spread(figures.held),
        match figures.waits {
            Some(waits) => format!("{}x {}", waits.count, spread(Some(waits))),
            None => "-".to_owned(),
        },
        format!("{} of {}", figures.peak_volumes, about(figures.peak_bytes)),
    ]
}

fn spread(spread: Option<Spread>) -> String {
    match spread {
        Some(spread) => format!("{} / {}", brief(spread.median), brief(spread.p99)),
        None => "-".to_owned(),
    }
}

/// Writes a time with as many digits as tell something.
pub(super) fn brief(time: Duration) -> String {
    let seconds = time.as_secs();
    match seconds {
        0 => format!("{}ms", time.as_millis()),
        1..60 => format!("{:.1}s", time.as_secs_f64().min(59.9)),
        60..3600 => format!("{}m{}s", seconds / 60, seconds % 60),
        3600..86400 => format!("{}h{}m", seconds / 3600, seconds / 60 % 60),
        _ => format!("{}d{}h", seconds / 86400, seconds / 3600 % 24),
    }
}

/// Writes a size to one decimal place: unlike one that was asked for, it is seldom whole.
#[expect(clippy::cast_precision_loss, reason = "one decimal place is left of it")]
pub(crate) fn about(size: Bytes) -> String {
    const UNITS: [&str; 7] = ["B", "K", "M", "G", "T", "P", "E"];
    let mut unit = 0;
    let mut left = size.get() as f64;
    while left >= 1024.0 && unit + 1 < UNITS.len() {
        left /= 1024.0;
        unit += 1;
    }
    let text = format!("{left:.1}");
    format!("{}{}", text.trim_end_matches(".0"), UNITS[unit])
}

#[cfg(test)]
mod tests {
    use rstest::rstest;

    use super::*;

    #[rstest]
    #[case(0, "0B")]
    #[case(1023, "1023B")]
    #[case(1 << 30, "1G")]
    #[case((1 << 30) + (1 << 29), "1.5G")]
    #[case(u64::MAX, "16E")]
    fn a_size_has_one_decimal_place_at_most(#[case] bytes: u64, #[case] text: &str) {
        assert_eq!(about(Bytes::new(bytes)), text);
    }

    #[rstest]
    #[case(0, "0ms")]
    #[case(999, "999ms")]
    #[case(1_250, "1.2s")]
    #[case(59_990, "59.9s")]
    #[case(61_000, "1m1s")]
    #[case(3_660_000, "1h1m")]
    #[case(90_000_000, "1d1h")]
    fn a_time_has_two_units_at_most(#[case] ms: u64, #[case] text: &str) {
        assert_eq!(brief(Duration::from_millis(ms)), text);
    }
}
