//! A page that needs nothing but itself: what is written into it is text, and never part of the page.

use std::time::{SystemTime, UNIX_EPOCH};

use kdev_volumes::metrics::{By, Figures, Held, HowEnded, Metrics};
use serde_json::{Value, json};

use crate::amounts::{about, brief};
use crate::metrics::text::{self, COLUMNS};

const PAGE: &str = include_str!("page.html");

/// How many sessions are drawn, the last ones; a browser is slow to draw more.
const DRAWN: usize = 5000;

/// How many are listed.
const LISTED: usize = 500;

/// Makes the page.
pub(super) fn page(metrics: &Metrics) -> String {
    let sessions = &metrics.sessions;
    let (drawn, listed) = (last(sessions, DRAWN), last(sessions, LISTED));
    let title = match sessions.len() == listed.len() {
        true => format!("Sessions ({})", sessions.len()),
        false => format!("Sessions (the last {} of {})", listed.len(), sessions.len()),
    };
    let mut range = text::range(metrics);
    if drawn.len() < sessions.len() {
        range.push_str(&format!("; the last {} sessions are drawn", drawn.len()));
    }
    // What is filled in is not looked through again: a test may be called `{{data}}`.
    let mut rest = PAGE;
    let mut page = String::new();
    while let Some((before, from_name)) = rest.split_once("{{") {
        let (name, after) = from_name.split_once("}}").expect("each in the page is closed");
        page.push_str(before);
        page.push_str(&match name {
            "range" => escaped(&range),
            "cards" => cards(&metrics.all()),
            "figures" => figures(metrics),
            "sessions_title" => escaped(&title),
            "sessions" => list(listed),
            "data" => data(metrics, drawn),
            _ => unreachable!("the page has no other"),
        });
        rest = after;
    }
    page + rest
}

fn last(sessions: &[Held], count: usize) -> &[Held] {
    &sessions[sessions.len().saturating_sub(count)..]
}

fn cards(all: &Figures) -> String {
    let time = |spread: Option<kdev_volumes::metrics::Spread>| {
        spread.map_or_else(|| "-".to_owned(), |spread| brief(spread.median))
    };
    let cards = [
        (all.sessions.to_string(), "sessions", false),
        (all.volumes.to_string(), "volumes", false),
        (about(all.peak_bytes), "at once at most", false),
        (time(all.making), "to make, in the median", false),
        (time(all.held), "held, in the median", false),
        (all.leaked().to_string(), "volumes leaked", all.leaked() > 0),
        (all.failures.to_string(), "failures", all.failures > 0),
    ];
    let card = |(figure, what, is_bad): (String, &str, bool)| {
        let class = if is_bad { " class=\"bad\"" } else { "" };
        format!(
            "<div{class}><b>{}</b><span>{}</span></div>\n",
            escaped(&figure),
            escaped(what)
        )
    };
    cards.into_iter().map(card).collect()
}

fn figures(metrics: &Metrics) -> String {
    let rows = metrics.by(By::Pool).into_iter();
    let rows = rows.map(|(name, figures)| [name].into_iter().chain(text::row(&figures)).collect());
    table(&[&["POOL"], &COLUMNS[..]].concat(), rows)
}

fn list(sessions: &[Held]) -> String {
    let rows = sessions.iter().rev().map(|held| {
        let volumes = held
            .volumes
            .iter()
            .map(|volume| format!("{} {}", short(&volume.lv_name), about(volume.size)));
        let held_for = held.until.and_then(|until| until.duration_since(held.from).ok());
        vec![
            held.test.clone().unwrap_or_else(|| "-".to_owned()),
            humantime::format_rfc3339_seconds(held.from)
                .to_string()
                .replace(['T', 'Z'], " "),
            held_for.map_or_else(|| "-".to_owned(), brief),
            ended(held).to_owned(),
            held.pool.clone(),
            held.session.clone(),
            volumes.collect::<Vec<_>>().join(", "),
        ]
    });
    table(
        &[
            "TEST",
            "SINCE (UTC)",
            "HELD FOR",
            "ENDED",
            "POOL",
            "SESSION",
            "VOLUMES",
        ],
        rows,
    )
}

fn table(heading: &[&str], rows: impl Iterator<Item = Vec<String>>) -> String {
    let mut text = String::from("<table>\n<tr>");
    for cell in heading {
        text.push_str(&format!("<th>{}</th>", escaped(cell)));
    }
    text.push_str("</tr>\n");
    for row in rows {
        text.push_str("<tr>");
        for (number, cell) in row.iter().enumerate() {
            let class = if number == 0 { " class=\"name\"" } else { "" };
            text.push_str(&format!("<td{class}>{}</td>", escaped(cell)));
        }
        text.push_str("</tr>\n");
    }
    text + "</table>\n"
}

/// What the script draws. Within a script nothing ends it but `</script`, and so `<` is not written out.
fn data(metrics: &Metrics, sessions: &[Held]) -> String {
    let sessions = sessions.iter().map(|held| {
        let volumes = held.volumes.iter().map(|volume| {
            json!({
                "name": short(&volume.lv_name),
                "bytes": volume.size.get(),
                "from": millis(volume.from),
                "until": volume.until.map(millis),
            })
        });
        let gone: Option<Vec<SystemTime>> = held.volumes.iter().map(|volume| volume.until).collect();
        json!({
            "session": held.session,
            "pool": held.pool,
            "test": held.test,
            "attempt": held.attempt,
            "pid": held.pid,
            "from": millis(held.from),
            "until": held.until.map(millis),
            "gone": gone.and_then(|gone| gone.into_iter().max()).map(millis),
            "ended": ended(held),
            "volumes": volumes.collect::<Vec<Value>>(),
        })
    });
    let data = json!({
        "from": metrics.from.map(millis),
        "until": millis(metrics.until),
        "sessions": sessions.collect::<Vec<Value>>(),
    });
    let mut text = data.to_string();
    for (from, to) in [
        ("<", "\\u003c"),
        (">", "\\u003e"),
        ("&", "\\u0026"),
        ("\u{2028}", "\\u2028"),
        ("\u{2029}", "\\u2029"),
    ] {
        text = text.replace(from, to);
    }
    text
}

/// The words by which the page's script and style know them.
fn ended(held: &Held) -> &'static str {
    match held.ended {
        HowEnded::NotYet => "held",
        HowEnded::Released => "released",
        HowEnded::Kept => "kept",
        HowEnded::Stuck => "stuck",
        HowEnded::Reaped => "reaped",
        _ => "unknown",
    }
}

/// A volume's own name; the session's stands beside it.
fn short(lv_name: &str) -> &str {
    lv_name.rsplit('-').next().unwrap_or(lv_name)
}

fn millis(time: SystemTime) -> u64 {
    let since = time.duration_since(UNIX_EPOCH).unwrap_or_default();
    u64::try_from(since.as_millis()).unwrap_or(u64::MAX)
}

fn escaped(text: &str) -> String {
    text.chars()
        .map(|letter| match letter {
            '&' => "&amp;".to_owned(),
            '<' => "&lt;".to_owned(),
            '>' => "&gt;".to_owned(),
            '"' => "&quot;".to_owned(),
            '\'' => "&#39;".to_owned(),
            // A browser would take it for something else.
            '\0' => "\u{fffd}".to_owned(),
            _ => letter.to_string(),
        })
        .collect()
}
