//! The figures as a table, for a terminal and for the README.

use crate::figure::Figure;

const COLUMNS: [&str; 7] = ["", "what", "ours", "beside it", "comes to", "target", ""];

fn row(figure: &Figure) -> [String; 7] {
    let other = figure.other.as_ref();
    [
        figure.number.clone(),
        figure.what.clone(),
        figure.ours.told(),
        other.map_or_else(String::new, |(name, other)| format!("{name}: {}", other.told())),
        figure.unit.told(figure.value),
        figure.target(),
        figure.verdict().to_owned(),
    ]
}

pub(crate) fn text(figures: &[&Figure]) -> String {
    let rows: Vec<[String; 7]> = figures.iter().map(|figure| row(figure)).collect();
    let head = COLUMNS.map(str::to_owned);
    let all = || std::iter::once(&head).chain(&rows);
    let mut lines = String::new();
    for row in all() {
        let cells = row.iter().enumerate().map(|(column, cell)| {
            let width = all().map(|row| row[column].chars().count()).max().unwrap_or(0);
            format!("{cell:width$}")
        });
        let line = cells.collect::<Vec<_>>().join("  ");
        lines += line.trim_end();
        lines.push('\n');
    }
    lines
}

pub(crate) fn markdown(figures: &[&Figure]) -> String {
    let line = |cells: &[String]| format!("| {} |\n", cells.join(" | "));
    let mut text = line(&COLUMNS.map(str::to_owned));
    text += &line(&COLUMNS.map(|_| "---".to_owned()));
    for figure in figures {
        text += &line(&row(figure));
    }
    for figure in figures.iter().filter(|figure| figure.is_missed()) {
        let why = match figure.note.as_str() {
            "" => "why is not known, see how far both spread",
            note => note,
        };
        text += &format!("\n{} is missed: {why}.\n", figure.what);
    }
    text
}
