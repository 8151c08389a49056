use kdev_volumes::metrics::{By, Figures, Metrics, Spread};

use crate::amounts::{about, brief};
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
